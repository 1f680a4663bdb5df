"""Runs the sessions of one Locust process and brings their record to the run folder."""

from __future__ import annotations

import inspect
import logging
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import gevent
from gevent.event import Event

from bench.analysis.budget import Tally
from bench.load.background import background_pool
from bench.load.display import Display
from bench.load.hub import EngineLoop
from bench.load.part import make_part
from bench.load.plan import make_call_plan, plan_of_class
from bench.load.recordings import Recordings
from bench.load.scribe import Scribe
from bench.load.switchboard import Switchboard
from bench.load.watch import ProcessWatch
from bench.runs.folder import RunFolder
from bench.runs.recorder import Recorder, SessionRecord
from bench.session.call import Call
from bench.session.call_plan import CallPlan
from bench.session.realtime import RealtimeSession
from bench.session.stamps import StampClock, read_anchor

_log = logging.getLogger(__name__)

S = TypeVar("S", bound=RealtimeSession)

PART_INTERVAL_S = 2.0
_SWITCH_INTERVAL_S = 0.000_5
"""How long another thread may keep the interpreter from the pacer."""


class RunWorker:
    """What one process contributes to one run.

    `report` carries a message of ours to whoever controls the run: `(name, data)`.
    """

    def __init__(
        self,
        environment: Any,
        name: str,
        folder: Path,
        report: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.name = name
        self._options, self._host = environment.parsed_options, environment.host
        self.plan = make_call_plan(self._options, self._host)
        self._class_plans: dict[type, CallPlan] = {}
        self.open_sessions: set[RealtimeSession] = set()
        self.lateness_p99_ms: float | None = None
        self.tally = Tally()
        """What was used, as far as it is written down."""
        self.held = False
        """Whether no new session is to be begun."""
        self.client_id = environment.runner.client_id
        self._folder = RunFolder(folder)
        self._shares_folder = folder.is_dir()
        self._report = report
        self._loop = EngineLoop()
        self.switchboard = Switchboard(self._loop.engine)
        self.display = Display()
        self._stamps = StampClock()
        self._recorder = Recorder(name)
        self._parts = 0
        self._stamped_by_kernel: bool | None = None
        self._anchors = [read_anchor()]
        self._recordings: Recordings | None = None
        if self._options.record:
            warmup_ns = int(self._options.warmup_s * 1e9)
            self._recordings = Recordings(
                self._options.record, self._anchors[0].monotonic_ns + warmup_ns
            )
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self._writer = background_pool()
        self._scribe = Scribe()
        self._pay_first_costs()
        self.watch = ProcessWatch(name, self._loop.stalls, lambda: len(self.open_sessions))
        self.watch.start()
        self._closing = Event()
        self._flusher = gevent.spawn(self._flush_until_closing)
        report("opened", {"worker": name, **self._facts()})

    def _pay_first_costs(self) -> None:
        """Do once, before any microphone runs, what is slow only the first time.

        Locust asks who called `stop`, and `inspect` reads the sources of the whole stack for the
        answer: tens of milliseconds that would fall on the last frames. The scribe loads its code
        meanwhile; nobody waits for it before the first part.
        """
        nothing = (make_part, "", 0, Recorder("").take(), Tally())
        self._writer.spawn(self._scribe.begin, *nothing)
        inspect.stack()

    def plan_of(self, user_class: type, asks: Mapping[str, Any]) -> CallPlan:
        """The run's plan with what a class of users asks for itself; made once for each class.

        Raises:
            Problem: it can't be had.
        """
        if user_class not in self._class_plans:
            plan = plan_of_class(self.plan, self._options, self._host, asks)
            self._class_plans[user_class] = plan
        return self._class_plans[user_class]

    def open_session(
        self,
        session_class: type[S],
        user: str,
        on_turn: Callable[[SessionRecord], None],
        plan: CallPlan,
    ) -> S:
        """Open one more session.

        Raises:
            ConnectError: the target refused.
        """
        tape = None
        if self._recordings is not None:
            tape = self._recordings.tape(plan)
            on_turn = self._recordings.judging(tape, on_turn)
        session = session_class(
            Call(
                plan,
                self._loop.engine,
                self._stamps,
                self._recorder.begin_session(),
                user=user,
                on_turn=on_turn,
                dial=self.switchboard.open_transport,
                tape=tape,
            )
        )
        session.open()
        self._stamped_by_kernel = (
            bool(session.kernel_stamps) and self._stamped_by_kernel is not False
        )
        self.open_sessions.add(session)
        return session

    def close_session(self, session: RealtimeSession) -> None:
        """Hang up."""
        self.open_sessions.discard(session)
        session.close()

    def close(self) -> None:
        """Write the last part, stop the engine and say that nothing more will come."""
        self._closing.set()
        self._flusher.join()  # killed while it writes, it would lose the part it has taken
        try:
            for session in list(self.open_sessions):
                self.close_session(session)
            self.display.close()
            self._scribe.close()  # nobody speaks any more: the last part is soonest made here
            self._flush()
            self._write_recordings()
            self._writer.kill()
            self.switchboard.close()
            self._loop.close()
        finally:
            self.watch.stop()
        self._anchors.append(read_anchor())
        tally = self.tally.to_json()
        self._report("closed", {"worker": self.name, "tally": tally, **self._facts()})

    def _facts(self) -> dict[str, Any]:
        facts = self.watch.facts()
        process = facts["process"]
        return {
            "host": platform.node(),
            "pid": os.getpid(),
            "client_id": self.client_id,
            "parts": self._parts,
            "sessions": self._recorder.session_count,
            "clock_anchors": [asdict(anchor) for anchor in self._anchors],
            "kernel_stamps": self._stamped_by_kernel,
            "utterances": self.plan.catalogue.loaded_hashes(),
            "cpu_s": round(process["cpu_user_s"] + process["cpu_system_s"], 3),
            "max_rss_bytes": process["rss_max_bytes"],
            **facts,
        }

    def _flush_until_closing(self) -> None:
        while not self._closing.wait(PART_INTERVAL_S):
            try:
                self._flush()
            except OSError as error:
                path = error.filename or self._folder.path  # a full disk names no file
                reason = f"{path}: cannot be written ({error.strerror}); the run ends"
                self._report("problem", {"reason": reason})
                return

    def _flush(self) -> None:
        """Write one part elsewhere, so that the schedule goes on meanwhile."""
        batch = self._recorder.take()
        if not len(batch.events) and not batch.appends.session and not batch.appends.unsent:
            return
        number, self._parts = self._parts, self._parts + 1
        part = self._writer.apply(
            self._scribe.apply, (make_part, self.name, number, batch, self.tally)
        )
        self.tally, self.lateness_p99_ms = part.tally, part.lateness_p99_ms
        if self.lateness_p99_ms is not None:
            self.watch.note_lateness(self.lateness_p99_ms)
        for file_name, content in part.files.items():
            self._bring("part", self._folder.write_part_file, file_name, content)

    def _bring(
        self, what: str, write: Callable[[str, bytes], None], name: str, content: bytes
    ) -> None:
        """Bring a file to the run's folder, over the network where the disk is not shared."""
        if self._shares_folder:
            self._writer.apply(write, (name, content))
        else:
            self._report(what, {"file": name, "content": content})

    def _write_recordings(self) -> None:
        """Write what was kept to be heard again, one file in memory at a time."""
        files = None if self._recordings is None else self._recordings.files(self.name)
        while files is not None:
            made = self._writer.apply(next, (files, None))
            if made is None:
                return
            try:
                self._bring("recording", self._folder.write_recording, *made)
            except OSError as error:  # the figures of the run are worth more than its sound
                _log.warning("%s: cannot be written (%s)", made[0], error.strerror)
                return

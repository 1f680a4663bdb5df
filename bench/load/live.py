"""Turns Locust's statistics and workers' strain into a live table, or lines, and warnings."""

from __future__ import annotations

import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

import gevent
from gevent.threadpool import ThreadPool
from locust import events

from bench.load.alarm import Alarm, Strain
from bench.load.background import background_pool
from bench.load.progress import Progress, error_classes, progress_line, progress_table
from bench.load.spending import SpendingWatch
from bench.quiet import is_quiet

if TYPE_CHECKING:
    from bench.load.lifecycle import Lifecycle

TERMINAL_INTERVAL_S = 1
PLAIN_INTERVAL_S = 5


class LiveView:
    """Progress of one run, and warnings while something can still be done.

    What it shows is for the eye; reports are made from the record.
    """

    def __init__(self, environment: Any, lifecycle: Lifecycle, spending: SpendingWatch) -> None:
        self._environment = environment
        self._lifecycle = lifecycle
        self._spending = spending
        self._greenlet: gevent.Greenlet | None = None
        self._alarm = Alarm()
        self._told_by_worker: dict[str, dict[str, Any]] = {}
        self._strains: list[Strain] = []
        self._started_s = 0.0
        self._target = ""
        self._sheet: Sheet | None = None
        events.report_to_master.add_listener(self._on_report)
        events.worker_report.add_listener(self._on_worker_report)

    def start(self, target: str) -> None:
        """Begin to look, and to show; `target` is a redacted URL."""
        self._alarm = Alarm()
        self._told_by_worker.clear()
        self._strains.clear()
        self._target = target
        self._started_s = time.monotonic()
        if self._shows_progress and _takes_codes(self._out):
            self._sheet = Sheet(self._out)
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Show how it ended, and no more."""
        if self._greenlet is None:
            return
        self._greenlet.kill()
        self._greenlet = None
        sheet, self._sheet = self._sheet, None
        if sheet is not None:
            sheet.draw(self.progress())
            sheet.close()

    @property
    def _out(self) -> TextIO:
        """Where progress goes: Locust's --json wants stdout for itself."""
        return sys.stderr if self._environment.parsed_options.json else sys.stdout

    @property
    def _shows_progress(self) -> bool:
        return bool(self._environment.parsed_options.progress) and not is_quiet()

    def _run(self) -> None:
        interval = PLAIN_INTERVAL_S if self._sheet is None else TERMINAL_INTERVAL_S
        second = 0
        while True:
            gevent.sleep(1)
            second += 1
            self._warn(time.monotonic())
            if not self._shows_progress or second % interval:
                continue
            if self._lifecycle.worker is not None:
                self._lifecycle.worker.switchboard.give_way()
            if self._sheet is None:
                print(progress_line(self.progress()), file=self._out, flush=True)
            else:
                self._sheet.draw(self.progress())

    def _warn(self, now_s: float) -> None:
        if self._lifecycle.worker is not None:
            self._strains.append(self._lifecycle.worker.watch.take_strain())
        warning = self._alarm.line(now_s, self._strains)
        self._strains.clear()
        if warning is not None:
            self.say(warning)

    def say(self, line: str) -> None:
        """Print a line to stderr, above what is drawn there."""
        if self._sheet is not None and sys.stderr.isatty():
            self._sheet.wipe()
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    def progress(self) -> Progress:
        """Where the run stands."""
        stats, options = self._environment.stats, self._environment.parsed_options
        ttfa = [entry for (_, kind), entry in stats.entries.items() if kind == "ttfa"]
        return Progress(
            target=self._target,
            elapsed_s=time.monotonic() - self._started_s,
            run_time_s=options.run_time,
            users=self._environment.runner.user_count,
            sessions=self._sessions(),
            turns=sum(entry.num_requests for entry in ttfa),
            failed=sum(entry.num_failures for entry in ttfa),
            ttfa_ms=[dict(entry.response_times) for entry in ttfa],  # added up in the thread
            lateness_p99_ms=self._lateness_ms(),
            errors=error_classes((e.error, e.occurrences) for e in stats.errors.values()),
            spent=self._spending.spent,
            max_usd=self._spending.max_usd,
        )

    def _lateness_ms(self) -> float | None:
        worker = self._lifecycle.worker
        if worker is not None:
            return worker.lateness_p99_ms
        told = (told["lateness_ms"] for told in self._told_by_worker.values())
        return max((late_ms for late_ms in told if late_ms is not None), default=None)

    def _sessions(self) -> int | None:
        worker = self._lifecycle.worker
        if worker is not None:
            return len(worker.open_sessions)
        told = [told["sessions"] for told in self._told_by_worker.values()]
        return sum(told) if told else None

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        worker = self._lifecycle.worker
        if worker is not None:
            data["rtbench"] = {
                "lateness_ms": worker.lateness_p99_ms,
                "sessions": len(worker.open_sessions),
                "strain": worker.watch.take_strain()._asdict(),
            }

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        told = data.get("rtbench")
        if told is None:
            return
        before = self._told_by_worker.get(client_id, {})
        if told["lateness_ms"] is None:  # nothing was sent since
            told["lateness_ms"] = before.get("lateness_ms")
        self._told_by_worker[client_id] = told
        self._strains.append(Strain(**told["strain"]))


class Sheet:
    """The last lines of a terminal, drawn over each time.

    The table is made in a thread, whose claim on the interpreter ends after half a millisecond:
    made by the hub it would hold up frames for as long as it takes.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._pool: ThreadPool = background_pool()
        self._lines = 0

    def draw(self, progress: Progress) -> None:
        """Put a table in the place of the last one."""
        size = shutil.get_terminal_size()
        lines = self._pool.apply(progress_table, (progress, size.columns - 1))
        shown = lines[: max(size.lines - 1, 1)]
        text = "".join(f"{line}\n" for line in shown)
        self._out.write(f"{self._over()}{text}")
        self._out.flush()
        self._lines = len(shown)

    def wipe(self) -> None:
        """Take the table away, for something else to be printed."""
        self._out.write(self._over())
        self._out.flush()
        self._lines = 0

    def close(self) -> None:
        """Leave the last table where it is, and a line free below it."""
        self._out.write("\n")
        self._out.flush()
        self._pool.kill()

    def _over(self) -> str:
        return f"\x1b[{self._lines}A\r\x1b[J" if self._lines else ""


def _takes_codes(out: TextIO) -> bool:
    return out.isatty() and os.environ.get("TERM", "dumb") not in {"dumb", "unknown"}

"""A Realtime server that follows a script, and callers driven as the load side drives them."""

from __future__ import annotations

import json
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from bench.audio.catalogue import Catalogue
from bench.audio.codec import CODECS
from bench.dialects.base import Dialect, SessionSettings
from bench.dialects.openai import OPENAI
from bench.runs.event import EventRow
from bench.runs.recorder import Recorder, SessionRecord
from bench.session.call import Call as OpenCall
from bench.session.call_plan import CallPlan
from bench.session.engine import Engine
from bench.session.frames import FrameStore
from bench.session.realtime import RealtimeSession
from bench.session.stalls import Stalls
from bench.session.stamps import StampClock

from .loopback import recorded

KEY = "sk-very-secret"
SETTINGS = SessionSettings("m", voice="alloy")


class Call:
    """One connection as a script sees it."""

    def __init__(self, ws: ServerConnection) -> None:
        self.ws = ws
        self.audio: list[str] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.ws.send(json.dumps({"type": kind, **fields}))

    def expect(self, kind: str) -> dict[str, Any]:
        """The next event of that kind; audio that comes before it is kept."""
        while True:
            event: dict[str, Any] = json.loads(self.ws.recv(10))
            if event["type"] == "input_audio_buffer.append":
                self.audio.append(event["audio"])
            if event["type"] == kind:
                return event

    def set_up(self) -> None:
        self.send("session.created", session={"id": "sess_1", "type": "realtime"})
        assert self.expect("session.update")["session"]["type"] == "realtime"
        self.send("session.updated", session={"id": "sess_1", "type": "realtime"})

    def hear(self, frames: int) -> None:
        """Take in audio until that many frames of it were speech; room tone is silence here."""
        while frames:
            audio = self.expect("input_audio_buffer.append")["audio"]
            frames -= audio.strip("A=") != ""

    def reply(self, response_id: str = "resp_1", audio_ms: int = 40) -> None:
        """A whole response, at once."""
        self.send("response.created", response={"id": response_id, "status": "in_progress"})
        delta = "AAAA" * (audio_ms * 16)
        self.send("response.output_audio.delta", response_id=response_id, delta=delta)
        self.send("response.done", response={"id": response_id, "status": "completed"})

    def listen_to_the_end(self) -> None:
        while True:
            self.expect("input_audio_buffer.append")


Script = Callable[[Call], None]


@contextmanager
def server(script: Script) -> Iterator[tuple[int, list[Call]]]:
    """A server whose every connection follows `script`; gives the port and the connections."""
    calls: list[Call] = []
    faults: list[BaseException] = []

    def handle(ws: ServerConnection) -> None:
        call = Call(ws)
        calls.append(call)
        try:
            script(call)
        except ConnectionClosed:
            pass
        except BaseException as error:  # noqa: BLE001 - told by the test
            faults.append(error)

    with serve(handle, "127.0.0.1", 0, close_timeout=2) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        try:
            yield listening.socket.getsockname()[1], calls
        finally:
            listening.shutdown()
            thread.join(5)
    assert not faults, faults


class Killed(BaseException):
    """What a waiting caller meets when its user is killed."""


class _GivesWay(threading.Event):
    """An event whose waiter lets the engine's thread run meanwhile, as gevent's does."""

    def __init__(self, turn: threading.Lock) -> None:
        super().__init__()
        self._turn = turn
        self.kill_next_wait = False

    def wait(self, timeout: float | None = None) -> bool:
        self._turn.release()
        try:
            if self.kill_next_wait:
                super().wait(0.02)
                raise Killed
            return super().wait(timeout)
        finally:
            self._turn.acquire()


class Caller:
    """A session of the catalogue's one clip, and what it recorded."""

    def __init__(
        self, stage: Stage, session: RealtimeSession, ended: list[list[EventRow]]
    ) -> None:
        self.session = session
        self.ended_turns = ended
        self._stage = stage
        self._changed = _GivesWay(stage.turn)
        session._call.changed = self._changed

    def kill_next_wait(self) -> None:
        self._changed.kill_next_wait = True

    def rest(self, duration_s: float) -> None:
        """Let time pass for everybody."""
        self._stage.turn.release()
        time.sleep(duration_s)
        self._stage.turn.acquire()

    @property
    def rows(self) -> list[EventRow]:
        session_id = self.session.record.session_id
        return [row for row in recorded(self._stage.recorder) if row.session_id == session_id]

    def notes(self) -> list[tuple[str, dict[str, Any]]]:
        """What was noted, in order, with its detail."""
        return [
            (row.kind, json.loads(row.detail or "{}"))
            for row in self.rows
            if row.direction == "note"
        ]

    def note_kinds(self) -> list[str]:
        return [kind for kind, _ in self.notes()]

    def noted(self, kind: str) -> list[dict[str, Any]]:
        return [detail for noted, detail in self.notes() if noted == kind]

    def row(self, kind: str) -> EventRow:
        return self.rows_of(kind)[0]

    def rows_of(self, kind: str) -> list[EventRow]:
        return [row for row in self.rows if row.kind == kind]


class Stage:
    """An engine in a thread of its own; whoever holds `turn` may touch its sessions."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.turn = threading.Lock()
        self.engine = Engine(select.epoll, Stalls(time.thread_time_ns, time.process_time_ns))
        self.recorder = Recorder("w0")
        self.catalogue = catalogue
        self._frames: dict[str, FrameStore] = {}
        self._stopped = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self.engine.fileno(), select.POLLIN)
        while not self._stopped:
            if poll.poll(10):
                with self.turn:
                    self.engine.step()

    def caller(
        self,
        port: int,
        *,
        watchdog_s: float = 5.0,
        connect_s: float = 5.0,
        settings: SessionSettings = SETTINGS,
        dialect: Dialect = OPENAI,
        push_to_talk: bool = False,
    ) -> Caller:
        """A session not opened yet."""
        codec = settings.input_codec
        if codec not in self._frames:
            self._frames[codec] = FrameStore(dialect, CODECS[codec], 20, None)
        plan = CallPlan(
            dialect=dialect,
            endpoint=dialect.endpoint(
                f"ws://127.0.0.1:{port}?token={KEY}",
                "m",
                {"OPENAI_API_KEY": KEY},
                settings.session_type,
            ),
            settings=settings,
            frames=self._frames[codec],
            catalogue=self.catalogue,
            watchdog_s=watchdog_s,
            connect_timeout_s=connect_s,
            push_to_talk=push_to_talk,
        )
        ended: list[list[EventRow]] = []

        def on_turn(record: SessionRecord) -> None:
            ended.append(list(record.turn_rows))

        record = self.recorder.begin_session()
        call = OpenCall(plan, self.engine, StampClock(), record, user="Caller", on_turn=on_turn)
        session = RealtimeSession(call)
        return Caller(self, session, ended)

    def __enter__(self) -> Stage:
        self.turn.acquire()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.turn.release()
        self._stopped = True
        self._thread.join(5)
        self.engine.close()

"""Turns what a responder says into what a connection does, and lets a batch of ears be heard."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic_ns

from bench.server.beta.edge import BetaResponder
from bench.server.connection import Connection
from bench.server.hearing.silero import Silero
from bench.server.hearing.turns import Ear
from bench.server.outbox import Effect, End, Fate, Outgoing, Trickle
from bench.server.responder import Responder
from bench.server.wire.frames import text_frame

BATCH_S = 0.005
"""How long audio may wait for that of other sessions: it halves what the model costs."""

_MOST_WINDOWS, _MOST_EARS = 2, 12
"""Heard at a time, some 0.4 ms for a window of each: between, the loop reads and writes.

So neither who sends a minute at once nor many who speak at once make the others late.
"""


class Hearing:
    """The ears of one event loop, heard together."""

    def __init__(self, silero: Silero) -> None:
        self._silero = silero
        self._owners: dict[Ear, Callable[[], None]] = {}
        self._waking: deque[Callable[[], None]] = deque()
        self._planned = False

    def new_ear(self, start_ms: int, wake: Callable[[], None]) -> Ear:
        """An ear; `wake` is called when it has events to take."""
        ear = self._silero.ear(start_ms=start_ms)
        self._owners[ear] = wake
        return ear

    def plan(self) -> None:
        """Hear what was fed, soon."""
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_later(BATCH_S, self._listen)

    def forget(self, wake: Callable[[], None]) -> None:
        """Let go of the ears of a session that has ended."""
        self._owners = {ear: owner for ear, owner in self._owners.items() if owner != wake}

    def _listen(self) -> None:
        self._planned = False
        ears = self._silero.listen(_MOST_WINDOWS, _MOST_EARS)
        wakes = [self._owners[ear] for ear in ears if ear in self._owners]
        if wakes and not self._waking:
            asyncio.get_running_loop().call_soon(self._wake_next)
        self._waking += wakes
        if self._silero.is_behind:
            # After the loop has read and written what there is.
            self._planned = True
            asyncio.get_running_loop().call_soon(self._listen)

    def _wake_next(self) -> None:
        """Let one session act on what it heard, then the loop read and write, then the next."""
        wake = self._waking.popleft()
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_next)
        wake()


class Served:
    """One responder on one connection."""

    def __init__(self, connection: Connection, hearing: Hearing | None) -> None:
        """`hearing` is where its ears wait for others, None when they hear at once."""
        self._connection = connection
        self._hearing = hearing
        self._loop = asyncio.get_running_loop()
        self._bytes_per_s: float | None = None
        self.responder: Responder | BetaResponder

    def new_ear(self, start_ms: int) -> Ear:
        """An ear of the batch."""
        assert self._hearing is not None, "ears that hear at once are made elsewhere"
        return self._hearing.new_ear(start_ms, self._wake)

    def open(self, now_ns: int) -> list[Outgoing]:
        """As `Responder.open`."""
        return self._do(self.responder.open(now_ns))

    def receive(self, message: bytes, now_ns: int) -> list[Outgoing]:
        """As `Responder.receive`."""
        if self._hearing is not None:
            self._hearing.plan()
        return self._do(self.responder.receive(message, now_ns))

    def advance(self, now_ns: int) -> list[Outgoing]:
        """As `Responder.advance`."""
        return self._do(self.responder.advance(now_ns))

    def next_due_ns(self) -> int | None:
        """As `Responder.next_due_ns`."""
        return self.responder.next_due_ns()

    def close(self) -> None:
        """The connection is over."""
        self.responder.close()
        if self._hearing is not None:
            self._hearing.forget(self._wake)

    def _wake(self) -> None:
        self._connection.speak(lambda: self._do(self.responder.hear(monotonic_ns())))

    def _do(self, events: list[Outgoing]) -> list[Outgoing]:
        """What is to be written; what is to be done follows once that was."""
        if self._bytes_per_s is not None:
            self._loop.call_soon(self._trickle, events)
            return []
        for index, event in enumerate(events):
            if event.effect is None:
                continue
            # What stands before it is written when this returns.
            self._loop.call_soon(self._suffer, event.effect)
            if isinstance(event.effect, Trickle):
                self._bytes_per_s = event.effect.bytes_per_s
                self._loop.call_soon(self._trickle, events[index + 1 :])
                events = events[:index]
        return [event for event in events if event.text]

    def _trickle(self, events: list[Outgoing]) -> None:
        for event in events:
            if self._bytes_per_s is not None and event.text:
                self._connection.trickle(text_frame(event.text.encode()), self._bytes_per_s)
            if event.written is not None:
                event.written(monotonic_ns())

    def _suffer(self, effect: Effect) -> None:
        connection = self._connection
        match effect:
            case End(code, reason):
                connection.end(code, reason)
            case Fate.DROP:
                connection.drop()
            case Fate.FALL_SILENT:
                connection.fall_silent()
            case Fate.STOP_READING:
                connection.stop_reading()

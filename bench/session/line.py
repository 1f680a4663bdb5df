"""Turns an open transport and a microphone into what the engine drives: one caller's line."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bench.audio.microphone import Microphone
from bench.runs.recorder import SessionRecord
from bench.session.engine import Engine
from bench.session.inbox import Message
from bench.session.pacer import audio_start_ns
from bench.session.transport import Closed, Transport

_log = logging.getLogger(__name__)
_MS = 1_000_000

BLOCKED_LIMIT_S = 30.0
"""A frame that waits longer for room in the socket ends its session: nobody is listening."""


def _ignore(_: object) -> None:
    pass


class Line:
    """One connection: frames go out when they are due, messages come in as they arrive.

    `on_message` gets every message; `on_gone` is called once, when the connection has ended
    for whatever reason.
    """

    __slots__ = (
        "_engine",
        "_offered_ns",
        "_on_gone",
        "_on_message",
        "_record",
        "_transport",
        "audio_end_ns",
        "audio_start_ns",
        "chunk_ns",
        "gone",
        "microphone",
        "next_due_ns",
        "session_id",
    )  # a frame touches a dozen cold objects; each one less is felt

    def __init__(
        self,
        transport: Transport,
        microphone: Microphone,
        engine: Engine,
        record: SessionRecord,
        *,
        on_message: Callable[[Message], None],
        on_gone: Callable[[Closed], None],
    ) -> None:
        self.session_id = record.session_id
        self.microphone = microphone
        self.chunk_ns = microphone.chunk_ms * _MS
        self.next_due_ns: int | None = None
        self.audio_start_ns: int | None = None
        self.audio_end_ns: int | None = None
        self.gone = False
        self._transport = transport
        self._engine = engine
        self._record = record
        self._on_message: Callable[[Message], None] = on_message
        self._on_gone: Callable[[Closed], None] = on_gone
        self._offered_ns: dict[int, int] = {}  # of frames that wait, by index
        engine.add(self)

    def take_early(self) -> None:
        """Pass on what came together with the upgrade; call it once, before anything else."""
        self._pass_on(self._transport.early())

    @property
    def kernel_stamps(self) -> bool:
        """Whether arrivals are stamped by the kernel."""
        return self._transport.kernel_stamps

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        return not self.gone and self._transport.open

    @property
    def congested(self) -> bool:
        """Whether frames wait for room in the socket's buffer."""
        return self._transport.congested

    def fileno(self) -> int:
        """Descriptor of the socket."""
        return self._transport.fileno()

    def start_microphone(self, ordinal: int) -> int:
        """Start the audio clock in the phase of session number `ordinal`; its zero, in ns."""
        start_ns = audio_start_ns(time.monotonic_ns(), ordinal, self.chunk_ns)
        self.audio_start_ns = start_ns
        self.next_due_ns = start_ns + self.chunk_ns
        self._engine.start_stream(self)
        return start_ns

    def send(self, frame: bytes) -> None:
        """Send a control frame after whatever waits."""
        self._transport.send(frame)
        self._engine.watch_backlog(self)

    def read_last(self, *, last: bool) -> None:
        """Say whether what comes may wait for what others receive."""
        self._engine.read_last(self, last=last)

    def hang_up(self) -> None:
        """Stop the microphone and ask the server to close; `leave` when it takes too long."""
        now_ns = time.monotonic_ns()
        while self.next_due_ns is not None and self.next_due_ns <= now_ns:
            # owed since the engine's last turn
            self.send_due(self.next_due_ns, self.next_due_ns + self.chunk_ns)
        self._stop_microphone(now_ns)
        self._transport.start_closing()
        self._engine.watch_backlog(self)

    def leave(self) -> None:
        """Drop the connection, whatever its state, and say how it ended."""
        if self.gone:
            return
        self.gone = True
        self._stop_microphone(time.monotonic_ns())
        self._engine.remove(self)
        how = self._transport.closed
        for index in self._transport.drop():
            offered_ns = self._offered_ns.pop(index)
            self._record.append_unsent(index, self._due_ns(index), offered_ns)
        how = how or self._transport.closed
        assert how is not None
        on_gone = self._on_gone
        self._on_message = self._on_gone = _ignore  # no cycle: nobody collects garbage in a run
        on_gone(how)

    # what the engine calls

    def send_due(self, due_ns: int, next_ns: int) -> None:
        """Send the frame due; a socket without room keeps it, and the schedule goes on."""
        self.next_due_ns = next_ns
        index = self.microphone.index
        if self._transport.send(self.microphone.capture(), index):
            self._record.append(index, due_ns, time.monotonic_ns())
        elif self._transport.congested:
            self._hold(index, time.monotonic_ns())
        else:
            self._record.append_unsent(index, due_ns)
            self._check_closed()

    def _hold(self, index: int, now_ns: int) -> None:
        """Keep a frame that the socket has no room for; give up on a target that takes none."""
        self._offered_ns[index] = now_ns
        self._engine.watch_backlog(self)
        oldest_ns = next(iter(self._offered_ns.values()))
        if now_ns - oldest_ns > BLOCKED_LIMIT_S * 1_000_000_000:
            self._transport.give_up(f"the target took no audio for {BLOCKED_LIMIT_S:g} s")
            self._check_closed()

    def on_writable(self) -> None:
        """Send what waits, and stamp what went."""
        sent = self._transport.flush()
        now_ns = time.monotonic_ns()
        for index in sent:
            offered_ns = self._offered_ns.pop(index)
            self._record.append(index, self._due_ns(index), now_ns, offered_ns)
        self._check_closed()

    def on_readable(self) -> None:
        """Read once and pass on what came."""
        self._pass_on(self._transport.receive())

    def _pass_on(self, messages: list[Message]) -> None:
        for message in messages:
            self._on_message(message)
        if not self._transport.stirred:
            return
        if self._transport.over:  # our answer is out; its TCP may stay open for long
            self.leave()
            return
        if self._transport.congested:  # an answer to a ping may have found no room
            self._engine.watch_backlog(self)
        self._check_closed()

    def on_fault(self, error: Exception) -> None:
        """End this line after a fault of our own code; the others go on."""
        _log.error("session %s ended by a fault: %r", self._record.session_id, error)
        self.leave()

    def _stop_microphone(self, now_ns: int) -> None:
        """End the schedule; what was due and can't be sent any more is said to be so."""
        while self.next_due_ns is not None and self.next_due_ns <= now_ns:
            self._record.append_unsent(self.microphone.index, self.next_due_ns)
            self.microphone.capture()
            self.next_due_ns += self.chunk_ns
        if self.next_due_ns is not None:
            self.audio_end_ns = now_ns
            self.next_due_ns = None

    def _due_ns(self, index: int) -> int:
        assert self.audio_start_ns is not None
        return self.audio_start_ns + (index + 1) * self.chunk_ns

    def _check_closed(self) -> None:
        if self._transport.closed is not None:
            self.leave()

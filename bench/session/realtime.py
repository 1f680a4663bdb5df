"""What a scenario holds: a caller's session that says utterances and waits for the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.audio.catalogue import Catalogue
from bench.audio.microphone import Microphone
from bench.dialects.base import Dialect, Endpoint, Kind, SessionSettings
from bench.problem import Problem
from bench.runs.recorder import SessionRecord
from bench.session.conversation import Conversation, Setup, TurnEnd, TurnState
from bench.session.engine import Engine
from bench.session.frames import FrameStore, SentEvent
from bench.session.inbox import Message
from bench.session.line import Line
from bench.session.opening import open_transport
from bench.session.reception import Reception
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock
from bench.session.transport import Closed, Transport

_MS = 1_000_000
CLOSE_TIMEOUT_S = 1.0

Dial = Callable[[Endpoint, StampClock, float], Transport]
"""Opens a transport within so many seconds, or raises ConnectError; `open_transport` is one."""


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What every session of a run has in common; made once per process.

    Raises:
        Problem: the dialect cannot say the settings.
    """

    dialect: Dialect
    endpoint: Endpoint
    settings: SessionSettings
    frames: FrameStore
    catalogue: Catalogue
    watchdog_s: float
    connect_timeout_s: float
    setup: SentEvent = field(init=False)
    """What configures each session."""

    def __post_init__(self) -> None:
        event = self.dialect.session_update(self.settings)
        object.__setattr__(self, "setup", SentEvent.of(event))


class Turn:
    """One utterance and its answer, as a scenario sees it."""

    def __init__(self, session: RealtimeSession, state: TurnState, utterance: str) -> None:
        self.utterance = utterance
        self.index = state.index
        self._session = session
        self._state = state

    @property
    def ended(self) -> TurnEnd | None:
        """Why it ended, None while it is under way."""
        return self._state.ended

    def wait(self) -> Turn:
        """Wait until the listener has heard the answer, or the watchdog gives up."""
        self._session.wait_turn(self._state)
        return self


class RealtimeSession:
    """One virtual caller: an open WebSocket and a live microphone.

    All methods run on the thread of `engine`; `open`, `say`, `wait` and `close` give way to
    other callers while they wait. `on_turn` is called once for each turn that ended, with the
    rows recorded since its utterance began in `record.turn_rows`.
    """

    def __init__(
        self,
        plan: CallPlan,
        engine: Engine,
        stamps: StampClock,
        record: SessionRecord,
        *,
        user: str,
        on_turn: Callable[[SessionRecord], None],
        dial: Dial = open_transport,
    ) -> None:
        self.record = record
        self._plan = plan
        self._engine = engine
        self._stamps = stamps
        self._user = user
        self._on_turn = on_turn
        self._dial = dial
        self._conversation = Conversation()
        self._reception = Reception(plan.dialect, plan.frames.codec, record)
        self._line: Line | None = None
        self._changed = threading.Event()
        self._turn_noted = True

    @property
    def ended(self) -> bool:
        """Whether the session is gone, going, or was never opened."""
        return self._line is None or not self._line.open

    @property
    def kernel_stamps(self) -> bool | None:
        """Whether arrivals are stamped by the kernel; None before the session was open."""
        return None if self._line is None else self._line.kernel_stamps

    def open(self) -> None:
        """Connect, configure the session and start its microphone.

        Raises:
            ConnectError: the target refused; the record says so too.
        """
        plan = self._plan
        self._note(
            Kind.CONNECT_STARTED, detail={"url": plan.endpoint.redacted_url, "user": self._user}
        )
        deadline = time.monotonic() + plan.connect_timeout_s
        try:
            transport = self._dial(plan.endpoint, self._stamps, plan.connect_timeout_s)
            self._note(Kind.CONNECTED)
            self._line = Line(
                transport,
                Microphone(plan.frames.tone, plan.frames.chunk_ms),
                self._engine,
                self.record,
                on_message=self._on_message,
                on_gone=self._on_gone,
            )
            self._line.take_early()
            self._await_setup(self._line, deadline)
        except ConnectError as error:
            self._note(Kind.CONNECT_FAILED, detail={"class": error.kind, "message": str(error)})
            self._drop_line()
            raise
        except BaseException:  # killed while connecting: the socket must not outlive us
            self._drop_line()
            raise
        started_ns = self._line.start_microphone(self.record.number)
        self._note(
            Kind.AUDIO_STARTED,
            at_ns=started_ns,
            detail={"chunk_ms": plan.frames.chunk_ms, "codec": plan.frames.codec.name},
        )

    def say(self, utterance_id: str) -> Turn:
        """Speak an utterance from the next frame on; a turn under way is waited for first.

        Raises:
            Problem: the catalogue has no such utterance, or there is no speech in it.
            ConnectionError: the session has ended.
        """
        utterance = self._plan.catalogue.get(utterance_id)
        if utterance.speech_end_ms is None:
            raise Problem(
                f"clip {utterance_id!r} holds no speech; a turn is measured from the end of "
                "speech, so say a clip that has one: `rtbench fixtures list`"
            )
        frames = self._plan.frames.speech(utterance)
        if self._conversation.turn is not None:
            self.wait_turn(self._conversation.turn)
        line = self._line
        if line is None or not line.open or line.audio_start_ns is None:
            raise ConnectionError("the session has ended; open another")
        position_ms = line.microphone.lay(frames) * line.microphone.chunk_ms
        starts_ns = line.audio_start_ns + position_ms * _MS
        state = self._conversation.begin_turn(
            time.monotonic_ns(), starts_ns + utterance.speech_end_ms * _MS, self._plan.watchdog_s
        )
        self._turn_noted = False
        self.record.turn_rows.clear()
        self._note(
            Kind.UTTERANCE,
            at_ns=starts_ns,
            audio_ms=position_ms,
            detail={
                "turn": state.index,
                "utterance": utterance.id,
                "category": utterance.category,
                "duration_ms": utterance.duration_ms,
                "speech_start_ms": utterance.speech_start_ms,
                "speech_end_ms": utterance.speech_end_ms,
                "pauses": [[pause.start_ms, pause.end_ms] for pause in utterance.pauses],
                "watchdog_s": self._plan.watchdog_s,
                "trusted": utterance.trusted,
            },
        )
        return Turn(self, state, utterance.id)

    def wait_turn(self, state: TurnState) -> None:
        """Wait until `state` has ended; it ends as `stopped` if the waiter is killed."""
        try:
            while state.ended is None:
                self._changed.clear()
                now_ns = time.monotonic_ns()
                self._conversation.advance(now_ns)
                next_ns = self._conversation.next_ns()
                if next_ns is not None:
                    self._changed.wait(max(next_ns - now_ns, 0) / 1e9)
        finally:
            if self._conversation.turn is state:
                self._end_turn(TurnEnd.STOPPED)

    def close(self) -> None:
        """Hang up: stop the microphone, close the WebSocket, wait a moment for the answer."""
        line = self._line
        if line is None or line.gone:
            return
        self._conversation.advance(time.monotonic_ns())  # nobody may have waited for the turn
        self._end_turn(TurnEnd.STOPPED)
        try:
            line.hang_up()
            deadline = time.monotonic() + CLOSE_TIMEOUT_S
            while not line.gone and self._changed.wait(max(deadline - time.monotonic(), 0)):
                self._changed.clear()
        finally:
            line.leave()

    def _await_setup(self, line: Line, deadline: float) -> None:
        """Wait for session.updated; what the server says instead ends the attempt."""
        conversation = self._conversation
        while line.gone or conversation.setup is not Setup.READY:
            if conversation.setup is Setup.FAILED:
                raise ConnectError("server_error", str(conversation.setup_error))
            if line.gone:
                raise ConnectError("closed", "the server closed the session before it was ready")
            self._changed.clear()
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                created = conversation.setup is Setup.AWAIT_CREATED
                awaited = "session.created" if created else "session.updated"
                raise ConnectError(
                    "timeout", f"no {awaited} within {self._plan.connect_timeout_s:g} s"
                )

    def _on_message(self, message: Message) -> None:
        event, audio_ms = self._reception.take(message, self._conversation.turn_index)
        before = self._conversation.setup
        matters = self._conversation.receive(event, message.at_ns, audio_ms)
        if before is Setup.AWAIT_CREATED and self._conversation.setup is Setup.AWAIT_UPDATED:
            self._send(Kind.SESSION_UPDATE, self._plan.setup)
        if matters:
            self._changed.set()

    def _send(self, kind: Kind, event: SentEvent) -> None:
        assert self._line is not None
        self._line.send(event.frame)
        self.record.event(
            "out",
            kind.value,
            time.monotonic_ns(),
            wire_type=event.type,
            turn_index=self._conversation.turn_index,
            size_bytes=event.size_bytes,
        )

    def _on_gone(self, how: Closed) -> None:
        if self._line is not None and self._line.audio_end_ns is not None:
            self._note(Kind.AUDIO_ENDED, at_ns=self._line.audio_end_ns)
        self._note(Kind.CLOSED, detail={"by": how.by, "code": how.code, "reason": how.reason})
        self._changed.set()
        self._end_turn(TurnEnd.DISCONNECTED)

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.hang_up()
            self._line.leave()

    def _end_turn(self, reason: TurnEnd) -> None:
        """Note the end of the latest turn, once; `reason` counts if it has not ended by itself."""
        state = self._conversation.turn
        if state is None or self._turn_noted:
            return
        self._conversation.end_turn(reason)
        assert state.ended is not None
        self._turn_noted = True
        self._note(Kind.TURN_ENDED, detail={"turn": state.index, "reason": state.ended.value})
        self._on_turn(self.record)

    def _note(self, kind: Kind, *, at_ns: int | None = None, **columns: Any) -> None:
        self.record.event(
            "note",
            kind.value,
            time.monotonic_ns() if at_ns is None else at_ns,
            turn_index=self._conversation.turn_index,
            **columns,
        )

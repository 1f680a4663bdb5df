"""Turns a plan into one call on the wire: opened, recorded, listened to, hung up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from bench.audio.codec import CODECS
from bench.audio.microphone import Microphone
from bench.dialects.base import Endpoint, Kind, ServerEvent, SessionSettings
from bench.runs.recorder import SessionRecord
from bench.session.call_plan import CallPlan
from bench.session.conversation import Conversation, Setup
from bench.session.cue import Cue
from bench.session.engine import Engine
from bench.session.frames import SentEvent
from bench.session.inbox import Message
from bench.session.line import Line
from bench.session.listeners import Listeners
from bench.session.opening import open_transport
from bench.session.outgoing import RAW_KIND, Outgoing
from bench.session.push_to_talk import PushToTalkLine
from bench.session.reception import Reception
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock
from bench.session.tape import Tape
from bench.session.transport import Closed, Transport
from bench.session.turn_state import TurnEnd, TurnState
from bench.session.waiting import await_setup

CLOSE_TIMEOUT_S = 1.0

Dial = Callable[[Endpoint, StampClock, float], Transport]
"""Opens a transport within so many seconds, or raises ConnectError; `open_transport` is one."""


class Call:
    """An open WebSocket, a live microphone, and where the conversation stands.

    All methods run on the thread of `engine`; `open` and `close` give way to other callers while
    they wait, the others never wait. `on_turn` is called once for each turn that
    ended, with the rows recorded since it began in `record.turn_rows`.
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
        tape: Tape | None = None,
    ) -> None:
        self.plan = plan
        self.record = record
        self.conversation = Conversation(plan.awaits)
        self.tape = tape
        """What keeps turns to be heard again, if any are."""
        self.changed = threading.Event()
        """Set when whoever waits should look again."""
        self._engine = engine
        self._stamps = stamps
        self._user = user
        self._on_turn = on_turn
        self._dial = dial
        self._reception = Reception(plan.dialect, CODECS[plan.settings.output_codec], record)
        self._outgoing = Outgoing(plan.dialect, record)
        self._listeners: Listeners | None = None
        self._line: Line | None = None
        self._streaming = False
        self._setup_owed = plan.setup is not None
        self._turn_noted = True

    @property
    def ended(self) -> bool:
        """Whether it is over, ending, or was never opened."""
        return self._line is None or not self._line.open

    @property
    def kernel_stamps(self) -> bool | None:
        """Whether arrivals are stamped by the kernel; None before it was open."""
        return None if self._line is None else self._line.kernel_stamps

    @property
    def line(self) -> Line:
        """The line, its microphone running.

        Raises:
            ConnectionError: the session has ended.
        """
        line = self._line
        if line is None or not line.open or line.audio_start_ns is None:
            raise ConnectionError("the session has ended; open another")
        return line

    @property
    def listeners(self) -> Listeners:
        """Who is told of received events."""
        if self._listeners is None:
            self._listeners = Listeners()
        return self._listeners

    def open(self) -> None:
        """Connect, configure the session and start its microphone.

        Raises:
            ConnectError: the target refused; the record says so too.
        """
        plan = self.plan
        via = {} if plan.endpoint.proxy is None else {"proxy": plan.endpoint.proxy.name}
        self.note(
            Kind.CONNECT_STARTED,
            detail={"url": plan.endpoint.redacted_url, "user": self._user} | via,
        )
        deadline = time.monotonic() + plan.connect_timeout_s
        try:
            transport = self._dial(plan.endpoint, self._stamps, plan.connect_timeout_s)
            resumed = transport.resumed
            self.note(Kind.CONNECTED, detail=None if resumed is None else {"resumed": resumed})
            line_class = PushToTalkLine if plan.push_to_talk else Line
            self._line = line_class(
                transport,
                Microphone(plan.frames.tone, plan.frames.chunk_ms),
                self._engine,
                self.record,
                on_message=self._on_message,
                on_gone=self._on_gone,
            )
            self._send_setup()
            self._line.take_early()
            await_setup(self, self._line, deadline)
        except ConnectError as error:
            self.note(Kind.CONNECT_FAILED, detail={"class": error.kind, "message": str(error)})
            self._drop_line()
            raise
        except BaseException:  # killed while connecting: the socket must not outlive us
            self._drop_line()
            raise
        started_ns = self._line.start_microphone(self.record.number)
        if self.tape is not None:
            self.tape.audio_start_ns = started_ns
        self.note(
            Kind.AUDIO_STARTED,
            at_ns=started_ns,
            detail={"chunk_ms": plan.frames.chunk_ms, "codec": plan.frames.codec.name},
        )

    def close(self, reason: TurnEnd = TurnEnd.STOPPED) -> None:
        """Hang up: stop the microphone, close the WebSocket, wait a moment for the answer."""
        line = self._line
        if line is None or line.gone:
            return
        self.conversation.advance(time.monotonic_ns())  # nobody may have waited for the turn
        self.end_turn(reason)
        try:
            line.hang_up()
            deadline = time.monotonic() + CLOSE_TIMEOUT_S
            while not line.gone and self.changed.wait(max(deadline - time.monotonic(), 0)):
                self.changed.clear()
        finally:
            line.leave()

    def send(self, kind: Kind, **fields: Any) -> bool:
        """Send a client event and record it; False where the dialect has no such event.

        Raises:
            ConnectionError: the session has ended.
        """
        return self._outgoing.send(self.line, kind, self.conversation.turn_index, **fields)

    def send_update(self, settings: SessionSettings) -> None:
        """Ask for other settings.

        Raises:
            ConnectionError: the session has ended.
            Problem: the dialect cannot say them.
        """
        made = SentEvent.of(self.plan.dialect.session_update(settings))
        self._outgoing.send_made(
            self.line, Kind.SESSION_UPDATE, self.conversation.turn_index, made
        )

    def send_raw(self, event: dict[str, Any]) -> None:
        """Send an event as it is.

        Raises:
            ConnectionError: the session has ended.
        """
        made = SentEvent.of(event)
        self._outgoing.send_made(self.line, RAW_KIND, self.conversation.turn_index, made)

    def at(self, at_ns: int, act: Callable[[], None]) -> None:
        """Have the engine do something once all frames due by then are out; it may not wait."""
        line = self.line

        def if_open() -> None:
            if line.open:
                act()

        self._engine.start_stream(Cue(at_ns, if_open, line.on_fault))

    def begin_turn(self, speech_end_ns: int, watchdog_s: float, **options: Any) -> TurnState:
        """Begin a turn; its note comes next. `options` are those of Conversation.begin_turn."""
        state = self.conversation.begin_turn(
            time.monotonic_ns(), speech_end_ns, watchdog_s, **options
        )
        self._turn_noted = False
        self.record.begin_turn_rows()
        if self.tape is not None:
            self.tape.begin_turn(state)
        return state

    def end_turn(self, reason: TurnEnd) -> None:
        """Note the end of the latest turn, once; `reason` counts if it has not ended by itself."""
        state = self.conversation.turn
        if state is None or self._turn_noted:
            return
        self.conversation.end_turn(reason)
        assert state.ended is not None
        self._turn_noted = True
        self._stream(False)
        self.note(Kind.TURN_ENDED, detail={"turn": state.index, "reason": state.ended.value})
        self._on_turn(self.record)

    def deliver(self) -> None:
        """Tell a scenario's callbacks of what has come; they may wait."""
        if self._listeners is not None:
            self._listeners.deliver()

    def advance(self, now_ns: int) -> None:
        """Let time pass for the turn, and note its end if that is one."""
        self.conversation.advance(now_ns)
        turn = self.conversation.turn
        if turn is not None and turn.ended is not None:
            self.end_turn(turn.ended)

    def follow_up(self) -> None:
        """Send what the server must be told after what has come; never waits."""
        if self._setup_owed:
            self._send_setup()
        if self.conversation.cuts and self._line is not None and self._line.open:
            for cut in self.conversation.take_cuts():
                self.send(Kind.ITEM_TRUNCATE, item_id=cut.item_id, audio_end_ms=cut.heard_ms)

    def _send_setup(self) -> None:
        """Configure the session, as soon as the server may be spoken to."""
        setup, line = self.plan.setup, self._line
        ready = self.conversation.setup in {Setup.AWAIT_UPDATED, Setup.READY}
        if setup is not None and line is not None and self._setup_owed and ready:
            self._setup_owed = False
            self._outgoing.send_made(line, Kind.SESSION_UPDATE, None, setup)

    def _on_message(self, message: Message) -> None:
        event, audio_ms = self._reception.take(message, self.conversation.turn_index)
        matters = self.conversation.receive(event, message.at_ns, audio_ms)
        if event.kind is Kind.RESPONSE_DONE:
            self._stream(False)
        elif audio_ms is not None and not self._streaming and not self._turn_noted:
            self._stream(self._tells_no_more(event))
        if self.tape is not None:
            silenced_ns = self.conversation.silenced_ns
            self.tape.take(event, message.at_ns, message.elided_bytes, silenced_ns)
        if self._listeners is not None:
            matters |= self._listeners.take(event)
        if matters:
            self.follow_up()
            self.changed.set()

    def _tells_no_more(self, delta: ServerEvent) -> bool:
        """Whether what follows on audio is, all but surely, only more of the same."""
        turn = self.conversation.turn
        transcribes = self.plan.settings.transcription is not None
        return (
            turn is not None
            and delta.response_id not in turn.foreign
            and self._reception.has_heard(delta.response_id)
            and (bool(turn.transcripts) or not transcribes)
        )

    def _stream(self, streaming: bool) -> None:
        """Say whether a reply goes on that tells no more: the rest of it may be read last."""
        if streaming is not self._streaming and self._line is not None:
            self._streaming = streaming
            self._line.read_last(last=streaming)

    def _on_gone(self, how: Closed) -> None:
        if self._line is not None and self._line.audio_end_ns is not None:
            self.note(Kind.AUDIO_ENDED, at_ns=self._line.audio_end_ns)
        self.note(Kind.CLOSED, detail={"by": how.by, "code": how.code, "reason": how.reason})
        self.changed.set()
        self.end_turn(TurnEnd.DISCONNECTED)

    def _drop_line(self) -> None:
        if self._line is not None:
            self._line.hang_up()
            self._line.leave()

    def note(self, kind: Kind, *, at_ns: int | None = None, **columns: Any) -> None:
        """Record a note."""
        self.record.event(
            "note",
            kind.value,
            time.monotonic_ns() if at_ns is None else at_ns,
            turn_index=self.conversation.turn_index,
            **columns,
        )

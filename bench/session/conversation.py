"""Decides, from canonical events and instants, where a session and its turn stand. Pure.

It answers three questions for the code that moves bytes: is the session ready, has the turn
ended and why, and when must I ask again. It measures nothing: figures come from the record.
"""

from __future__ import annotations

import enum

from bench.dialects.base import HANDSHAKE, Kind, ServerEvent
from bench.session.playback import Cut, Playback
from bench.session.turn_state import Expects, ToolCall, TurnEnd, TurnState

TEXTS_KEPT = 64
"""Transcripts and calls of one turn that are kept for the scenario; the record has them all."""

_PROGRESS = frozenset(
    {
        Kind.SPEECH_STARTED,
        Kind.SPEECH_STOPPED,
        Kind.IDLE_TIMEOUT,
        Kind.RESPONSE_CREATED,
        Kind.OUTPUT_AUDIO_DELTA,
        Kind.OUTPUT_TRANSCRIPT_DELTA,
        Kind.OUTPUT_TEXT_DELTA,
        Kind.TOOL_CALL_DELTA,
        Kind.TOOL_CALL,
        Kind.RESPONSE_DONE,
    }
)
_WORDS = frozenset(
    {
        Kind.COMMITTED,
        Kind.INPUT_TRANSCRIPT_DELTA,
        Kind.INPUT_TRANSCRIPT_DONE,
        Kind.INPUT_TRANSCRIPT_FAILED,
        Kind.OUTPUT_TRANSCRIPT_DONE,
        Kind.OUTPUT_TEXT_DONE,
    }
)


class Setup(enum.Enum):
    """How far the opening exchange has come."""

    AWAIT_CREATED = enum.auto()
    AWAIT_UPDATED = enum.auto()
    READY = enum.auto()
    FAILED = enum.auto()


class Conversation:
    """State machine of one session.

    `awaits` has which of SESSION_CREATED and SESSION_UPDATED the server is known to send before
    the session is ready.
    """

    def __init__(self, awaits: frozenset[Kind] = HANDSHAKE) -> None:
        self._after_created = (
            Setup.AWAIT_UPDATED if Kind.SESSION_UPDATED in awaits else Setup.READY
        )
        self.setup = Setup.AWAIT_CREATED if Kind.SESSION_CREATED in awaits else self._after_created
        self.setup_error: str | None = None
        self.updates = 0
        """How many session.updated have come."""
        self.turn: TurnState | None = None
        self.cuts: list[Cut] = []
        """Items silenced because the caller spoke; whoever tells the server empties it."""
        self.silenced_ns: int | None = None
        """When the listener's player was last stopped."""
        self._over: TurnState | None = None
        """The turn whose reply still sounds while the caller speaks over it."""
        self._turns = 0

    @property
    def turn_index(self) -> int | None:
        """Index of the latest turn, under way or ended."""
        return self._turns - 1 if self._turns else None

    def begin_turn(
        self,
        now_ns: int,
        speech_end_ns: int,
        watchdog_s: float,
        *,
        expects: Expects = Expects.REPLY,
        quiet_s: float = 0.0,
        owed_responses: int = 0,
        answers_tools: bool = False,
    ) -> TurnState:
        """Start a turn whose utterance will end its speech at `speech_end_ns`.

        It is not over before `quiet_s` have passed since then. After a turn that was
        talked over, its reply goes on sounding until the server has heard the caller.

        Raises:
            RuntimeError: a turn is under way.
        """
        before = self.turn
        if before is not None and before.ended is None:
            raise RuntimeError("a turn is under way; wait for it first")
        self._over = None
        if before is not None and before.ended is TurnEnd.TALKED_OVER and not before.silenced:
            self._over = before
        self.turn = TurnState(
            index=self._turns,
            began_ns=now_ns,
            speech_end_ns=speech_end_ns,
            watchdog_ns=int(watchdog_s * 1e9),
            progress_ns=now_ns,
            player=Playback(now_ns),
            expects=expects,
            quiet_ns=speech_end_ns + int(quiet_s * 1e9),
            owed_responses=owed_responses,
            answers_tools=answers_tools,
            foreign=frozenset() if before is None else frozenset(before.open_responses),
        )
        self._turns += 1
        return self.turn

    def receive(self, event: ServerEvent, at_ns: int, audio_ms: float | None) -> bool:
        """Take in one received event that arrived at `at_ns`; `audio_ms` is its audio, if any.

        True when whoever waits should look again; most events only put deadlines off.
        """
        if self.setup is Setup.AWAIT_CREATED or self.setup is Setup.AWAIT_UPDATED:
            self._receive_setup(event)
            return True
        turn = self.turn
        kind = event.kind
        if turn is None or turn.ended is not None or kind not in _PROGRESS:
            return self._receive_aside(event, at_ns)
        if turn.foreign and event.response_id in turn.foreign:
            return self._receive_foreign(turn, event, at_ns, audio_ms)
        turn.progress_ns = max(turn.progress_ns, at_ns)
        if kind is Kind.OUTPUT_AUDIO_DELTA:  # nearly all are
            if audio_ms is not None:
                turn.player.take(event.item_id, at_ns, audio_ms)
            return turn.awaits_audio or turn.settles_ns is not None
        self._receive_turn(turn, event, at_ns)
        return bool(turn.settles_ns is not None or turn.open_calls or self.cuts)

    def _receive_setup(self, event: ServerEvent) -> None:
        if event.kind is Kind.ERROR:
            self.setup = Setup.FAILED
            detail = event.detail or {}
            self.setup_error = f"{detail.get('code') or detail.get('type')}: " + str(
                detail.get("message")
            )
        elif event.kind is Kind.SESSION_CREATED and self.setup is Setup.AWAIT_CREATED:
            self.setup = self._after_created
        elif event.kind is Kind.SESSION_UPDATED:
            self.setup = Setup.READY
            self.updates += 1

    def _receive_aside(self, event: ServerEvent, at_ns: int) -> bool:
        """Events that are no step towards a reply."""
        if event.kind is Kind.SESSION_UPDATED:
            self.updates += 1
            return True
        turn = self.turn
        if event.kind not in _WORDS or turn is None or turn.ended is not None:
            return False
        text = (event.detail or {}).get("transcript")
        texts = turn.transcripts
        if event.kind in {Kind.OUTPUT_TRANSCRIPT_DONE, Kind.OUTPUT_TEXT_DONE}:
            texts = turn.reply_texts
        if text is not None and len(texts) < TEXTS_KEPT:
            texts.append(text)
        if turn.expects is not Expects.TRANSCRIPT:
            return False
        turn.progress_ns = max(turn.progress_ns, at_ns)
        if event.kind is Kind.COMMITTED and event.item_id is not None:
            turn.open_items.add(event.item_id)
        elif event.kind in {Kind.INPUT_TRANSCRIPT_DONE, Kind.INPUT_TRANSCRIPT_FAILED}:
            turn.open_items.discard(event.item_id or "")
            if at_ns >= turn.speech_end_ns:
                turn.transcribed_ns = at_ns
        return turn.settles_ns is not None

    def _receive_foreign(
        self, turn: TurnState, event: ServerEvent, at_ns: int, audio_ms: float | None
    ) -> bool:
        """Events of a response to an earlier turn, or of one that nobody listens to any more.

        They may sound, and do not answer this turn.
        """
        if event.kind is Kind.RESPONSE_DONE and event.response_id in turn.open_responses:
            self._receive_turn(turn, event, at_ns)
            return turn.settles_ns is not None
        over = self._over
        if over is not None:
            if event.kind is Kind.OUTPUT_AUDIO_DELTA and audio_ms is not None:
                over.player.take(event.item_id, at_ns, audio_ms)
            elif event.kind is Kind.RESPONSE_DONE and _is_cancelled(event):
                self._silence(over, at_ns)
        return bool(self.cuts)

    def _receive_turn(self, turn: TurnState, event: ServerEvent, at_ns: int) -> None:
        response_id = event.response_id or ""
        match event.kind:
            case Kind.SPEECH_STARTED:
                turn.speech_open = True
                self._hear_caller(turn, at_ns)
            case Kind.SPEECH_STOPPED:
                turn.speech_open = False
            case Kind.RESPONSE_CREATED:
                turn.open_responses.add(response_id)
                turn.owed_responses = max(turn.owed_responses - 1, 0)
            case Kind.TOOL_CALL:
                self._take_call(turn, event)
            case Kind.RESPONSE_DONE:
                turn.open_responses.discard(response_id)
                self._finish_response(turn, event, at_ns)

    @staticmethod
    def _take_call(turn: TurnState, event: ServerEvent) -> None:
        detail = event.detail or {}
        call = ToolCall(
            *(str(detail.get(name) or "") for name in ("call_id", "name", "arguments"))
        )
        if len(turn.tool_calls) < TEXTS_KEPT:
            turn.tool_calls.append(call)
            turn.open_calls.append(call)

    def _hear_caller(self, turn: TurnState, at_ns: int) -> None:
        """The server has heard the caller: a player that sounds then falls silent.

        Only where the caller speaks over a reply. Elsewhere it is the server's mistake, or the
        speech that the reply answers, told late.
        """
        if self._over is not None:
            self._silence(self._over, at_ns)
        elif turn.overlaid:
            turn.overlaid = False
            self.silenced_ns = at_ns
            self.cuts += turn.player.silence(at_ns)

    def _silence(self, over: TurnState, at_ns: int) -> None:
        self._over = None
        self.silenced_ns = at_ns
        self.cuts += over.player.silence(at_ns)

    def _finish_response(self, turn: TurnState, event: ServerEvent, at_ns: int) -> None:
        """Judge whether a finished response answers the utterance.

        One that more speech of the utterance cancelled does not: the caller is still talking,
        or the server is about to hear that it stopped. Nor does one that was over before the
        caller had finished. The watchdog ends the turn if nothing else comes.
        """
        if _is_cancelled(event):
            self.silenced_ns = at_ns
            cuts = turn.player.silence(at_ns)
            if turn.overlaid:
                turn.overlaid = False
                self.cuts += cuts
            turn.answered = turn.answered or turn.cancel_asked
        elif at_ns >= turn.speech_end_ns:
            turn.answered = True

    def silence(self, now_ns: int) -> None:
        """The caller's own device stops playing: `cuts` then says what was not heard."""
        self.silenced_ns = now_ns
        for turn in (self._over, self.turn):
            if turn is not None:
                turn.silenced = True
                turn.foreign |= turn.open_responses  # the rest of them will not be heard
                self.cuts += turn.player.silence(now_ns)
        self._over = None

    def take_cuts(self) -> list[Cut]:
        """Items silenced since it was last asked."""
        cuts, self.cuts = self.cuts, []
        return cuts

    def advance(self, now_ns: int) -> None:
        """Let time pass: end the turn when its answer was heard or its watchdog is due."""
        turn = self.turn
        if turn is None or turn.ended is not None:
            return
        settles_ns = turn.settles_ns
        if settles_ns is not None and now_ns >= settles_ns:
            turn.ended = TurnEnd.DONE
        elif now_ns >= turn.deadline_ns and settles_ns is None:
            turn.ended = TurnEnd.WATCHDOG

    def next_ns(self) -> int | None:
        """When to call `advance` next if nothing arrives before; None without a turn."""
        if self.turn is None or self.turn.ended is not None:
            return None
        settles_ns = self.turn.settles_ns
        return self.turn.deadline_ns if settles_ns is None else settles_ns

    def end_turn(self, reason: TurnEnd) -> None:
        """End the turn under way from outside: the connection broke, or the run stops."""
        if self.turn is not None and self.turn.ended is None:
            self.turn.ended = reason


def _is_cancelled(event: ServerEvent) -> bool:
    return (event.detail or {}).get("status") == "cancelled"

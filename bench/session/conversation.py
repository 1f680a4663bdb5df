"""Decides, from canonical events and instants, where a session and its turn stand. Pure.

It answers three questions for the code that moves bytes: is the session ready, has the turn
ended and why, and when must I ask again. It measures nothing: figures come from the record.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from bench.dialects.base import Kind, ServerEvent

_MS = 1_000_000
_PROGRESS = frozenset(
    {
        Kind.SPEECH_STARTED,
        Kind.SPEECH_STOPPED,
        Kind.RESPONSE_CREATED,
        Kind.OUTPUT_AUDIO_DELTA,
        Kind.OUTPUT_TRANSCRIPT_DELTA,
        Kind.RESPONSE_DONE,
    }
)


class Setup(enum.Enum):
    """How far the opening exchange has come."""

    AWAIT_CREATED = enum.auto()
    AWAIT_UPDATED = enum.auto()
    READY = enum.auto()
    FAILED = enum.auto()


class TurnEnd(enum.StrEnum):
    """Why a turn ended; outcomes are judged later, from the record."""

    DONE = "done"
    WATCHDOG = "watchdog"
    DISCONNECTED = "disconnected"
    STOPPED = "stopped"


@dataclass(slots=True)
class TurnState:
    """The turn under way. Instants are monotonic ns."""

    index: int
    speech_end_ns: int
    watchdog_ns: int
    progress_ns: int
    playback_end_ns: int
    open_responses: set[str] = field(default_factory=set)
    speech_open: bool = False
    answered: bool = False
    ended: TurnEnd | None = None

    @property
    def settles_ns(self) -> int | None:
        """When a listener has heard the whole answer; None while it is not complete."""
        if not self.answered or self.speech_open or self.open_responses:
            return None
        return self.playback_end_ns

    @property
    def deadline_ns(self) -> int:
        """When the watchdog gives the turn up: counted from the last sign of life."""
        return max(self.speech_end_ns, self.progress_ns) + self.watchdog_ns


class Conversation:
    """State machine of one session."""

    def __init__(self) -> None:
        self.setup = Setup.AWAIT_CREATED
        self.setup_error: str | None = None
        self.turn: TurnState | None = None
        self._turns = 0

    @property
    def turn_index(self) -> int | None:
        """Index of the latest turn, under way or ended."""
        return self._turns - 1 if self._turns else None

    def begin_turn(self, now_ns: int, speech_end_ns: int, watchdog_s: float) -> TurnState:
        """Start a turn whose utterance will end its speech at `speech_end_ns`.

        Raises:
            RuntimeError: a turn is under way.
        """
        if self.turn is not None and self.turn.ended is None:
            raise RuntimeError("a turn is under way; wait for it first")
        self.turn = TurnState(
            index=self._turns,
            speech_end_ns=speech_end_ns,
            watchdog_ns=int(watchdog_s * 1e9),
            progress_ns=now_ns,
            playback_end_ns=now_ns,
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
        if turn is None or turn.ended is not None or event.kind not in _PROGRESS:
            return False
        self._receive_turn(turn, event, at_ns, audio_ms)
        return turn.settles_ns is not None

    def _receive_setup(self, event: ServerEvent) -> None:
        if event.kind is Kind.ERROR:
            self.setup = Setup.FAILED
            detail = event.detail or {}
            self.setup_error = f"{detail.get('code') or detail.get('type')}: " + str(
                detail.get("message")
            )
        elif event.kind is Kind.SESSION_CREATED and self.setup is Setup.AWAIT_CREATED:
            self.setup = Setup.AWAIT_UPDATED
        elif event.kind is Kind.SESSION_UPDATED:
            self.setup = Setup.READY

    def _receive_turn(
        self, turn: TurnState, event: ServerEvent, at_ns: int, audio_ms: float | None
    ) -> None:
        turn.progress_ns = max(turn.progress_ns, at_ns)
        response_id = event.response_id or ""
        match event.kind:
            case Kind.OUTPUT_AUDIO_DELTA if audio_ms is not None:  # first: nearly all are
                begins_ns = max(at_ns, turn.playback_end_ns)
                turn.playback_end_ns = begins_ns + int(audio_ms * _MS)
            case Kind.SPEECH_STARTED:
                turn.speech_open = True
            case Kind.SPEECH_STOPPED:
                turn.speech_open = False
            case Kind.RESPONSE_CREATED:
                turn.open_responses.add(response_id)
            case Kind.RESPONSE_DONE:
                turn.open_responses.discard(response_id)
                self._finish_response(turn, event, at_ns)

    @staticmethod
    def _finish_response(turn: TurnState, event: ServerEvent, at_ns: int) -> None:
        """Judge whether a finished response answers the utterance.

        One that more speech of the utterance cancelled does not: the caller is still talking,
        or the server is about to hear that it stopped. Nor does one that was over before the
        caller had finished. The watchdog ends the turn if nothing else comes.
        """
        cancelled = (event.detail or {}).get("status") == "cancelled"
        if cancelled:
            turn.playback_end_ns = min(turn.playback_end_ns, at_ns)
        elif at_ns >= turn.speech_end_ns:
            turn.answered = True

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

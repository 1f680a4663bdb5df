"""What a scenario holds of one turn: its end, and what is known of it while it goes on."""

from __future__ import annotations

import time
from typing import Protocol

from bench.session.turn_state import ToolCall, TurnEnd, TurnState

_MS = 1_000_000


class Session(Protocol):
    """What a turn needs of its session."""

    def wait_turn(self, state: TurnState) -> None:
        """Wait until `state` has ended."""

    def outcome_of(self, turn_index: int) -> str | None:
        """As Turn.outcome."""


class Turn:
    """One thing the caller said, wrote or asked for, and what came of it.

    The figures are for a scenario's own decisions; reports are made from the record.
    """

    def __init__(self, session: Session, state: TurnState, utterance: str) -> None:
        self.utterance = utterance
        """Id of what was said; for a turn without a clip the name that the record has."""
        self.index = state.index
        self._session = session
        self._state = state

    def wait(self) -> Turn:
        """Wait until what it expects has come and was heard, or the watchdog gives up."""
        self._session.wait_turn(self._state)
        return self

    @property
    def ended(self) -> TurnEnd | None:
        """Why it ended, None while it is under way."""
        return self._state.ended

    @property
    def outcome(self) -> str | None:
        """Its outcome by what is on record so far, a name in bench.analysis.outcomes.OUTCOMES.

        None once another turn has begun.
        """
        return self._session.outcome_of(self.index)

    @property
    def ttfa_ms(self) -> float | None:
        """From the true end of speech to the first audio received; None while there is none.

        Negative when the server took the turn before the caller had finished.
        """
        began_ns = self._state.player.began_ns
        return None if began_ns is None else (began_ns - self._state.speech_end_ns) / _MS

    @property
    def heard_ms(self) -> float:
        """Audio of the reply that the listener has heard so far."""
        return self._state.player.heard_ms(time.monotonic_ns())

    @property
    def transcript(self) -> str:
        """What the server understood so far; empty where it writes nothing down."""
        return " ".join(self._state.transcripts)

    @property
    def reply_text(self) -> str:
        """What was answered, in the server's words; empty while none were complete."""
        return " ".join(self._state.reply_texts)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Tools that the model has called so far."""
        return tuple(self._state.tool_calls)

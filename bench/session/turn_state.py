"""Holds where a turn stands, and tells from it when the turn is over. Pure."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.session.playback import Playback


class TurnEnd(enum.StrEnum):
    """Why a turn ended; outcomes are judged later, from the record."""

    DONE = "done"
    WATCHDOG = "watchdog"
    TALKED_OVER = "talked_over"
    """The caller began to speak while the reply was being heard."""
    HUNG_UP = "hung_up"
    """The caller left, as the scenario wants it."""
    DISCONNECTED = "disconnected"
    STOPPED = "stopped"


class Expects(enum.StrEnum):
    """What a turn waits for."""

    REPLY = "reply"
    """A response that answers, heard to its end."""
    TRANSCRIPT = "transcript"
    """The words of what was said; nobody answers."""
    SILENCE = "silence"
    """Nothing: a reply would be a mistake, and is then heard to its end."""


class ToolCall(NamedTuple):
    """A function that the model calls; `arguments` is JSON as it came, `call_id` may be empty."""

    call_id: str
    name: str
    arguments: str


@dataclass(slots=True)
class TurnState:
    """One turn. Instants are monotonic ns."""

    index: int
    began_ns: int
    speech_end_ns: int
    """When the caller is done: the end of speech, or the instant of a written request."""
    watchdog_ns: int
    progress_ns: int
    player: Playback
    quiet_ns: int
    """Not over before: what the caller's sounds might still bring about has come by then."""
    expects: Expects = Expects.REPLY
    answers_tools: bool = False
    """Whether the caller gives results of tools: the turn then waits for what follows on them."""
    foreign: frozenset[str] = frozenset()
    """Responses that do not answer it: not done when it began, or silenced since."""
    owed_responses: int = 0
    """Responses asked for by the client that have not begun."""
    open_responses: set[str] = field(default_factory=set)
    open_items: set[str] = field(default_factory=set)
    """Committed speech whose transcript has not come."""
    open_calls: list[ToolCall] = field(default_factory=list)
    """Calls that have no result yet."""
    tool_calls: list[ToolCall] = field(default_factory=list)
    speech_open: bool = False
    awaits_audio: bool = False
    """Whether somebody waits for the first audio."""
    silenced: bool = False
    """Whether the caller's device has stopped its reply."""
    overlaid: bool = False
    """Whether the caller says something over the reply, not meaning to stop it."""
    cancel_asked: bool = False
    answered: bool = False
    transcribed_ns: int | None = None
    transcripts: list[str] = field(default_factory=list)
    reply_texts: list[str] = field(default_factory=list)
    ended: TurnEnd | None = None

    @property
    def settles_ns(self) -> int | None:
        """When everything awaited has come and was heard; None while something is missing."""
        if self.speech_open or self.open_responses or self.owed_responses:
            return None
        if self.answers_tools and self.open_calls:
            return None
        if self.expects is Expects.TRANSCRIPT:
            return None if self.open_items else self.transcribed_ns
        if self.expects is Expects.REPLY and not self.answered:
            return None
        return max(self.quiet_ns, self.player.end_ns)

    @property
    def deadline_ns(self) -> int:
        """When the watchdog gives the turn up: counted from the last sign of life."""
        return max(self.speech_end_ns, self.progress_ns) + self.watchdog_ns

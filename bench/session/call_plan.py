"""Turns what a run asks for into what every session of a process has in common."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.audio.catalogue import Catalogue
from bench.dialects.base import Dialect, Endpoint, Kind, SessionSettings
from bench.session.frames import FrameStore, SentEvent


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What every session has in common; made once per process, or once per class of callers.

    With `push_to_talk` the microphone is open only while an utterance is said.

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
    push_to_talk: bool = False
    setup: SentEvent | None = field(init=False)
    """What configures each session; None where the dialect has no event for it."""
    awaits: frozenset[Kind] = field(init=False)
    """Which of the server's events a session waits for before it is ready."""

    def __post_init__(self) -> None:
        setup, awaits = None, self.dialect.awaits
        if Kind.SESSION_UPDATE in self.dialect.unsent:
            awaits = awaits - {Kind.SESSION_UPDATED}
        else:
            setup = SentEvent.of(self.dialect.session_update(self.settings))
        object.__setattr__(self, "setup", setup)
        object.__setattr__(self, "awaits", awaits)

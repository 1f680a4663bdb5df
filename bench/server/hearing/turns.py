"""Says what an ear turns a session's audio into: starts and ends of speech."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

ASKED_AFTER_MS = 150
"""A silence policy is asked no sooner than this after the voice has ended."""

SilencePolicy: TypeAlias = int | Callable[[int], int]
"""How many ms of silence end a turn: always the same, or by the ms at which the voice ended.

A callable is asked once per silence, when the silence has lasted `ASKED_AFTER_MS` at least, and
again only if the voice came back in between: it may be expensive.
"""


class Edge(Enum):
    """What happened to the speech."""

    STARTED = "started"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Started:
    """Speech began; positions are ms of the session's audio clock.

    `audio_ms` is the onset less the prefix padding, never before the previous end; `onset_ms`
    where the voice itself was heard to begin.
    """

    edge: ClassVar[Literal[Edge.STARTED]] = Edge.STARTED
    audio_ms: int
    onset_ms: int


@dataclass(frozen=True, slots=True)
class Stopped:
    """A turn ended; positions are ms of the session's audio clock.

    `audio_ms` is the end of the audio given to the model, silence included: where the decision
    was taken. `voice_end_ms` is where the voice itself was heard to end.
    """

    edge: ClassVar[Literal[Edge.STOPPED]] = Edge.STOPPED
    audio_ms: int
    voice_end_ms: int


VadEvent: TypeAlias = Started | Stopped


class Ear(Protocol):
    """Speech detector of one session."""

    @property
    def speaking(self) -> bool:
        """Whether speech is under way, as far as the audio has been listened to."""

    @property
    def heard_ms(self) -> int:
        """How far the audio has been listened to, on the session's audio clock."""

    def tune(self, threshold: float, prefix_padding_ms: int, silence_ms: SilencePolicy) -> None:
        """Take other settings for what comes next; what was learned of the audio stays.

        `threshold` is 0..1; the higher, the surer an onset must be.
        """

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Hear further samples: shape (n,), int16 at 24 kHz; any n, even 0."""

    def take(self) -> list[VadEvent]:
        """Events found since the last call, in order."""

    def forget_speech(self, end_ms: int) -> None:
        """Leave speech that is under way, if any; what comes next starts at `end_ms` or later."""

    def close(self) -> None:
        """Give back what the ear holds; it hears nothing afterwards."""

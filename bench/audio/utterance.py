"""A recording and its annotation, as one immutable value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 24_000
"""Rate of every utterance in memory; codecs with another rate convert when frames are built."""

SAMPLES_PER_MS = SAMPLE_RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class Pause:
    """A silence inside an utterance, `start_ms` and `end_ms` after the clip's first sample."""

    start_ms: int
    end_ms: int
    kind: str


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One recording with its annotated speech boundaries.

    `pcm` has shape (samples,), int16 at 24 kHz. `speech_start_ms` and `speech_end_ms` count
    from its first sample; they are labels made when the clip was, never a server's opinion, and
    None in a clip without speech. `trusted` says whether latencies measured from them count.
    """

    id: str
    text: str | None
    language: str
    category: str
    pcm: NDArray[np.int16]
    speech_start_ms: int | None
    speech_end_ms: int | None
    pauses: tuple[Pause, ...]
    trusted: bool
    sha256_pcm: str

    @property
    def duration_ms(self) -> float:
        """Length of the recording, silence before and after speech included."""
        return len(self.pcm) / SAMPLES_PER_MS

"""Keeps a session's newest audio, and when each part of it came, on the session's audio clock."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from bench.audio.utterance import SAMPLES_PER_MS

KEPT_MS = 15_000
"""Audio kept to be recognised: of longer speech, its end."""

_ARRIVALS = 256

Samples = NDArray[np.int16]


class AudioBuffer:
    """Audio since the session began, of which the last 15 s can be heard again."""

    def __init__(self) -> None:
        self.samples = 0
        self._parts: deque[Samples] = deque()
        self._kept_samples = 0
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=_ARRIVALS)

    @property
    def end_ms(self) -> float:
        """Where on the audio clock the audio ends."""
        return self.samples / SAMPLES_PER_MS

    def append(self, samples: Samples, now_ns: int, keep_ms: int = KEPT_MS) -> None:
        """Take samples that came at `now_ns`, and keep no more than the last `keep_ms`."""
        if not len(samples):
            return
        self.samples += len(samples)
        self._arrivals.append((self.end_ms, now_ns))
        self._parts.append(samples)
        self._kept_samples += len(samples)
        spare = self._kept_samples - keep_ms * SAMPLES_PER_MS
        while spare >= len(self._parts[0]) and len(self._parts) > 1:
            dropped = len(self._parts.popleft())
            self._kept_samples -= dropped
            spare -= dropped

    def cut(self, start_ms: float, end_ms: float) -> tuple[Samples, float]:
        """What is kept of the audio between two positions, and where it starts, in ms."""
        first = self.samples - self._kept_samples
        start = max(round(start_ms * SAMPLES_PER_MS), first)
        end = max(min(round(end_ms * SAMPLES_PER_MS), self.samples), start)
        # Each part is a view of a message; only what is asked for is put together.
        audio = np.concatenate([np.zeros(0, np.int16), *self._parts])
        return audio[start - first : end - first], start / SAMPLES_PER_MS

    def arrivals(self, start_ms: float) -> list[tuple[float, int]]:
        """When the audio after `start_ms` came: its end in ms, and monotonic ns, part by part."""
        return [(end_ms, at_ns) for end_ms, at_ns in self._arrivals if end_ms >= start_ms]

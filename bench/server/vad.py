"""Turns appended audio into speech events at once, as a buffer without a batch wants them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.server.hearing.energy import EnergyEar
from bench.server.hearing.turns import Edge, VadEvent

__all__ = ["Edge", "EnergyVad", "VadEvent"]


class EnergyVad:
    """An `EnergyEar` whose events are given back by `feed`."""

    def __init__(
        self, threshold: float, prefix_padding_ms: int, silence_ms: int, *, start_ms: int = 0
    ) -> None:
        self._ear = EnergyEar(start_ms=start_ms)
        self.tune = self._ear.tune
        self.forget_speech = self._ear.forget_speech
        self.tune(threshold, prefix_padding_ms, silence_ms)

    def feed(self, samples: NDArray[np.int16]) -> list[VadEvent]:
        """Events that these further samples complete, in order."""
        self._ear.feed(samples)
        return self._ear.take()

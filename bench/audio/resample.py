"""Turns samples of one rate into samples of another: once per clip, never per chunk."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray


def resample(samples: NDArray[np.int16], from_hz: int, to_hz: int) -> NDArray[np.int16]:
    """`samples` of shape (n,) at `to_hz`, within one sample of n * to_hz / from_hz.

    The whole signal at once: a streaming resampler hands samples out in bursts, which a paced
    microphone must not. soxr's VHQ keeps what lies above the new band more than 80 dB down.
    """
    if from_hz == to_hz:
        return samples
    wide = soxr.resample(samples.astype(np.float64), from_hz, to_hz, quality="VHQ")
    narrow: NDArray[np.int16] = np.clip(np.round(wide), -32768, 32767).astype(np.int16)
    return narrow

"""Finds where a listener would hear the first sound in decoded audio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

AUDIBLE_DBFS = -50.0
"""Level of a 5 ms window that counts as heard: well over a codec's or a room's idle noise."""

_WINDOW_MS = 5


def leading_silence_ms(samples: NDArray[np.int16], rate_hz: int) -> float:
    """Milliseconds before the first audible sample; the whole duration when there is none.

    The first 5 ms window whose RMS exceeds -50 dBFS holds it; inside, it is the first sample
    whose magnitude does. `samples` has shape (n,).
    """
    limit = 32768 * 10 ** (AUDIBLE_DBFS / 20)
    window = rate_hz * _WINDOW_MS // 1000
    count = len(samples) // window
    whole = samples[: count * window].reshape(count, window).astype(np.float64)
    heard = np.flatnonzero(np.einsum("ij,ij->i", whole, whole) > limit * limit * window)
    if len(heard):
        place, piece = int(heard[0]) * window, whole[heard[0]]
    else:
        place = count * window  # the last window is a short one
        piece = samples[place:].astype(np.float64)
        if float(piece @ piece) <= limit * limit * len(piece):
            return len(samples) * 1000 / rate_hz
    return (place + int(np.argmax(np.abs(piece) > limit))) * 1000 / rate_hz

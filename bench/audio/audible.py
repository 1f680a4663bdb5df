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
    for start in range(0, len(samples), window):
        piece = samples[start : start + window].astype(np.float64)
        if float(np.mean(piece * piece)) > limit * limit:
            first = int(np.argmax(np.abs(piece) > limit))
            return (start + first) * 1000 / rate_hz
    return len(samples) * 1000 / rate_hz

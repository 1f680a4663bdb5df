"""Turns 24 kHz samples into the 16 kHz windows that the model hears, and into their levels.

Every output is computed from the same inputs by the same sums wherever appends and batches cut
the audio, so nothing but the audio decides what is heard.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW_MS = 32
WINDOW_SAMPLES = 768
"""New samples per window, at 24 kHz."""

LATE_MS = 1
"""A window ends this much before the last sample it needs: half the filter's length."""

PARTS = 4
"""Levels per window; each stands for 8 ms."""

PART_MS = WINDOW_MS // PARTS

_HALF_TAPS = 24
_BLOCK_IN, _BLOCK_OUT = 96, 64
_CONTEXT_OUT, _NEW_OUT = 64, 512
_BLOCKS = (_CONTEXT_OUT + _NEW_OUT) // _BLOCK_OUT
_CUTOFF_HZ = 7_600.0

HISTORY_SAMPLES = _BLOCK_IN + 2 * _HALF_TAPS
"""Samples before a window that it needs besides its own: the model's context and the filter."""

ROW_SAMPLES = HISTORY_SAMPLES + WINDOW_SAMPLES

_SILENT_POWER = 1e-10


def _filter_bank() -> NDArray[np.float32]:
    """Low-pass that takes 144 samples at 24 kHz to 64 at 16 kHz, shape (144, 64).

    A Kaiser-windowed sinc: down 6 dB at 7.6 kHz, 60 dB from 8.5 kHz on. int16 becomes -1..1.
    """
    inputs = np.arange(_BLOCK_IN + 2 * _HALF_TAPS)[:, None]
    outputs = np.arange(_BLOCK_OUT)[None, :]
    distance = 1.5 * outputs + _HALF_TAPS - inputs
    inside = np.clip(1.0 - (distance / (_HALF_TAPS + 0.5)) ** 2, 0.0, None)
    kaiser = np.where(inside > 0.0, np.i0(6.0 * np.sqrt(inside)), 0.0)
    taps = np.sinc(2.0 * _CUTOFF_HZ / 24_000.0 * distance) * kaiser
    bank: NDArray[np.float32] = (taps / taps.sum(axis=0) / 32_768.0).astype(np.float32)
    return bank


_BANK = _filter_bank()


def model_input(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """The model's input, shape (batch, 576): 64 samples of context and 512 new ones at 16 kHz.

    `rows` has shape (batch, ROW_SAMPLES): int16 values at 24 kHz, contiguous.
    """
    batch_stride, stride = rows.strides
    blocks = np.lib.stride_tricks.as_strided(
        rows,
        (len(rows), _BLOCKS, len(_BANK)),
        (batch_stride, _BLOCK_IN * stride, stride),
        writeable=False,
    )
    # One small product per window: it gives the same bits in every batch, and is too small for
    # BLAS to share out among threads, which on a busy machine wait milliseconds for each other.
    heard: NDArray[np.float32] = np.ascontiguousarray(blocks) @ _BANK
    return heard.reshape(len(rows), -1)


def levels_db(heard: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level of each 8 ms of each window, dB, shape (batch, PARTS).

    Of the difference from sample to sample: that weighs a hiss at the end of a word up, rumble
    down.
    """
    steps = np.diff(heard[:, -_NEW_OUT - 1 :]).reshape(len(heard), PARTS, -1)
    power = np.einsum("bps,bps->bp", steps, steps) / steps.shape[2]
    level: NDArray[np.float32] = 10.0 * np.log10(power + _SILENT_POWER)
    return level

"""Turns 24 kHz samples into the waveform that survives a telephone line, and its patches.

The waveform runs at 6 kHz and holds 300 Hz to 2.7 kHz, where every codec of a session agrees;
it is tilted upwards by 6 dB an octave, which undoes the fall of a voice's spectrum so that the
pitch does not decide alone. A patch is what 232 ms of it look like: the compressed energy
of sixteen bands in eleven frames, without the mean of each band and of each frame and of unit
length, so that neither the line's colour nor a rise and fall that all speech has count.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bench.audio.utterance import SAMPLE_RATE_HZ

Signal = NDArray[np.float32]

RATE_HZ = 6_000
LOW_HZ, HIGH_HZ = 300, 2_700
HOP_MS = 10
HOP = HOP_MS * RATE_HZ // 1000

_DECIMATION = SAMPLE_RATE_HZ // RATE_HZ
_TAPS = 193
_BLOCK = 64

_FRAME = 192
_BANDS = 16
_STRIDE_FRAMES = 2
_PATCH_FRAMES = 11
PATCH_HOPS = _STRIDE_FRAMES * (_PATCH_FRAMES - 1)


def _filter() -> Signal:
    """Toeplitz matrix: a block of input gives `_BLOCK` samples of output by one product."""
    size = 4_096
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ)
    gain = np.where((hz >= LOW_HZ) & (hz <= HIGH_HZ), hz / 1_000, 0.0)
    taps = np.roll(np.fft.irfft(gain), _TAPS // 2)[:_TAPS] * np.hanning(_TAPS + 2)[1:-1]
    matrix = np.zeros((_DECIMATION * (_BLOCK - 1) + _TAPS, _BLOCK))
    for column in range(_BLOCK):
        matrix[column * _DECIMATION : column * _DECIMATION + _TAPS, column] = taps
    return matrix.astype(np.float32)


def _bank() -> Signal:
    """Sums of neighbouring bins of a frame's spectrum, equally wide bands."""
    hz = np.fft.rfftfreq(_FRAME, 1 / RATE_HZ)
    band = np.floor((hz - LOW_HZ) / (HIGH_HZ - LOW_HZ) * _BANDS)
    bank: Signal = (band[:, None] == np.arange(_BANDS)).astype(np.float32)
    return bank


_FILTER = _filter()
_BANK = _bank()
_WINDOW = np.hanning(_FRAME + 1)[:-1].astype(np.float32)


def telephone_band(samples: NDArray[np.int16]) -> Signal:
    """The band's waveform at 6 kHz: sample k stands for sample 4 k of `samples`, shape (n/4,)."""
    size = -(-len(samples) // _DECIMATION)
    blocks = -(-size // _BLOCK)
    step = _BLOCK * _DECIMATION
    padded = np.zeros(blocks * step + len(_FILTER), np.float32)
    padded[_TAPS // 2 : _TAPS // 2 + len(samples)] = samples
    inputs = sliding_window_view(padded, len(_FILTER))[: blocks * step : step]
    filtered: Signal = (np.ascontiguousarray(inputs) @ _FILTER).reshape(-1)[:size]
    return filtered


def patches(signal: Signal) -> Signal:
    """One row for each hop: the patch that begins at sample `HOP` * row of `signal`.

    Shape (rows, 176); a signal shorter than a patch has none.
    """
    rows = (len(signal) - _FRAME) // HOP + 1 - PATCH_HOPS
    if rows < 1:
        return np.empty((0, _PATCH_FRAMES * _BANDS), np.float32)
    frames = sliding_window_view(signal, _FRAME)[::HOP] * _WINDOW
    spectrum = np.fft.rfft(frames)
    power = (spectrum.real**2 + spectrum.imag**2) @ _BANK
    loudness = np.sqrt(np.sqrt(power))
    stacked = sliding_window_view(loudness, PATCH_HOPS + 1, axis=0)[:, :, ::_STRIDE_FRAMES]
    centred = stacked - stacked.mean(axis=2, keepdims=True)
    centred -= centred.mean(axis=1, keepdims=True)
    flat: Signal = centred.reshape(len(centred), -1).astype(np.float32, copy=False)
    length = np.sqrt(np.einsum("ij,ij->i", flat, flat))
    flat /= np.maximum(length, np.float32(1e-3))[:, None]
    return flat

"""Turns samples into G.711 codes and back, by tables built from the Recommendation's rules.

Source: ITU-T G.711 (11/88), tables 1a/1b (A-law) and 2a/2b (mu-law). The quantiser is
symmetric: a negative value gets the code of its magnitude with the other sign bit. Values are
16-bit; A-law looks at the upper 13 bits of them, mu-law at the upper 14.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SILENCE_MU_LAW = 0xFF
SILENCE_A_LAW = 0xD5

_MU_BIAS = 33
_MU_LARGEST = 0x1FFF
_SIGN = 0x80


def _magnitudes() -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Magnitude and sign of all 65,536 samples, in the order of their unsigned bit patterns."""
    values = np.arange(65_536, dtype=np.uint16).view(np.int16).astype(np.int32)
    negative = values < 0
    return np.minimum(np.abs(values), 32767), negative


def _mu_law_codes() -> NDArray[np.uint8]:
    magnitude, negative = _magnitudes()
    biased = np.minimum((magnitude >> 2) + _MU_BIAS, _MU_LARGEST)
    segment = np.floor(np.log2(biased)).astype(np.int32) - 5
    step = (biased >> (segment + 1)) & 0x0F
    code = (segment << 4) | step
    # All bits are sent inverted; the sign bit is 1 for positive values.
    codes: NDArray[np.uint8] = np.where(negative, ~code & 0x7F, ~code & 0xFF).astype(np.uint8)
    return codes


def _a_law_codes() -> NDArray[np.uint8]:
    magnitude, negative = _magnitudes()
    level = magnitude >> 4
    segment = np.maximum(np.floor(np.log2(np.maximum(level, 1))).astype(np.int32) - 3, 0)
    # The two lowest segments share one step size; from the second on a leading bit is implied.
    step = level >> np.maximum(segment - 1, 0)
    code = (segment << 4) | (step & 0x0F)
    # Even bits are sent inverted; the sign bit is 1 for positive values.
    codes: NDArray[np.uint8] = ((code ^ 0x55) | np.where(negative, 0, _SIGN)).astype(np.uint8)
    return codes


def _mu_law_samples() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, step = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((step << 1) + _MU_BIAS) << segment) - _MU_BIAS
    signed = np.where(code & _SIGN, -magnitude, magnitude) * 4
    samples: NDArray[np.int16] = signed.astype(np.int16)
    return samples


def _a_law_samples() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = (code >> 4) & 0x07, code & 0x0F
    magnitude = (step << 1) + 1 + np.where(segment > 0, 32, 0)
    magnitude = magnitude << np.maximum(segment - 1, 0)
    signed = np.where(code & _SIGN, magnitude, -magnitude) * 8
    samples: NDArray[np.int16] = signed.astype(np.int16)
    return samples


_MU_LAW_CODES, _A_LAW_CODES = _mu_law_codes(), _a_law_codes()
_MU_LAW_SAMPLES, _A_LAW_SAMPLES = _mu_law_samples(), _a_law_samples()


def encode_mu_law(samples: NDArray[np.int16]) -> bytes:
    """One code per sample of shape (n,)."""
    return _MU_LAW_CODES[samples.view(np.uint16)].tobytes()


def decode_mu_law(data: bytes) -> NDArray[np.int16]:
    """One sample per code, shape (n,)."""
    return _MU_LAW_SAMPLES[np.frombuffer(data, np.uint8)]


def encode_a_law(samples: NDArray[np.int16]) -> bytes:
    """One code per sample of shape (n,)."""
    return _A_LAW_CODES[samples.view(np.uint16)].tobytes()


def decode_a_law(data: bytes) -> NDArray[np.int16]:
    """One sample per code, shape (n,)."""
    return _A_LAW_SAMPLES[np.frombuffer(data, np.uint8)]

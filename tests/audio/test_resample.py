"""Resampling keeps length and what is heard, and folds nothing back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.audio.resample import resample

RATES_HZ = (8_000, 16_000, 22_050, 44_100, 48_000)
PAIRS = [pair for rate in RATES_HZ for pair in ((rate, 24_000), (24_000, rate))]
DOWNWARDS = [pair for pair in PAIRS if pair[0] > pair[1]]
AMPLITUDE = 20_000


def sine(hz: float, rate_hz: int) -> np.ndarray:
    at_s = np.arange(rate_hz) / rate_hz
    return np.round(AMPLITUDE * np.sin(2 * np.pi * hz * at_s)).astype(np.int16)


def inner(samples: np.ndarray) -> np.ndarray:
    """Without the edges, where a tone that begins at once is no longer one frequency."""
    return samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
@settings(max_examples=30, deadline=None)
@given(size=st.integers(0, 30_000))
def test_length_is_kept_within_one_sample(from_hz: int, to_hz: int, size: int) -> None:
    made = resample(np.full(size, 1000, np.int16), from_hz, to_hz)
    assert made.dtype == np.int16
    assert abs(len(made) - size * to_hz / from_hz) <= 1


@pytest.mark.parametrize("times", [1.1, 1.3, 1.7, 1.95])
@pytest.mark.parametrize(("from_hz", "to_hz"), DOWNWARDS)
def test_what_lies_above_the_new_band_does_not_fold_back(
    from_hz: int, to_hz: int, times: float
) -> None:
    hz = times * to_hz / 2
    if hz >= from_hz / 2:
        hz = (to_hz + from_hz) / 4
    folded = inner(resample(sine(hz, from_hz), from_hz, to_hz))
    level = np.sqrt(np.mean(folded**2)) / (AMPLITUDE / np.sqrt(2))
    assert 20 * np.log10(level + 1e-9) < -80


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_what_lies_in_the_band_keeps_its_level(from_hz: int, to_hz: int, share: float) -> None:
    hz = share * min(from_hz, to_hz) / 2
    kept = inner(resample(sine(hz, from_hz), from_hz, to_hz))
    level = np.sqrt(np.mean(kept**2)) / (AMPLITUDE / np.sqrt(2))
    assert abs(20 * np.log10(level)) < 0.1


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_click_stays_where_it_is(from_hz: int, to_hz: int) -> None:
    """A label stays true: no delay is added, to a tenth of a millisecond."""
    samples = np.zeros(from_hz, np.int16)
    samples[from_hz // 2] = AMPLITUDE
    made = resample(samples, from_hz, to_hz)
    assert abs(np.argmax(np.abs(made)) / to_hz - 0.5) <= max(0.0001, 1 / to_hz)


def test_full_scale_is_clipped_and_does_not_wrap() -> None:
    square = np.where(np.arange(24_000) // 100 % 2, 32767, -32768).astype(np.int16)
    made = resample(square, 24_000, 8_000).astype(np.int32)
    assert made.max() == 32767
    assert made.min() == -32768
    steps = np.abs(np.diff(made))
    assert np.count_nonzero(steps > 40_000) <= 240


def test_the_same_rate_gives_the_same_samples() -> None:
    samples = np.arange(10, dtype=np.int16)
    assert resample(samples, 24_000, 24_000) is samples

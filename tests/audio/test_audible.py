"""The first audible sample is where a plain reading of the definition puts it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audio.audible import leading_silence_ms

LIMIT = 32768 * 10 ** (-50 / 20)  # 103.6


def plain_reading(samples: list[int], rate_hz: int) -> float:
    window = rate_hz * 5 // 1000
    for start in range(0, len(samples), window):
        piece = samples[start : start + window]
        rms = math.sqrt(sum(value * value for value in piece) / len(piece))
        if rms > LIMIT:
            for offset, value in enumerate(piece):
                if abs(value) > LIMIT:
                    return (start + offset) * 1000 / rate_hz
    return len(samples) * 1000 / rate_hz


levels = st.sampled_from([0, 1, -1, 50, -90, 103, -103, 104, -104, 200, 32767, -32768])
runs = st.lists(st.tuples(st.integers(1, 200), levels), max_size=8)


@given(runs, st.sampled_from([8_000, 16_000, 24_000]))
def test_it_agrees_with_a_plain_reading(parts: list[tuple[int, int]], rate_hz: int) -> None:
    samples = [value for count, value in parts for _ in range(count)]
    found = leading_silence_ms(np.array(samples, np.int16), rate_hz)
    assert found == pytest.approx(plain_reading(samples, rate_hz), abs=1e-9)


@given(st.integers(0, 5_000))
def test_silence_lasts_as_long_as_the_audio(count: int) -> None:
    assert leading_silence_ms(np.zeros(count, np.int16), 24_000) == count / 24


def test_no_audio_has_no_silence() -> None:
    assert leading_silence_ms(np.zeros(0, np.int16), 24_000) == 0


@pytest.mark.parametrize("value", [3_000, -3_000, -32768])
def test_audio_heard_from_its_first_sample_has_none(value: int) -> None:
    assert leading_silence_ms(np.full(480, value, np.int16), 24_000) == 0


def test_a_click_too_faint_for_its_window_is_not_heard() -> None:
    samples = np.zeros(480, np.int16)
    samples[10] = 1_000  # 91 RMS over 120 samples
    assert leading_silence_ms(samples, 24_000) == 20
    samples[10] = 1_200  # 110 RMS
    assert leading_silence_ms(samples, 24_000) == pytest.approx(10 / 24)


def test_a_last_window_that_is_not_whole_counts() -> None:
    samples = np.zeros(121, np.int16)
    samples[120] = 104
    assert leading_silence_ms(samples, 24_000) == 5

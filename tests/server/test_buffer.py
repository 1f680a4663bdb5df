from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.audio.utterance import SAMPLES_PER_MS
from bench.server.buffer import KEPT_MS, AudioBuffer

Samples = NDArray[np.int16]


def ramp(start: int, length: int) -> Samples:
    return (np.arange(start, start + length) % 30_011).astype(np.int16)


@given(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=12),
    st.integers(0, 100),
    st.integers(0, 1_500),
    st.integers(0, 1_500),
)
def test_what_is_kept_is_given_back_at_its_place(
    lengths: list[int], keep_ms: int, start_ms: int, end_ms: int
) -> None:
    buffer = AudioBuffer()
    for length in lengths:
        buffer.append(ramp(buffer.samples, length), 0, keep_ms)
    total = sum(lengths)
    assert buffer.end_ms == total / SAMPLES_PER_MS
    samples, at_ms = buffer.cut(start_ms, end_ms)
    first = round(at_ms * SAMPLES_PER_MS)
    assert first >= start_ms * SAMPLES_PER_MS
    np.testing.assert_array_equal(samples, ramp(first, len(samples)))
    # Of the last `keep_ms` nothing may be missing.
    wanted = max(start_ms * SAMPLES_PER_MS, total - keep_ms * SAMPLES_PER_MS)
    end = min(end_ms * SAMPLES_PER_MS, total)
    assert first <= max(wanted, 0) or not len(samples)
    assert first + len(samples) == end or end <= first


def test_old_audio_goes_and_the_clock_stays() -> None:
    buffer = AudioBuffer()
    second = 1_000 * SAMPLES_PER_MS
    for at in range(20):
        buffer.append(ramp(at * second, second), at)
    samples, at_ms = buffer.cut(0, 20_000)
    assert at_ms == 20_000 - KEPT_MS
    np.testing.assert_array_equal(samples, ramp(5 * second, 15 * second))


@pytest.mark.parametrize(("start_ms", "end_ms"), [(500, 400), (2_000, 3_000), (100, 100)])
def test_a_cut_with_nothing_in_it_is_empty(start_ms: int, end_ms: int) -> None:
    buffer = AudioBuffer()
    buffer.append(ramp(0, 1_000 * SAMPLES_PER_MS), 0)
    assert len(buffer.cut(start_ms, end_ms)[0]) == 0


def test_nothing_at_all_can_be_cut() -> None:
    samples, at_ms = AudioBuffer().cut(0, 100)
    assert (samples.dtype == np.int16, len(samples), at_ms) == (True, 0, 0.0)


def test_arrivals_say_when_each_part_came() -> None:
    buffer = AudioBuffer()
    for at_ns in (10, 20, 30):
        buffer.append(ramp(0, 20 * SAMPLES_PER_MS), at_ns)
    assert buffer.arrivals(0) == [(20.0, 10), (40.0, 20), (60.0, 30)]
    assert buffer.arrivals(41) == [(60.0, 30)]
    assert buffer.arrivals(61) == []


def test_empty_appends_crowd_nothing_out() -> None:
    buffer = AudioBuffer()
    buffer.append(ramp(0, 20 * SAMPLES_PER_MS), 1)
    for at_ns in range(2, 1_000):
        buffer.append(ramp(0, 0), at_ns)
    assert buffer.arrivals(0) == [(20.0, 1)]

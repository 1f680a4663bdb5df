from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.server.hearing.window import (
    HISTORY_SAMPLES,
    LATE_MS,
    ROW_SAMPLES,
    WINDOW_SAMPLES,
    levels_db,
    model_input,
)


def rows_of(samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    padded = np.concatenate((np.zeros(HISTORY_SAMPLES, np.float32), samples))
    starts = [at * WINDOW_SAMPLES for at in range(count)]
    return np.stack([padded[start : start + ROW_SAMPLES] for start in starts])


def tone(frequency_hz: float) -> NDArray[np.float32]:
    seconds = np.arange(8 * WINDOW_SAMPLES) / 24_000
    return (16_384 * np.sin(2 * np.pi * frequency_hz * seconds)).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [100.0, 1_000.0, 3_400.0, 6_000.0])
def test_a_tone_comes_out_at_16_khz(frequency_hz: float) -> None:
    heard = model_input(rows_of(tone(frequency_hz), 8))[:, 64:].ravel()
    seconds = np.arange(len(heard)) / 16_000 - LATE_MS / 1_000
    wanted = 0.5 * np.sin(2 * np.pi * frequency_hz * seconds)
    np.testing.assert_allclose(heard[64:], wanted[64:], atol=2e-3)


def test_what_16_khz_cannot_carry_is_not_folded_back() -> None:
    heard = model_input(rows_of(tone(9_000.0), 8))[:, 64:].ravel()
    assert np.abs(heard[64:]).max() < 1e-3


def test_a_window_begins_with_the_end_of_the_one_before() -> None:
    heard = model_input(rows_of(tone(440.0), 8))
    np.testing.assert_allclose(heard[1:, :64], heard[:-1, -64:], atol=1e-6)
    np.testing.assert_array_equal(heard[0, :32], 0.0)


def test_a_window_is_the_same_bits_in_every_batch() -> None:
    rows = rows_of(tone(440.0) + tone(777.0), 8)
    alone = np.concatenate([model_input(np.ascontiguousarray(row[None])) for row in rows])
    np.testing.assert_array_equal(model_input(rows), alone)


def test_levels_are_those_of_8_ms() -> None:
    burst = np.zeros(WINDOW_SAMPLES, np.float32)
    burst[240:336] = tone(2_000.0)[:96]  # 10..14 ms
    levels = levels_db(model_input(rows_of(burst, 1)))
    assert levels.shape == (1, 4)
    assert levels.argmax() == 1
    assert levels[0, 3] == pytest.approx(-100.0)


def test_rumble_counts_less_than_hiss() -> None:
    def level(frequency_hz: float) -> float:
        return float(levels_db(model_input(rows_of(tone(frequency_hz), 8)))[4].max())

    assert level(35.0) < level(4_000.0) - 30.0

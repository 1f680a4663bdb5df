from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import timeline

SECONDS = st.lists(st.floats(0, 60, allow_subnormal=False), min_size=1, max_size=40).map(sorted)


def active(count: int) -> np.ndarray:
    """Two sessions opened, one closed, and so on."""
    return np.cumsum(np.where(np.arange(count) % 3 < 2, 1, -1))


def test_few_steps_are_drawn_as_they_are() -> None:
    seconds, height = timeline.open_steps(np.array([1.0, 2.0, 2.5]), active(3), 4.0)
    assert seconds.tolist() == [0, 1, 2, 2.5, 4]
    assert height.tolist() == [0, 1, 2, 1, 1]


@given(seconds=SECONDS)
def test_many_steps_become_one_for_each_column_that_misses_no_peak(seconds: list[float]) -> None:
    columns = 5
    whole = active(len(seconds))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "COLUMNS", columns)
        drawn, height = timeline.open_steps(np.array(seconds), whole, 60.0)
    if len(seconds) <= columns:
        assert len(drawn) == len(seconds) + 2
        return
    assert drawn.tolist() == [0, 12, 24, 36, 48, 60]
    assert height.max() == whole.max()
    for begin_s, end_s, most in zip(drawn, drawn[1:], height, strict=False):
        open_before = [0, *(n for s, n in zip(seconds, whole, strict=True) if s < begin_s)][-1]
        inside = [n for s, n in zip(seconds, whole, strict=True) if begin_s <= s < end_s]
        assert most == max([open_before, *inside[:-1]])

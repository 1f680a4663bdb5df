from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report import occupancy
from bench.report.occupancy import Occupancy

SECONDS = st.lists(st.floats(0, 60, allow_subnormal=False), min_size=1, max_size=40).map(sorted)


def opened(seconds: list[float]) -> Occupancy:
    """Two sessions opened, one closed, and so on."""
    active = np.cumsum(np.where(np.arange(len(seconds)) % 3 < 2, 1, -1))
    return Occupancy(np.array(seconds), active)


def test_marks_become_how_many_were_open() -> None:
    marks = pd.DataFrame(
        {
            "since_start_s": [3.0, 0.0, 1.0, 2.0],
            "mark": ["closed", "opened", "opened", "error"],
            "session_id": ["a", "a", "b", "a"],
        }
    )
    found = Occupancy.of(marks)
    assert found.seconds.tolist() == [0, 1, 3]
    assert found.active.tolist() == [1, 2, 1]
    assert found.peak == 2
    assert Occupancy.of(marks.head(0)).peak == 0


@pytest.mark.parametrize(
    ("begin_s", "end_s", "most"), [(0, 0.5, 0), (0.5, 1, 0), (0, 9, 2), (1.5, 2, 1), (2.5, 9, 1)]
)
def test_the_most_that_were_open_in_a_stretch(begin_s: float, end_s: float, most: int) -> None:
    assert opened([1.0, 2.0, 2.5]).most(begin_s, end_s) == most


def test_few_steps_are_drawn_as_they_are() -> None:
    seconds, height = opened([1.0, 2.0, 2.5]).corners(4.0)
    assert seconds.tolist() == [0, 1, 2, 2.5, 4]
    assert height.tolist() == [0, 1, 2, 1, 1]


@given(seconds=SECONDS)
def test_many_steps_become_one_for_each_column_that_misses_no_peak(seconds: list[float]) -> None:
    columns = 5
    whole = opened(seconds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(occupancy, "COLUMNS", columns)
        drawn, height = whole.corners(60.0)
    if len(seconds) <= columns:
        assert len(drawn) == len(seconds) + 2
        return
    assert drawn.tolist() == [0, 12, 24, 36, 48, 60]
    assert height.max() == whole.peak
    for begin_s, end_s, most in zip(drawn, drawn[1:], height, strict=False):
        steps = list(zip(seconds, whole.active, strict=True))
        open_before = [0, *(n for s, n in steps if s < begin_s)][-1]
        inside = [n for s, n in steps if begin_s <= s < end_s]
        assert most == max([open_before, *inside[:-1]])

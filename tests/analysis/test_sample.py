"""Residuals by fixture against medians computed one fixture at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.sample import DIFFERENCE, RATIO, Sample, align, fixture_medians


@given(
    rows=st.lists(st.tuples(st.integers(0, 4), st.floats(-1e6, 1e6) | st.just(np.inf)), min_size=1)
)
def test_medians_of_fixtures_are_the_naive_ones(rows):
    fixtures = np.array([fixture for fixture, _ in rows])
    values = np.array([value for _, value in rows])
    for fixture, median in enumerate(fixture_medians(values, fixtures)):
        own = values[fixtures == fixture]
        finite = own[np.isfinite(own)]
        if not len(finite):
            assert median == 0
        elif np.isfinite(np.median(own)):
            assert median == pytest.approx(np.median(own))
        else:
            assert finite.min() <= median <= finite.max()


def test_fixtures_of_any_level_have_residuals_around_nothing():
    baseline = Sample.of(
        [100, 110, 4_000, 4_400], [0, 0, 1, 1], ["short", "short", "long", "long"]
    )
    aligned = align(baseline, baseline)
    assert aligned.scale == RATIO
    assert aligned.baseline == pytest.approx(np.log([100 / 110, 110 / 100] * 2) / 2)


def test_missing_is_left_out_and_censored_is_worst():
    sample = Sample.of([5, np.nan, np.nan, 9], [0, 0, 1, 1], censored=[False, False, True, False])
    assert sample.known().values.tolist() == [5, np.inf, 9]
    for better in ("lower", "higher"):
        assert align(sample, sample, better=better).candidate[1] == np.inf


def test_a_fixture_of_one_run_only_is_left_out():
    aligned = align(Sample.of([1, 2], [0, 1], ["a", "b"]), Sample.of([3], [0], ["a"]))
    assert (len(aligned.baseline), len(aligned.candidate), aligned.pairs) == (1, 1, 1)


def test_values_that_are_not_above_nothing_are_seen_as_differences():
    sample = Sample.of([-20, 0, 40], [0, 1, 2])
    aligned = align(sample, sample)
    assert aligned.scale == DIFFERENCE
    assert aligned.baseline.tolist() == [-20, 0, 40]


def test_what_is_better_when_higher_is_turned_round():
    aligned = align(Sample.of([1, 1], [0, 1]), Sample.of([0.5, 0.5], [0, 1]), better="higher")
    assert (aligned.candidate > aligned.baseline).all()


def test_columns_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        Sample.of([1, 2], [0])

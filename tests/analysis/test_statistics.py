"""Percentiles against a definition written out naively."""

from __future__ import annotations

import json
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import distribution, ecdf, nearest_rank

FLOATS = st.floats(-1e6, 1e6)


def naive_percentile(percent, ordered):
    """Smallest element with at least percent % of all at or below its place."""
    for place, element in enumerate(ordered, start=1):
        if Fraction(place, len(ordered)) >= Fraction(percent, 100):
            return element
    return None


@given(values=st.lists(FLOATS), bounds=st.lists(FLOATS), missing=st.integers(0, 9))
def test_percentiles_are_the_naive_ones(values, bounds, missing):
    found = distribution(values, bounds, missing)
    highest = max(values, default=float("-inf"))
    ordered = [(value, False) for value in sorted(values)]
    ordered += [(max(bound, highest), True) for bound in sorted(bounds)]
    for percent, percentile in ((50, found.p50), (95, found.p95), (99, found.p99)):
        expected = naive_percentile(percent, ordered)
        assert (percentile.value, percentile.censored) == (expected or (None, False))
    assert (found.n, found.censored, found.missing) == (len(values), len(bounds), missing)


@given(values=st.lists(FLOATS, min_size=1), bounds=st.lists(FLOATS))
def test_percentiles_never_fall(values, bounds):
    found = distribution(values, bounds)
    assert found.p50.value <= found.p95.value <= found.p99.value
    assert found.min <= found.p50.value


def test_censored_ones_come_last_and_are_told():
    found = distribution([100.0] * 95, [15_000, 9_000, 12_000, 14_000, 13_000])
    assert (found.p95.value, found.p95.censored) == (100, False)
    assert (found.p99.value, found.p99.censored) == (14_000, True)
    assert (found.mean, found.max) == (100, 100)


def test_a_censored_one_is_never_shown_as_less_than_a_value():
    found = distribution([100.0, 900.0], [300.0])
    assert (found.p99.value, found.p99.censored) == (900, True)


@pytest.mark.parametrize(
    ("count", "enough"),
    [
        (0, (False, False, False)),
        (1, (True, False, False)),
        (199, (True, False, False)),
        (200, (True, True, False)),
        (999, (True, True, False)),
        (1000, (True, True, True)),
    ],
)
def test_how_many_are_enough(count, enough):
    found = distribution(np.arange(count))
    assert (found.p50.enough, found.p95.enough, found.p99.enough) == enough
    assert distribution([], range(count)).p95.enough == enough[1]


def test_nothing_is_null_all_over():
    found = json.loads(json.dumps(distribution([], missing=3).to_json(), allow_nan=False))
    nothing = {"value": None, "censored": False, "enough": False}
    assert found == {
        "n": 0,
        "missing": 3,
        "censored": 0,
        "min": None,
        "mean": None,
        "max": None,
        "p50": nothing,
        "p95": nothing,
        "p99": nothing,
    }


def test_ecdf_ends_below_one_when_some_never_came():
    values, shares = ecdf([3, 1, 1, 2], censored=1)
    assert values.tolist() == [1, 2, 3]
    assert shares.tolist() == [0.4, 0.6, 0.8]
    assert [len(part) for part in ecdf([])] == [0, 0]


@given(
    part=st.integers(1, 999),
    whole=st.sampled_from([100, 1_000]),
    counts=st.lists(st.integers(0, 10_000_000), min_size=1),
)
def test_ranks_are_exact_of_any_number_alone_or_of_many_at_once(part, whole, counts):
    ranks = [ceil(Fraction(part * count, whole)) for count in counts]
    assert [nearest_rank(part, count, whole) for count in counts] == ranks
    assert nearest_rank(part, np.array(counts), whole).tolist() == ranks

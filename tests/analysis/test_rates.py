"""Rates and their changes: bounds that hold, also for what was never seen."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.rates import rate_change, rate_error_at, rate_interval, rate_terms
from bench.analysis.sample import Sample


def hits(where, turns=400, per_session=8):
    values = np.zeros(turns)
    values[list(where)] = 1
    return Sample.of(values, np.arange(turns) // per_session)


def test_what_was_never_seen_is_bounded_away_from_nothing():
    rate = rate_interval(hits([]))
    assert (rate.value, rate.low, rate.hits, rate.n) == (0, 0, 0, 400)
    assert rate.high == pytest.approx(0.0095, abs=0.0002)  # Wilson, 0 of 400
    change = rate_change(hits([]), hits([]), 0.95)
    assert change.estimate == 0
    assert change.low < 0 < change.high < 0.01


def test_a_rate_has_wilsons_interval():
    rate = rate_interval(hits(range(0, 400, 10)))
    assert (rate.value, rate.low, rate.high) == pytest.approx((0.1, 0.0743, 0.1333), abs=2e-4)


def test_hits_in_clusters_say_less():
    clustered, spread = rate_interval(hits(range(40))), rate_interval(hits(range(0, 400, 10)))
    assert clustered.high - clustered.low > 1.8 * (spread.high - spread.low)
    errors = [
        rate_error_at(hits(where), hits([]))(400) for where in (range(40), range(0, 400, 10))
    ]
    assert errors[0] > errors[1]


def test_without_turns_there_is_no_rate():
    rate = rate_interval(Sample.of([], []))
    assert (rate.value, rate.low, rate.high, rate.n) == (None, None, None, 0)


def test_unknown_turns_are_not_counted():
    assert rate_interval(Sample.of([1, 0, np.nan, 0], [0, 1, 2, 3])).n == 3


def test_terms_add_up_to_the_change_and_turn_when_exchanged():
    first, second = hits([3, 90]), hits(range(0, 400, 20))
    terms = rate_terms(first, second)
    assert terms.sum() == pytest.approx(20 - 2)
    assert rate_terms(second, first) == pytest.approx(-terms)


def test_bounds_of_a_change_hold_it():
    rng = np.random.default_rng(4)
    session = np.arange(400) // 8
    outside = 0
    for _ in range(300):
        own = rng.beta(1, 19, (2, 50))
        first, second = (Sample.of(rng.random(400) < share[session], session) for share in own)
        change = rate_change(first, second, 0.95)
        outside += not change.low <= 0 <= change.high
    assert outside <= 45  # one in ten was asked for


def test_more_turns_bring_the_error_down():
    first, second = hits([3, 90]), hits([200])
    error_at = rate_error_at(first, second)
    assert error_at(400) == pytest.approx(rate_change(first, second, 0.9).error)
    assert error_at(1_600) < 0.55 * error_at(400)

"""Shifts against their definitions, and against the shifts that were put in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.sample import Sample, align
from bench.analysis.shift import (
    estimate_shift,
    find_shift,
    pair_terms,
    rank_scores,
    tail_scores,
)

SCORES = (rank_scores, tail_scores)


def runs(seed, turns=400, shift=0.0, session_sd=0.1):
    rng = np.random.default_rng(seed)
    session = np.arange(turns) // 8
    return [
        Sample.of(
            800
            * np.exp(rng.normal(0, 0.2, turns) + rng.normal(0, session_sd, turns)[session] + by),
            session,
        )
        for by in (0.0, shift)
    ]


@given(
    first=st.lists(st.integers(1, 40), min_size=1, max_size=12),
    second=st.lists(st.integers(1, 40), min_size=1, max_size=12),
)
def test_the_rank_shift_is_the_median_of_all_differences(first, second):
    # One negative value of each makes the scale that of differences.
    first, second = [-1, *first], [-1, *second]
    aligned = align(Sample.of(first, range(len(first))), Sample.of(second, range(len(second))))
    differences = np.subtract.outer(np.array(second, float), first)
    assert estimate_shift(aligned, rank_scores) == pytest.approx(np.median(differences), abs=0.2)


@given(values=st.lists(st.floats(-5, 5) | st.just(np.inf), min_size=1, max_size=60))
def test_scores_sum_to_nothing_and_rise(values):
    residuals = np.array(values)
    for scores in SCORES:
        scored = scores(residuals)
        assert scored.sum() == pytest.approx(0, abs=1e-9)
        assert (np.diff(scored[np.argsort(residuals, kind="stable")]) >= -1e-12).all()


@pytest.mark.parametrize("scores", SCORES)
def test_exchanging_a_pair_turns_the_sign_of_its_term_alone(scores):
    baseline, candidate = runs(1, shift=0.3)
    swapped = baseline.sessions == 7
    other_baseline = Sample.of(
        np.where(swapped, candidate.values, baseline.values), baseline.sessions
    )
    other_candidate = Sample.of(
        np.where(swapped, baseline.values, candidate.values), baseline.sessions
    )
    before = pair_terms(align(baseline, candidate), scores)
    after = pair_terms(align(other_baseline, other_candidate), scores)
    signs = np.where(np.arange(len(before)) == 7, -1, 1)
    assert after == pytest.approx(signs * before)


@pytest.mark.parametrize("scores", SCORES)
def test_a_shift_of_everything_is_found_and_bounded(scores):
    for seed in range(5):
        baseline, _ = runs(seed)
        # Sessions in another order, or every pair would be one session twice.
        candidate = Sample.of(baseline.values * np.exp(0.25), (baseline.sessions + 1) % 50)
        shift = find_shift(align(baseline, candidate, shift=0.25), scores, 0.95)
        assert shift.estimate == pytest.approx(0.25, abs=0.005)
        assert shift.low < 0.25 < shift.high


@pytest.mark.parametrize("scores", SCORES)
def test_bounds_hold_the_truth_as_often_as_they_say(scores):
    above = below = 0
    for seed in range(200):
        shift = find_shift(align(*runs(seed, turns=320)), scores, 0.95)
        below += shift.high < 0
        above += shift.low > 0
    # One in twenty on either side; three in twenty would come once in a hundred thousand times.
    assert 3 <= below <= 20
    assert 3 <= above <= 20


def test_turns_of_a_session_are_not_taken_for_independent():
    wide = find_shift(align(*runs(3, session_sd=0.3)), rank_scores, 0.95)
    narrow = find_shift(align(*runs(3, session_sd=0.0)), rank_scores, 0.95)
    assert wide.error > 2 * narrow.error


def test_a_slower_twentieth_shows_in_the_tail_and_not_in_the_bulk():
    rng = np.random.default_rng(5)
    session = np.arange(800) // 8
    baseline = Sample.of(1_000 + rng.normal(0, 5, 800), session)
    slower = np.where(rng.random(800) < 0.05, 60, 0)
    candidate = Sample.of(1_000 + rng.normal(0, 5, 800) + slower, session)
    aligned = align(baseline, candidate)
    assert abs(estimate_shift(aligned, rank_scores)) < 0.002
    assert 0.03 < estimate_shift(aligned, tail_scores) < 0.06


def test_replies_that_never_came_are_worse_than_any():
    baseline, _ = runs(2)
    lost = np.arange(400) % 3 == 0
    candidate = Sample.of(baseline.values, baseline.sessions, censored=lost)
    assert find_shift(align(baseline, candidate), rank_scores, 0.95).low > 0
    most = Sample.of(baseline.values, baseline.sessions, censored=np.arange(400) % 3 > 0)
    assert estimate_shift(align(baseline, most), rank_scores) == np.inf


def test_where_only_censored_values_score_there_is_no_shift_and_no_bound():
    values = np.full(40, 100.0)
    sample = Sample.of(values, np.arange(40), censored=np.arange(40) % 4 == 0)
    shift = find_shift(align(sample, sample), tail_scores, 0.95)
    assert (shift.estimate, shift.low, shift.high) == (0, -np.inf, np.inf)


def test_runs_without_any_noise_have_a_shift_without_error():
    flat = Sample.of([100.0] * 20, range(20))
    shift = find_shift(align(flat, Sample.of([110.0] * 20, range(20))), rank_scores, 0.95)
    assert shift.estimate == pytest.approx(np.log(1.1))
    assert shift.error < 1e-6

"""Intervals against a bootstrap written out naively, and against the truth."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.bootstrap import mean_interval, percentile_intervals
from bench.analysis.sample import Sample
from bench.analysis.statistics import distribution


def run(seed, sessions=60, session_sd=0.1, censored=0.0):
    rng = np.random.default_rng(seed)
    session = np.repeat(np.arange(sessions), 8)
    values = np.exp(
        rng.normal(0, 0.2, len(session)) + rng.normal(0, session_sd, sessions)[session]
    )
    return Sample.of(800 * values, session, censored=rng.random(len(session)) < censored)


@pytest.mark.parametrize("share_lost", [0.0, 0.03])
def test_each_drawn_run_has_the_percentile_that_a_report_would_show(share_lost):
    sample = run(1, sessions=11, censored=share_lost)
    found = percentile_intervals(sample, [50, 95, 99], replicates=300, seed=4)
    rng = np.random.default_rng(4)
    figures = {50: [], 95: [], 99: []}
    for counts in rng.multinomial(11, np.full(11, 1 / 11), 300):
        rows = np.concatenate(
            [np.repeat(np.flatnonzero(sample.sessions == i), n) for i, n in enumerate(counts)]
        )
        lost = sample.censored[rows]
        drawn = distribution(sample.values[rows][~lost], [1e9] * int(lost.sum()))
        for percent, values in figures.items():
            values.append(getattr(drawn, f"p{percent}").value)
    longest = sample.values[~sample.censored].max()
    for percent, values in figures.items():
        low, high = np.sort(values)[[7, 292]]
        interval = found[percent]
        assert (interval.low_censored, interval.high_censored) == (low == 1e9, high == 1e9)
        assert (interval.low, interval.high) == (min(low, longest), min(high, longest))


def test_intervals_hold_the_truth_as_often_as_they_say():
    held = {50: 0, 95: 0, "mean": 0}
    sigma = np.hypot(0.2, 0.1)
    truth = {50: 800.0, 95: 800 * np.exp(1.645 * sigma), "mean": 800 * np.exp(sigma**2 / 2)}
    for seed in range(200):
        sample = run(seed)
        found = percentile_intervals(sample, [50, 95], replicates=400)
        found["mean"] = mean_interval(sample, replicates=400)
        for name, interval in found.items():
            held[name] += interval.low <= truth[name] <= interval.high
    assert all(hits >= 0.9 * 200 for hits in held.values()), held


def test_turns_of_a_session_are_drawn_together():
    sample = run(2, session_sd=0.3)
    alone = Sample.of(sample.values, np.arange(len(sample.values)))
    together, apart = (mean_interval(each) for each in (sample, alone))
    assert together.high - together.low > 1.5 * (apart.high - apart.low)


def test_an_end_that_never_came_reads_as_more_than_the_largest_seen():
    sample = run(3, censored=0.05)
    interval = percentile_intervals(sample, [95])[95]
    assert interval.high_censored
    assert interval.high == sample.values[~sample.censored].max()
    assert (interval.n, interval.sessions) == (480, 60)
    assert not mean_interval(sample).high_censored


def test_one_session_has_no_interval():
    sample = Sample.of([1.0, 2.0, np.nan], [0, 0, 1])
    for interval in (percentile_intervals(sample, [50])[50], mean_interval(sample)):
        assert (interval.low, interval.high, interval.n, interval.sessions) == (None, None, 2, 1)


def test_the_same_seed_gives_the_same_interval():
    assert mean_interval(run(5), seed=1) == mean_interval(run(5), seed=1)
    assert mean_interval(run(5), seed=1) != mean_interval(run(5), seed=2)


def test_very_many_sessions_are_dealt_into_groups_and_tell_the_same():
    sample = run(6, sessions=2_400)
    (dealt,) = percentile_intervals(sample, [50]).values()
    assert dealt.sessions == 2_400
    rng = np.random.default_rng(1)
    by_session = sample.values.reshape(2_400, 8)
    drawn = [np.median(by_session[rng.integers(0, 2_400, 2_400)]) for _ in range(1_000)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert dealt.high - dealt.low == pytest.approx(high - low, rel=0.2)
    assert abs(dealt.low - low) < 0.2 * (high - low)

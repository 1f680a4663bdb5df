"""A run that drifts is told from one that does not."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.drift import DRIFTING, STEADY, UNKNOWN, find_drift
from bench.analysis.sample import Sample


def run(seed, turns=1_200, cv=0.1, shape=None):
    """Sessions one after another, each of eight turns; `shape` gives a factor at a time."""
    rng = np.random.default_rng(seed)
    at_s = np.arange(turns) * 0.5
    session, fixture = np.arange(turns) // 8, np.arange(turns) * 7 % 5
    factor = np.ones(turns) if shape is None else shape(at_s)
    noise = rng.normal(0, cv, turns) + rng.normal(0, 0.03, turns)[session]
    return Sample.of((fixture + 2) * 300 * factor * np.exp(noise), session, fixture), at_s


def test_a_run_without_a_trend_is_steady():
    verdicts = [find_drift(*run(seed)).verdict for seed in range(60)]
    assert verdicts.count(DRIFTING) <= 2
    assert verdicts.count(STEADY) >= 50


@pytest.mark.parametrize("change", [-0.15, 0.15])
def test_a_slow_change_is_found_with_its_size(change):
    drift = find_drift(*run(1, shape=lambda at_s: 1 + change * at_s / 600))
    assert drift.verdict == DRIFTING
    assert drift.low < drift.change < drift.high
    assert drift.change == pytest.approx(change, abs=0.05)
    assert drift.p_value < 0.01
    assert drift.steady_from_s is None


def test_a_change_too_small_to_matter_is_steady_however_significant():
    drift = find_drift(*run(2, cv=0.01, turns=8_000, shape=lambda at_s: 1 + 0.03 * at_s / 4_000))
    assert drift.p_value < 0.01
    assert drift.verdict == STEADY


def test_a_run_that_warmed_up_says_when_it_came_to_rest():
    drift = find_drift(*run(3, cv=0.03, shape=lambda at_s: 1 + 0.5 * np.exp(-at_s / 60)))
    assert drift.verdict == DRIFTING
    assert drift.change < 0
    assert 60 <= drift.steady_from_s <= 300


def test_the_order_of_rows_does_not_matter():
    sample, at_s = run(4)
    order = np.random.default_rng(0).permutation(len(at_s))
    shuffled = Sample.of(sample.values[order], sample.sessions[order], sample.fixtures[order])
    assert find_drift(shuffled, at_s[order]) == find_drift(sample, at_s)


def test_noise_that_hides_a_trend_leaves_it_unknown():
    assert find_drift(*run(5, turns=160, cv=0.5)).verdict == UNKNOWN


def test_too_few_turns_are_unknown_and_so_are_none():
    assert find_drift(*run(6, turns=79)).verdict == UNKNOWN
    empty = find_drift(Sample.of([], []), [])
    assert (empty.verdict, empty.change, empty.blocks) == (UNKNOWN, None, 0)


def test_a_server_that_stops_answering_is_drifting():
    sample, at_s = run(7)
    lost = np.random.default_rng(0).random(len(at_s)) < 1.2 * at_s / 600
    drift = find_drift(Sample.of(sample.values, sample.sessions, sample.fixtures, lost), at_s)
    assert drift.verdict == DRIFTING
    assert drift.change > 0


def test_runs_without_noise_are_steady():
    assert find_drift(Sample.of([100.0] * 200, range(200)), range(200)).verdict == STEADY


def test_every_value_has_an_instant():
    with pytest.raises(ValueError, match="differ in length"):
        find_drift(Sample.of([1.0], [0]), [])

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.finding import INCONCLUSIVE, PASS
from bench.analysis.holding import BROKEN, hold
from bench.analysis.limits import Limit, parse_limits
from bench.analysis.sample import Sample


def limit(sentence: str) -> Limit:
    return parse_limits(f"- {sentence}", "l")[0]


def spread(size: int, seed: int = 1, median: float = 800.0) -> Sample:
    values = median * np.exp(np.random.default_rng(seed).normal(0, 0.2, size))
    return Sample.of(values, np.arange(size) // 8)


def test_far_end_within_holds() -> None:
    found = hold(limit("ttfa_ms p95 < 2000"), spread(400))
    assert found.verdict == PASS
    assert found.value is not None
    assert found.high is not None
    assert found.value < found.high < 2000


def test_figure_beyond_is_broken() -> None:
    assert hold(limit("ttfa_ms p95 < 900"), spread(400)).verdict == BROKEN


def test_between_figure_and_far_end_is_inconclusive_and_more_turns_tell() -> None:
    small = spread(400)
    first = hold(limit("ttfa_ms p50 < 900"), small)
    assert first.value is not None
    assert first.high is not None
    bound = first.value + 0.5 * (first.high - first.value)
    found = hold(limit(f"ttfa_ms p50 < {bound}"), small)
    assert found.verdict == INCONCLUSIVE
    assert found.turns_needed is not None
    assert 1_400 < found.turns_needed < 2_200  # twice as near takes four times the turns


def test_lower_limits_look_at_the_lower_end() -> None:
    found = hold(limit("ttfa_ms p5 > 100"), spread(400))
    assert (found.verdict, found.far) == (PASS, found.low)
    assert hold(limit("ttfa_ms p5 > 900"), spread(400)).verdict == BROKEN


@pytest.mark.parametrize(
    ("statistic", "least"), [("p95", 200), ("p99", 1000), ("p50", 20), ("p5", 200)]
)
def test_percentile_of_too_few_never_holds(statistic: str, least: int) -> None:
    few = hold(limit(f"ttfa_ms {statistic} < 90000"), spread(least - 8))
    assert (few.verdict, few.turns_needed) == (INCONCLUSIVE, least)
    assert hold(limit(f"ttfa_ms {statistic} < 90000"), spread(least)).verdict == PASS


def test_without_values_nobody_knows() -> None:
    nothing = Sample.of([np.nan] * 3, [0, 1, 2])
    assert hold(limit("ttfa_ms p50 < 1"), nothing).verdict == INCONCLUSIVE
    assert hold(limit("ttfa_ms mean < 1"), nothing).verdict == INCONCLUSIVE
    assert hold(limit("cut_off rate < 1%"), Sample.of([], [])).verdict == INCONCLUSIVE


def test_replies_that_never_came_break_an_upper_limit_however_high() -> None:
    values = spread(400)
    censored = np.arange(400) % 10 == 0
    sample = Sample.of(values.values, values.sessions, censored=censored)
    found = hold(limit("ttfa_ms p95 < 1e9"), sample)
    assert (found.verdict, found.censored) == (BROKEN, True)
    assert hold(limit("ttfa_ms p50 < 1e9"), sample).verdict == PASS


def test_interval_that_reaches_the_censored_does_not_hold() -> None:
    values = spread(400)
    sample = Sample.of(values.values, values.sessions, censored=np.arange(400) % 25 == 0)
    found = hold(limit("ttfa_ms p95 < 1e9"), sample)  # 4 % never came: the p95 did
    assert (found.verdict, found.high) == (INCONCLUSIVE, None)


@pytest.mark.parametrize(
    ("hits", "size", "bound", "verdict"),
    [
        (0, 400, "2%", PASS),
        (0, 100, "2%", INCONCLUSIVE),  # none of a hundred promises no 2 %
        (3, 100, "2%", BROKEN),
        (8, 400, "2%", BROKEN),  # `<` is not `<=`
        (1, 400, "2%", PASS),
    ],
)
def test_rates(hits: int, size: int, bound: str, verdict: str) -> None:
    sample = Sample.of(np.arange(size) % (size // max(hits, 1)) < (hits > 0), np.arange(size))
    assert sample.values.sum() >= hits
    assert hold(limit(f"cut_off rate < {bound}"), sample).verdict == verdict


def test_the_number_of_turns_named_mostly_tells() -> None:
    held = limit("ttfa_ms p50 < 815")
    told = []
    for seed in range(40):
        first = hold(held, spread(320, seed, 785.0))
        if first.verdict == INCONCLUSIVE and (first.turns_needed or 10_000) < 3_000:
            assert first.turns_needed is not None
            told.append(hold(held, spread(first.turns_needed, 100 + seed, 785.0)).verdict)
    assert len(told) >= 8
    assert told.count(PASS) >= 0.6 * len(told), told
    assert BROKEN not in told

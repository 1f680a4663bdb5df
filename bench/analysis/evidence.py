"""Turns one metric of two runs into the tests a gate makes of it: bulk and tail, or a rate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log1p
from typing import NamedTuple

import numpy as np

from bench.analysis.finding import INCONCLUSIVE, RATE, SHIFT, TAIL, Finding
from bench.analysis.rates import rate_change, rate_terms
from bench.analysis.sample import DIFFERENCE, RATIO, Floats, Sample, align
from bench.analysis.shift import (
    Shift,
    estimate_shift,
    find_shift,
    pair_terms,
    rank_scores,
    tail_scores,
)

LEAST_SESSIONS = 8
"""Pairs of sessions below which nothing is judged: errors seen on fewer are guesses."""

LEAST_TAIL = 200
"""Turns of each run below which a tail is not judged."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The larger of a share of the baseline's median and, for metrics in ms, of some ms."""

    share: float
    ms: float

    def on(self, scale: str, median: float, unit: str) -> float:
        """As a residual's size on `scale`."""
        size = max(self.share * abs(median), self.ms if unit == "ms" else 0.0)
        return log1p(size / median) if scale == RATIO else size


@dataclass(frozen=True, slots=True)
class GateRules:
    """What makes an alarm, and what a pass must rule out.

    `alpha` is the chance of even one false alarm of a gate, `confidence` that of each bound.
    """

    alpha: float = 0.01
    confidence: float = 0.95
    floor: Margin = Margin(0.03, 15.0)
    tail_tolerance: Margin = Margin(0.10, 50.0)
    rate_floor: float = 0.01
    rate_tolerance: float = 0.02
    permutations: int = 9_999
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One metric of both runs.

    Of a rate (`is_rate`) the values are 1 or 0 per turn and `run_noise` plays no part. Else it is
    the standard deviation, as a share, that a whole run has from its like: `history.run_noise`
    against a stored baseline, 0 in interleaved blocks.
    """

    metric: str
    baseline: Sample
    candidate: Sample
    run_noise: float
    better: str = "lower"
    unit: str = "ms"
    is_rate: bool = False


class Test(NamedTuple):
    """One test before the number of all tests is known; all but `finding` is positive if worse."""

    finding: Finding
    """What is known already."""
    terms: Floats
    shift: Shift
    noise: float
    floor: float
    tolerance: float
    least: int = 0
    """Turns of each run without which it decides nothing."""


def tests_of(comparison: Comparison, rules: GateRules) -> list[Test | Finding]:
    """The tests of a metric; a finding instead where there is too little to test."""
    first, second = comparison.baseline.known(), comparison.candidate.known()
    pairs = len(np.union1d(first.sessions, second.sessions))
    fewest = min(len(first.values), len(second.values))
    blank = Finding(
        metric=comparison.metric,
        statistic=RATE if comparison.is_rate else SHIFT,
        better=comparison.better,
        scale=DIFFERENCE,
        verdict=INCONCLUSIVE,
        reason="",
        baseline=None,
        candidate=None,
        n_baseline=len(first.values),
        n_candidate=len(second.values),
        sessions=pairs,
    )
    finite = min(int(np.isfinite(side.values).sum()) for side in (first, second))
    if finite == 0:
        return [replace(blank, reason="one of the runs has no values")]
    if pairs < LEAST_SESSIONS:
        needed = ceil(fewest / pairs * LEAST_SESSIONS)
        reason = f"{pairs} sessions; at least {LEAST_SESSIONS} are needed"
        return [replace(blank, reason=reason, turns_needed=needed)]
    if comparison.is_rate:
        return [_rate_test(comparison, blank, rules)]
    return _value_tests(comparison, blank, rules)


def _rate_test(comparison: Comparison, blank: Finding, rules: GateRules) -> Test:
    worse = 1 if comparison.better == "lower" else -1
    change = rate_change(comparison.baseline, comparison.candidate, rules.confidence)
    if worse < 0:
        change = Shift(-change.estimate, -change.high, -change.low, change.error)
    finding = replace(
        blank,
        baseline=float(comparison.baseline.known().values.mean()),
        candidate=float(comparison.candidate.known().values.mean()),
    )
    terms = worse * rate_terms(comparison.baseline, comparison.candidate)
    return Test(finding, terms, change, 0.0, rules.rate_floor, rules.rate_tolerance)


def _value_tests(comparison: Comparison, blank: Finding, rules: GateRules) -> list[Test | Finding]:
    baseline, candidate = comparison.baseline, comparison.candidate
    pooled = align(baseline, candidate, better=comparison.better)
    if not (np.isfinite(pooled.baseline).any() and np.isfinite(pooled.candidate).any()):
        return [replace(blank, reason="the runs share no fixture with values of both")]
    rough = estimate_shift(pooled, rank_scores)
    known = rough if np.isfinite(rough) else 0.0
    aligned = align(baseline, candidate, better=comparison.better, shift=known)
    median = float(np.median(baseline.known().values))
    if not np.isfinite(median):
        median = float(np.median(baseline.values[~baseline.censored & ~np.isnan(baseline.values)]))
    unit = 1.0 if aligned.scale == RATIO else abs(median)
    noise = 2 * (comparison.run_noise * unit) ** 2
    floor = rules.floor.on(aligned.scale, median, comparison.unit)
    wide = max(floor, rules.tail_tolerance.on(aligned.scale, median, comparison.unit))
    return [
        Test(
            replace(
                blank,
                statistic=statistic,
                scale=aligned.scale,
                baseline=baseline.percentile(percent),
                candidate=candidate.percentile(percent),
            ),
            pair_terms(pooled, scores),
            find_shift(aligned, scores, rules.confidence),
            noise,
            floor,
            tolerance,
            least,
        )
        for statistic, scores, percent, tolerance, least in (
            (SHIFT, rank_scores, 50, floor, 0),
            (TAIL, tail_scores, 95, wide, LEAST_TAIL),
        )
    ]

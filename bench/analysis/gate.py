"""Turns a baseline and a candidate into PASS, REGRESSION or INCONCLUSIVE, test by test.

What the words mean decides what may be computed for them:

- REGRESSION: no change would hardly ever look like this, and what is seen is worth an alarm. The
  chance of even one false alarm among all tests of a gate is at most `alpha` (permutation of
  whole session pairs, then Holm), and the estimate reaches the floor: of enough turns, one
  percent is significant too, and nobody reverts a change for it.
- PASS: a slowdown as large as the tolerance would hardly ever look like this: the upper bound of
  the effect lies below it. That is a test of equivalence (Schuirmann, "A comparison of the two
  one-sided tests procedure", Journal of Pharmacokinetics and Biopharmaceutics 15 (1987), the side
  that can hurt). "Not significant" is no pass: the fewer turns, the less is significant. All
  tests must pass; that needs no correction for their number (Berger, "Multiparameter hypothesis
  testing and acceptance sampling", Technometrics 24 (1982)).
- INCONCLUSIVE: neither. The finding says of how many turns a fresh run would settle it.

Getting better never fails: both tests look to the side that hurts only.

For a shift, floor and tolerance are the same. A tail takes many times the turns, so its
tolerance is wider: it alarms from the floor on, and its pass rules out less, and says so.

Against a stored baseline the null hypothesis is not "no difference" but "two runs of one build",
which differ by `run_noise` each (see `history`). A p-value is then the larger of that of the
permutations and that of the estimate against sampling and noise together, and the bounds are
wider by the noise. In interleaved blocks (ABBA) both builds see the same hour and host, so
`run_noise` is 0; what still differs from block to block is seen, since pairs of blocks are what
is exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, expm1, inf, sqrt
from statistics import NormalDist

import numpy as np

from bench.analysis.evidence import Comparison, GateRules, Test, tests_of
from bench.analysis.finding import (
    INCONCLUSIVE,
    PASS,
    REGRESSION,
    Finding,
    GateResult,
    weigh,
)
from bench.analysis.permutation import holm, p_values
from bench.analysis.power import Hurdle, detectable, fewest_pairs, settling_error, turns_for
from bench.analysis.rates import rate_error_at
from bench.analysis.sample import DIFFERENCE, Floats
from bench.analysis.shift import Shift


def judge(comparisons: Sequence[Comparison], rules: GateRules | None = None) -> GateResult:
    """The verdict of all `comparisons` together; see the module for what it means.

    The same input and rules give the same result.
    """
    rules = rules or GateRules()
    entries = [(each, entry) for each in comparisons for entry in tests_of(each, rules)]
    tests = [entry for _, entry in entries if isinstance(entry, Test)]
    adjusted = iter(_p_values(tests, rules))
    findings = [
        entry
        if isinstance(entry, Finding)
        else _decide(each, entry, float(next(adjusted)), len(tests), rules)
        for each, entry in entries
    ]
    return weigh(findings, confidence=rules.confidence, alpha=rules.alpha)


def confirm(first: GateResult, second: GateResult) -> GateResult:
    """`first` with only those regressions that `second`, of a fresh run, shows too.

    A test looks to the side that hurts only, so the same test alarming again is the same metric
    worse in the same direction. Whatever made one run slow by chance is unlikely to come twice:
    against a fresh baseline too the chance of a false alarm is squared, against the same one
    what was odd about that stays. A regression that is not repeated is inconclusive and no pass:
    a pass is a proof, and of two runs that contradict each other the better may not be chosen.
    """
    again = {(finding.metric, finding.statistic): finding for finding in second.findings}

    def asked(finding: Finding) -> Finding:
        if finding.verdict != REGRESSION:
            return finding
        other = again.get((finding.metric, finding.statistic))
        if other is not None and other.verdict == REGRESSION:
            return replace(finding, reason=f"{finding.reason}, in a fresh run too")
        needed = None if other is None else other.turns_needed
        return replace(
            finding,
            verdict=INCONCLUSIVE,
            reason="worse, but not again in a fresh run; more turns will tell",
            turns_needed=needed or 2 * finding.n_candidate,
        )

    findings = [asked(finding) for finding in first.findings]
    return weigh(findings, confidence=first.confidence, alpha=first.alpha, confirmed=True)


def _p_values(tests: Sequence[Test], rules: GateRules) -> Floats:
    """One per test, adjusted for their number."""
    if not tests:
        return np.empty(0)
    terms = np.zeros((len(tests), max(len(test.terms) for test in tests)))
    for row, test in zip(terms, tests, strict=True):
        row[: len(test.terms)] = test.terms
    values = p_values(terms, rules.permutations, np.random.default_rng(rules.seed))
    for place, test in enumerate(tests):
        if test.noise > 0 and np.isfinite(test.shift.estimate):
            total = sqrt(test.shift.error**2 + test.noise)
            values[place] = max(values[place], NormalDist().cdf(-test.shift.estimate / total))
    return holm(values)


def _decide(
    comparison: Comparison, test: Test, p_value: float, tests: int, rules: GateRules
) -> Finding:
    level = NormalDist()
    hurdle = Hurdle(
        test.floor,
        test.tolerance,
        alarm_z=level.inv_cdf(1 - rules.alpha / tests),
        pass_z=level.inv_cdf(rules.confidence),
        noise=test.noise,
    )
    shift = _widened(test.shift, hurdle)
    worse = 1 if comparison.better == "lower" else -1
    scale = test.finding.scale
    low, high = sorted((_natural(scale, worse * shift.low), _natural(scale, worse * shift.high)))
    found = replace(
        test.finding,
        effect=_natural(scale, worse * shift.estimate),
        low=low,
        high=high,
        p_value=p_value,
        floor=_natural(scale, test.floor),
        tolerance=_natural(scale, test.tolerance),
        detectable=_natural(scale, detectable(hurdle, test.shift.error)),
        improved=shift.high < 0,
    )
    turns = min(found.n_baseline, found.n_candidate)
    enough = turns >= test.least
    if enough and p_value < rules.alpha and shift.estimate >= test.floor:
        return replace(found, verdict=REGRESSION, reason="worse, and by more than the floor")
    if enough and shift.high < test.tolerance:
        return replace(found, verdict=PASS, reason="not worse by as much as the tolerance")
    pairs = fewest_pairs(rules.alpha / tests)
    needed = turns_for(
        settling_error(hurdle, shift.estimate, shift.error),
        _error_at(comparison, test),
        found.sessions,
        least=max(turns, ceil(turns / found.sessions * pairs), test.least),
    )
    if needed is None and not enough and test.noise == 0:
        needed = 4 * test.least  # so few turns do not even say how noisy their tail is
    if needed is not None:
        reason = "more turns will tell"
    elif test.noise > 0:
        reason = (
            "runs differ too much by themselves for any number of turns to tell: "
            "run both builds in interleaved blocks"
        )
    else:
        reason = "no number of turns in reach will tell"
    return replace(found, reason=reason, turns_needed=needed)


def _error_at(comparison: Comparison, test: Test) -> Callable[[float], float]:
    """The error of sampling by the number of turns, were so many seen of each run."""
    if comparison.is_rate:
        return rate_error_at(comparison.baseline, comparison.candidate)
    seen = min(test.finding.n_baseline, test.finding.n_candidate)
    return lambda turns: test.shift.error * sqrt(seen / turns)


def _widened(shift: Shift, hurdle: Hurdle) -> Shift:
    """The bounds moved apart by what runs differ by themselves."""
    if not np.isfinite(shift.estimate):
        return shift
    noise = hurdle.pass_z**2 * hurdle.noise
    return replace(
        shift,
        low=shift.estimate - sqrt((shift.estimate - shift.low) ** 2 + noise),
        high=shift.estimate + sqrt((shift.high - shift.estimate) ** 2 + noise),
    )


def _natural(scale: str, residual: float) -> float:
    """A residual as a reader takes it: on the scale `ratio`, as a share."""
    if scale == DIFFERENCE:
        return residual
    return expm1(residual) if residual < 700 else inf

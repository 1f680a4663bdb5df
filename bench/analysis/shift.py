"""Turns aligned residuals into shifts: by how much a candidate is worse, in its bulk and its tail.

One machinery, two scores. A score says what a residual counts among all residuals of both runs:

- `rank_scores`: its mid-rank (Wilcoxon). The shift that balances ranks is the median of all
  differences between the runs, the estimate of Hodges & Lehmann, "Estimates of location based
  on rank tests", Annals of Mathematical Statistics 34 (1963). Few wild turns hardly move it.
- `tail_scores`: by how much it exceeds the 95th percentile of all, at most up to the 99th.
  The shift that balances them is how far the candidate's slowest twentieth has moved, its
  slowest hundredth held to the 99th percentile. The bare difference of two 95th percentiles has
  a blind spot that this has not: when one turn in twenty gets slower, it hangs on whether one
  more or one fewer did.

Turns of a session share a server, a route and a past, so turns are not independent and a test
that takes them for so cries wolf. What is independent is the session. Under "no change" session
i of either run could have been of the other, so exchanging the two flips the sign of the pair's
term in the statistic: its permutation distribution is the sum of the terms under all signs, and
its variance the sum of their squares (Fisher's sign-flip test; with clusters as here:
Obuchowski, "Nonparametric analysis of clustered ROC curve data", Biometrics 53 (1997), for the
same statistic's variance). Moving the candidate back until the test no longer objects gives
estimate and interval. All of this needs no normal turns, and no model of the sessions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, sqrt
from statistics import NormalDist

import numpy as np

from bench.analysis.sample import Aligned, Floats

Scores = Callable[[Floats], Floats]

TAIL_FROM, TAIL_TO = 0.90, 0.99

_PRECISION = 1 / 64
"""Of a standard error, to which shifts are found: far below anything that is shown."""

_DOUBLINGS = 40
"""Steps outwards, each twice as far, before a bound is said to be nowhere."""


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much the candidate's residuals are larger: positive is worse, on the aligned scale.

    `low` and `high` are one-sided bounds, each at the confidence asked for, infinite where the
    turns are too few to bound it. `error` is the standard error that their distance implies or,
    where one is infinite, a local one: good for planning only.
    """

    estimate: float
    low: float
    high: float
    error: float


def rank_scores(residuals: Floats) -> Floats:
    """Mid-ranks of `residuals`, in shares of their number, centred."""
    order = np.argsort(residuals)
    ordered = residuals[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ends = np.append(starts[1:], len(ordered))
    ranks = np.empty(len(ordered))
    ranks[order] = np.repeat((starts + ends) / (2 * len(ordered)) - 0.5, ends - starts)
    return ranks


def tail_scores(residuals: Floats) -> Floats:
    """What each of `residuals` exceeds the 95th percentile by, held to the 99th, centred."""
    size = len(residuals)
    finite = max(int(np.count_nonzero(np.isfinite(residuals))), 1)
    low = min(int(np.ceil(TAIL_FROM * size)), finite) - 1
    high = min(int(np.ceil(TAIL_TO * size)), finite) - 1
    ordered = np.partition(residuals, [low, high])
    if not np.isfinite(ordered[low]):
        return np.zeros(size)
    excess = np.clip(residuals, ordered[low], ordered[high]) - ordered[low]
    return np.asarray(excess - excess.mean())


def pair_terms(aligned: Aligned, scores: Scores, shift: float = 0.0) -> Floats:
    """Each pair of sessions' part in the statistic once the candidate is moved back by `shift`.

    Their sum is above 0 where the candidate is worse by more than `shift`; exchanging the
    sessions of a pair turns the sign of its term and changes no other.
    """
    scored = scores(np.concatenate([aligned.baseline, aligned.candidate - shift]))
    split = len(aligned.baseline)
    return np.asarray(
        np.bincount(aligned.candidate_pair, scored[split:], aligned.pairs)
        - np.bincount(aligned.baseline_pair, scored[:split], aligned.pairs)
    )


def estimate_shift(aligned: Aligned, scores: Scores) -> float:
    """The shift that balances the scores; both runs must have a finite residual.

    Infinite where so many are censored that no finite shift does; 0 where all do, since nothing
    but censored values scores.
    """
    middle, step = _scale(aligned)
    # Scores balance at a point or, where no residual lies, all along a gap: then at its centre.
    low, high = (
        _boundary(lambda shift: _total(pair_terms(aligned, scores, shift)) > 0, middle, step),
        _boundary(lambda shift: _total(pair_terms(aligned, scores, shift)) >= 0, middle, step),
    )
    return (low + high) / 2 if low > -inf or high < inf else 0.0


def find_shift(aligned: Aligned, scores: Scores, confidence: float) -> Shift:
    """As `estimate_shift`, with the bounds at which a test at `confidence` stops objecting."""
    z = NormalDist().inv_cdf(confidence)
    # Residuals lie nearer to medians that they themselves made than to the true ones.
    turns = len(aligned.baseline) + len(aligned.candidate)
    limit = z * sqrt(turns / max(turns - aligned.fixtures, 1))
    estimate = estimate_shift(aligned, scores)
    middle, step = _scale(aligned)
    near = estimate if np.isfinite(estimate) else middle

    def deviation(shift: float) -> float:
        terms = pair_terms(aligned, scores, shift)
        size = float(np.sqrt(terms @ terms))
        return float(terms.sum()) / size if size > 0 else 0.0

    low = _boundary(lambda shift: deviation(shift) > limit, near, step)
    high = _boundary(lambda shift: deviation(shift) >= -limit, near, step)
    error = (high - low) / (2 * z)
    if not np.isfinite(error) and np.isfinite(estimate):
        # Too few turns for a bound; how steep the statistic is there still says how many more.
        terms = pair_terms(aligned, scores, estimate)
        fall = pair_terms(aligned, scores, estimate - step) - pair_terms(
            aligned, scores, estimate + step
        )
        slope = float(fall.sum()) / (2 * step)
        error = float(np.sqrt(terms @ terms)) / slope if slope > 0 else inf
    return Shift(estimate, low, high, error if np.isfinite(estimate) else inf)


def _total(terms: Floats) -> float:
    """Their sum; what is 0 but for rounding is 0, or a balance would be found to one side."""
    total = float(terms.sum())
    return total if abs(total) > 1e-9 * float(np.abs(terms).sum()) else 0.0


def _scale(aligned: Aligned) -> tuple[float, float]:
    """Where to begin to look for a shift, and about its standard error."""
    first, second = (side[np.isfinite(side)] for side in (aligned.baseline, aligned.candidate))
    middle = float(np.median(second) - np.median(first))
    lower, upper = np.percentile(np.concatenate([first, second - middle]), [25, 75])
    return middle, max(float(upper - lower), 1e-9) / len(first) ** 0.5


def _boundary(holds: Callable[[float], bool], near: float, step: float) -> float:
    """Where `holds`, true of small shifts and false of large ones, ends; infinite if nowhere."""
    sign = 1.0 if holds(near) else -1.0
    inner, width = near, step
    for _ in range(_DOUBLINGS):
        outer = inner + sign * width
        if holds(outer) != (sign > 0):
            break
        inner, width = outer, 2 * width
    else:
        return sign * inf
    while abs(outer - inner) > step * _PRECISION:
        centre = (inner + outer) / 2
        if holds(centre) == (sign > 0):
            inner = centre
        else:
            outer = centre
    return (inner + outer) / 2

"""Turns hits per session (turns cut off, turns failed) into a rate, or its change, and bounds.

Bootstrapping sessions says of a rate never seen that it is 0 ± 0; these bounds know better. A
single rate has Wilson's interval, a difference that of Agresti & Caffo, "Simple and effective
confidence intervals for proportions", The American Statistician 54 (2000): one hit and one miss
are added to either side. Hits come in clusters (a session that broke fails turn after turn), so
turns count as fewer: their number over the design effect (Rao & Scott, "A simple method for the
analysis of clustered binary data", Biometrics 48 (1992)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from bench.analysis.sample import Floats, Sample
from bench.analysis.shift import Shift


@dataclass(frozen=True, slots=True)
class Rate:
    """Hits among turns, with a two-sided interval; all None without turns."""

    value: float | None
    low: float | None
    high: float | None
    hits: int
    n: int


@dataclass(frozen=True, slots=True)
class _Side:
    hits: float
    turns: float
    design: float

    def variance(self, turns: float) -> float:
        """Of the rate, were `turns` turns seen instead."""
        share = (self.hits / self.turns * turns + 1) / (turns + 2)
        return self.design * share * (1 - share) / (turns + 2)

    def centre(self) -> float:
        return (self.hits + 1) / (self.turns + 2)


def rate_interval(hits: Sample, confidence: float = 0.95) -> Rate:
    """The share of turns that are hits; `values` are 1, 0, or nan where unknown."""
    known = hits.known()
    if not len(known.values):
        return Rate(None, None, None, 0, 0)
    side = _side(known)
    share, turns = side.hits / side.turns, side.turns / side.design
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * turns)) / (1 + z * z / turns)
    half = z / (1 + z * z / turns) * sqrt(share * (1 - share) / turns + (z / (2 * turns)) ** 2)
    low = min(max(centre - half, 0.0), share)
    return Rate(share, low, max(min(centre + half, 1.0), share), int(side.hits), int(side.turns))


def rate_terms(baseline: Sample, candidate: Sample) -> Floats:
    """Each pair of sessions' part in the difference of rates: see `shift.pair_terms`."""
    first, second = baseline.known(), candidate.known()
    ids, pair = np.unique(np.concatenate([first.sessions, second.sessions]), return_inverse=True)
    hits = np.concatenate([first.values, second.values])
    signs = np.repeat([-1.0, 1.0], [len(first.values), len(second.values)])
    return np.asarray(np.bincount(pair, signs * (hits - hits.mean()), len(ids)))


def rate_change(baseline: Sample, candidate: Sample, confidence: float) -> Shift:
    """By how much the candidate's rate is higher; both must have turns."""
    first, second = _side(baseline.known()), _side(candidate.known())
    error = sqrt(first.variance(first.turns) + second.variance(second.turns))
    half = NormalDist().inv_cdf(confidence) * error
    centre = second.centre() - first.centre()
    change = second.hits / second.turns - first.hits / first.turns
    return Shift(change, min(centre - half, change), max(centre + half, change), error)


def rate_error_at(baseline: Sample, candidate: Sample) -> Callable[[float], float]:
    """The standard error of the change by the number of turns, were so many seen of each run."""
    first, second = _side(baseline.known()), _side(candidate.known())
    return lambda turns: sqrt(first.variance(turns) + second.variance(turns))


def _side(known: Sample) -> _Side:
    _, session = np.unique(known.sessions, return_inverse=True)
    turns = np.bincount(session).astype(np.float64)
    hits = np.bincount(session, known.values)
    share = hits.sum() / turns.sum()
    clusters = len(turns)
    design = 1.0
    if clusters > 1 and 0 < share < 1:
        apart = hits - share * turns
        clustered = clusters / (clusters - 1) * float(apart @ apart)
        design = max(clustered / (turns.sum() * share * (1 - share)), 1.0)
    return _Side(float(hits.sum()), float(turns.sum()), design)

"""Turns a run's values into intervals for percentiles and means, by drawing its sessions again.

Sessions are drawn with replacement, whole, since turns of one session are alike for reasons of
their own; drawn turn by turn, intervals come out too narrow (Davison & Hinkley, "Bootstrap
Methods and their Application" (1997), section 3.8). The interval is that of the drawn runs'
own figures (percentile method). Of fewer than about 20 sessions it is too narrow all the same,
and the number of sessions stands beside it. For rates see `rates.rate_interval`.

Very many sessions are dealt at random into GROUPS first, and groups are drawn: what GROUPS tell
of an error is off by 1 / sqrt(2 GROUPS), 4 %, which is less than one would see, and the cost of
a drawn run no longer grows with the sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.sample import Codes, Floats, Sample
from bench.analysis.statistics import nearest_rank

REPLICATES = 2_000

GROUPS = 400
"""Sessions, or groups of them, that are drawn at most."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval of `n` values of `sessions` sessions, in the metric's unit.

    Read an end as "more than" when it is censored: so many of the values never came. None where
    fewer than two sessions have values. An end that is censored is the largest value seen.
    """

    low: float | None
    high: float | None
    low_censored: bool
    high_censored: bool
    n: int
    sessions: int


def percentile_intervals(
    sample: Sample,
    percents: Sequence[int],
    *,
    confidence: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[int, Interval]:
    """Of nearest-rank percentiles, censored values ranking above all others."""
    known = sample.known()
    drawn = _Draws.of(known, replicates, seed)
    if drawn is None:
        return {percent: _interval(known, None) for percent in percents}
    order = np.argsort(known.values, kind="stable")
    values, group = known.values[order], drawn.group[order]
    sizes = drawn.total(np.bincount(group, minlength=drawn.groups)).astype(np.int64)
    ranks = np.array([nearest_rank(percent, sizes) for percent in percents for _ in range(2)])
    places = _places(group, drawn, ranks, _tails(confidence, replicates))
    ends = values[places].reshape(-1, 2).tolist()
    return {
        percent: _interval(known, (low, high))
        for percent, (low, high) in zip(percents, ends, strict=True)
    }


def mean_interval(
    sample: Sample, *, confidence: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """Of the mean of the values seen; what never came has no value to average."""
    known = sample.known()
    known = known.take(~known.censored)
    drawn = _Draws.of(known, replicates, seed)
    if drawn is None:
        return _interval(known, None)
    sums, sizes = (
        drawn.total(np.bincount(drawn.group, weights, drawn.groups))
        for weights in (known.values, None)
    )
    means = np.sort(sums / sizes)
    low, high = (float(means[tail - 1]) for tail in _tails(confidence, replicates))
    return _interval(known, (low, high))


@dataclass(frozen=True, slots=True, eq=False)
class _Draws:
    """Of which group each value is, and how often each drawn run has each group."""

    group: Codes
    groups: int
    weights: Floats

    @classmethod
    def of(cls, known: Sample, replicates: int, seed: int) -> _Draws | None:
        """None of fewer than two sessions: they show nothing of how sessions differ."""
        ids, group = np.unique(known.sessions, return_inverse=True)
        groups = min(len(ids), GROUPS)
        if groups < 2:
            return None
        if groups < len(ids):
            group = np.random.default_rng(seed).permutation(len(ids))[group] % groups
        return cls(group, groups, _weights(groups, replicates, seed))

    def total(self, by_group: NDArray[Any]) -> Floats:
        """Of each drawn run the sum of what its groups have; one row per drawn run."""
        return np.asarray(self.weights @ by_group)


@lru_cache(maxsize=4)
def _weights(groups: int, replicates: int, seed: int) -> Floats:
    """How often each group is in each drawn run: the same for every metric of a run."""
    even = np.full(groups, 1 / groups)
    return np.random.default_rng(seed).multinomial(groups, even, replicates).astype(np.float64)


def _tails(confidence: float, replicates: int) -> tuple[int, int]:
    """Which of the drawn runs' figures in order, counted from 1, are the ends."""
    tail = (1 - confidence) / 2
    low, high = (ceil(share * replicates - 1e-9) for share in (tail, 1 - tail))
    return max(low, 1), min(high, replicates)


def _places(
    group: Codes, drawn: _Draws, ranks: NDArray[np.int64], tails: tuple[int, int]
) -> NDArray[np.intp]:
    """Where among the values in order lie the ends, two for each percentile.

    `ranks` has a row for each end: the rank of the percentile in each drawn run. A drawn run's
    percentile is at most a value when enough of its values are: so one need not know it to count
    how many drawn runs' are, and each end is found by halving.
    """
    wanted = np.tile(tails, len(ranks) // 2)
    low = np.zeros(len(ranks), np.intp)
    high = np.full(len(ranks), len(group) - 1, np.intp)
    while (low < high).any():
        middle = (low + high) // 2
        seen = [np.bincount(group[: end + 1], minlength=drawn.groups) for end in middle]
        counts = drawn.total(np.array(seen).T).T
        reached = counts >= ranks
        enough = np.count_nonzero(reached, axis=1) >= wanted
        high = np.where(enough, middle, high)
        low = np.where(enough, low, np.minimum(middle + 1, high))
    return low


def _interval(known: Sample, ends: tuple[float, float] | None) -> Interval:
    size, sessions = len(known.values), len(np.unique(known.sessions))
    if ends is None:
        return Interval(None, None, False, False, size, sessions)
    seen = known.values[np.isfinite(known.values)]
    longest = float(seen.max()) if len(seen) else None
    low, high = (end if np.isfinite(end) else longest for end in ends)
    return Interval(low, high, not np.isfinite(ends[0]), not np.isfinite(ends[1]), size, sessions)

"""Turns a run's values into intervals for percentiles and means, by drawing its sessions again.

Sessions are drawn with replacement, whole, since turns of one session are alike for reasons of
their own; drawn turn by turn, intervals come out too narrow (Davison & Hinkley, "Bootstrap
Methods and their Application" (1997), section 3.8). The interval is that of the drawn runs'
own figures (percentile method). Of fewer than about 20 sessions it is too narrow all the same,
and the number of sessions stands beside it. For rates see `rates.rate_interval`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.sample import Floats, Sample

REPLICATES = 2_000

_CELLS = 4_000_000
"""Weights held at once: 32 MB, whatever the size of a run."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A two-sided interval of `n` values of `sessions` sessions, in the metric's unit.

    Read an end as "more than" when it is censored: so many of the values never came. None where
    fewer than two sessions have values.
    """

    low: float | None
    high: float | None
    low_censored: bool
    high_censored: bool
    n: int
    sessions: int


def percentile_interval(
    sample: Sample,
    percent: int,
    *,
    confidence: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """Of the nearest-rank percentile, censored values ranking above all others."""

    def find(values: Floats, weights: NDArray[np.int64]) -> Floats:
        passed = np.cumsum(weights, axis=1)
        # Integers: a rank computed in floats is one too many where it should be whole.
        ranks = np.maximum(-(-percent * passed[:, -1:] // 100), 1)
        return np.asarray(values[np.count_nonzero(passed < ranks, axis=1)])

    return _interval(sample.known(), find, confidence, replicates, seed)


def mean_interval(
    sample: Sample, *, confidence: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """Of the mean of the values seen; what never came has no value to average."""
    known = sample.known()

    def find(values: Floats, weights: NDArray[np.int64]) -> Floats:
        return np.asarray(weights @ values / weights.sum(axis=1))

    return _interval(known.take(~known.censored), find, confidence, replicates, seed)


def _interval(
    known: Sample,
    find: Callable[[Floats, NDArray[np.int64]], Floats],
    confidence: float,
    replicates: int,
    seed: int,
) -> Interval:
    ids, session = np.unique(known.sessions, return_inverse=True)
    size, sessions = len(session), len(ids)
    if sessions < 2:
        return Interval(
            None, None, low_censored=False, high_censored=False, n=size, sessions=sessions
        )
    order = np.argsort(known.values, kind="stable")
    values, session = known.values[order], session[order]
    rng = np.random.default_rng(seed)
    chunk = max(_CELLS // size, 1)
    found: list[Floats] = []
    for begin in range(0, replicates, chunk):
        drawn = rng.multinomial(
            sessions, np.full(sessions, 1 / sessions), min(chunk, replicates - begin)
        )
        found.append(find(values, drawn[:, session]))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail], method="inverted_cdf")
    seen = values[np.isfinite(values)]
    longest = float(seen[-1]) if len(seen) else None
    return Interval(
        float(low) if np.isfinite(low) else longest,
        float(high) if np.isfinite(high) else longest,
        not np.isfinite(low),
        not np.isfinite(high),
        size,
        sessions,
    )

"""Turns a run's values into intervals for percentiles and means, by drawing its sessions again.

Sessions are drawn with replacement, whole, since turns of one session are alike for reasons of
their own; drawn turn by turn, intervals come out too narrow (Davison & Hinkley, "Bootstrap
Methods and their Application" (1997), section 3.8). The interval is that of the drawn runs'
own figures (percentile method). Of fewer than about 20 sessions it is too narrow all the same,
and the number of sessions stands beside it. For rates see `rates.rate_interval`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.sample import Floats, Sample

Counts = NDArray[np.int32]

REPLICATES = 2_000

_CELLS = 4_000_000
"""Weights held at once: 16 MB, whatever the size of a run."""


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
    found: dict[int, list[Floats]] = {percent: [] for percent in percents}
    for values, weights in _draws(known, replicates, seed):
        passed = np.cumsum(weights, axis=1, dtype=np.int32)
        for percent in percents:
            # Integers: a rank computed in floats is one too many where it should be whole.
            ranks = np.maximum(-(-percent * passed[:, -1].astype(np.int64) // 100), 1)
            found[percent].append(values[np.count_nonzero(passed < ranks[:, None], axis=1)])
    return {percent: _interval(known, found[percent], confidence) for percent in percents}


def mean_interval(
    sample: Sample, *, confidence: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> Interval:
    """Of the mean of the values seen; what never came has no value to average."""
    known = sample.known()
    known = known.take(~known.censored)
    found = [
        weights @ values / weights.sum(axis=1)
        for values, weights in _draws(known, replicates, seed)
    ]
    return _interval(known, found, confidence)


def _draws(known: Sample, replicates: int, seed: int) -> Iterator[tuple[Floats, Counts]]:
    """The values in order and, a few runs at a time, how often each is in a drawn run."""
    ids, session = np.unique(known.sessions, return_inverse=True)
    if len(ids) < 2:
        return
    order = np.argsort(known.values, kind="stable")
    values, session = known.values[order], session[order]
    rng = np.random.default_rng(seed)
    chunk = max(_CELLS // len(values), 1)
    for begin in range(0, replicates, chunk):
        drawn = rng.multinomial(
            len(ids), np.full(len(ids), 1 / len(ids)), min(chunk, replicates - begin)
        )
        yield values, drawn.astype(np.int32)[:, session]


def _interval(known: Sample, found: list[Floats], confidence: float) -> Interval:
    size, sessions = len(known.values), len(np.unique(known.sessions))
    if not found:
        return Interval(None, None, False, False, size, sessions)
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail], method="inverted_cdf")
    seen = known.values[np.isfinite(known.values)]
    longest = float(seen.max()) if len(seen) else None
    return Interval(
        float(low) if np.isfinite(low) else longest,
        float(high) if np.isfinite(high) else longest,
        not np.isfinite(low),
        not np.isfinite(high),
        size,
        sessions,
    )

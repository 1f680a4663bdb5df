"""Turns limits and a run's samples into which of them hold, which are broken, which nobody knows.

A limit is broken when the figure itself is beyond it. It holds when even the far end of the
figure's 95 % interval keeps it: a p95 of 880 ms that might as well be 930 does not promise 900.
Between the two lies INCONCLUSIVE, with the number of turns that would tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from bench.analysis.bootstrap import Interval, mean_interval, percentile_intervals
from bench.analysis.finding import INCONCLUSIVE, PASS
from bench.analysis.limits import Limit
from bench.analysis.power import MOST_TURNS
from bench.analysis.rates import rate_interval
from bench.analysis.sample import Sample
from bench.analysis.statistics import distribution

BROKEN = "LIMIT BROKEN"

BEYOND = 10
"""Values wanted beyond a percentile before an interval of it is believed: 200 for a p95."""


@dataclass(frozen=True, slots=True)
class LimitFinding:
    """One limit and what it was held against.

    `value` and its 95 % interval are in the measure's unit, for a rate shares. Read `value` as
    "more than" when `censored`; `far` is the end of the interval that decides, None when it has
    none or lies beyond every value seen.
    """

    limit: Limit
    verdict: str
    reason: str
    n: int
    value: float | None = None
    censored: bool = False
    low: float | None = None
    high: float | None = None
    turns_needed: int | None = None

    @property
    def far(self) -> float | None:
        """The end of the interval on the side of the limit."""
        return self.high if self.limit.is_upper else self.low


def hold(limit: Limit, sample: Sample, seed: int = 0) -> LimitFinding:
    """Whether `limit` holds for the values of its measure; the same input, the same finding."""
    if limit.measure.is_rate:
        rate = rate_interval(sample)
        blank = LimitFinding(
            limit, INCONCLUSIVE, "", rate.n, rate.value, False, rate.low, rate.high
        )
        return _weigh(blank, 0)
    known = sample.known()
    seen = known.values[np.isfinite(known.values)]
    percent = limit.percent
    if percent is None:
        interval = mean_interval(sample, seed=seed)
        value = float(seen.mean()) if len(seen) else None
        least = 2
    else:
        interval = percentile_intervals(sample, [percent], seed=seed)[percent]
        value = sample.percentile(percent)
        least = ceil(100 * BEYOND / min(percent, 100 - percent))
    found = LimitFinding(
        limit,
        INCONCLUSIVE,
        "",
        len(known.values),
        value=None if value is None or not np.isfinite(value) else value,
        censored=value is not None and not np.isfinite(value),
        low=_end(interval, high=False),
        high=_end(interval, high=True),
    )
    if found.censored:
        bound = distribution(seen).max
        found = replace(found, value=bound, high=None)
        if limit.is_upper:
            reason = "so many never came that the figure is more than any value seen"
            return replace(found, verdict=BROKEN, reason=reason)
    return _weigh(found, least)


def _weigh(found: LimitFinding, least: int) -> LimitFinding:
    limit, value, far = found.limit, found.value, found.far
    if value is None:
        return replace(found, reason="the run has no values")
    if not limit.keeps(value):
        return replace(found, verdict=BROKEN, reason="the figure itself is beyond the limit")
    if found.n < least:
        reason = f"{found.n} values; a {limit.statistic} is believed of {least}"
        return replace(found, reason=reason, turns_needed=least)
    if far is None:
        return replace(found, reason="its interval has no end on the limit's side")
    if limit.keeps(far):
        return replace(found, verdict=PASS, reason="even the far end of the interval keeps it")
    gap = abs(limit.bound - value)
    needed = ceil(found.n * (abs(far - value) / gap) ** 2 * 1.1) if gap else None
    return replace(
        found,
        reason="the figure keeps it, the far end of its interval does not",
        turns_needed=needed if needed is not None and needed <= MOST_TURNS else None,
    )


def _end(interval: Interval, *, high: bool) -> float | None:
    if high:
        return None if interval.high_censored else interval.high
    return None if interval.low_censored else interval.low

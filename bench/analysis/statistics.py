"""Turns raw values into exact percentiles that know what was missing and what was cut short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

ENOUGH = {50: 1, 95: 200, 99: 1000}
"""Values a percentile needs before it says something about more than this run's few worst."""

_Count = TypeVar("_Count", int, NDArray[np.int64])


@dataclass(frozen=True, slots=True)
class Percentile:
    """One exact percentile; read `value` as "more than" when `censored`."""

    value: float | None
    censored: bool
    enough: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """What is known of a measure, in its own unit.

    `n` values were seen, `censored` are only known to be more than a bound, `missing` are not
    known at all; the three add up to everything that was asked. `min`, `mean` and `max` are of
    the values seen. Definition: bench/README.md, summary.json.
    """

    n: int
    missing: int
    censored: int
    min: float | None
    mean: float | None
    max: float | None
    p50: Percentile
    p95: Percentile
    p99: Percentile

    def to_json(self) -> dict[str, Any]:
        """JSON-ready, missing null."""
        return asdict(self)


def distribution(
    values: ArrayLike, censored_bounds: Iterable[float] = (), missing: int = 0
) -> Distribution:
    """Exact nearest-rank percentiles of `values`, censored ones placed last.

    Censored ones rank by their bounds among themselves. Placing them last takes them for
    larger than every value, so none is shown as less than the largest value.
    """
    seen: NDArray[np.float64] = np.sort(np.asarray(values, dtype=np.float64))
    bounds = np.sort(np.asarray(list(censored_bounds), dtype=np.float64))
    if len(seen) and len(bounds):
        bounds = np.maximum(bounds, seen[-1])
    return Distribution(
        n=len(seen),
        missing=missing,
        censored=len(bounds),
        min=float(seen[0]) if len(seen) else None,
        mean=float(seen.mean()) if len(seen) else None,
        max=float(seen[-1]) if len(seen) else None,
        p50=_percentile(50, seen, bounds),
        p95=_percentile(95, seen, bounds),
        p99=_percentile(99, seen, bounds),
    )


def nearest_rank(part: int, count: _Count, whole: int = 100) -> _Count:
    """The place of a percentile among `count` values in ascending order, from 1; 0 of none.

    The 95th is 95 of 100, the 99.9th 999 of 1,000: as a fraction it would round wrong.
    """
    # Integers: 0.95 * 20 is 19.000000000000004 as floats, one rank too many when rounded up.
    return -(-part * count // whole)


def _percentile(
    percent: int, seen: NDArray[np.float64], bounds: NDArray[np.float64]
) -> Percentile:
    total = len(seen) + len(bounds)
    if total == 0:
        return Percentile(None, censored=False, enough=False)
    enough = total >= ENOUGH[percent]
    rank = nearest_rank(percent, total)
    if rank <= len(seen):
        return Percentile(float(seen[rank - 1]), censored=False, enough=enough)
    return Percentile(float(bounds[rank - len(seen) - 1]), censored=True, enough=enough)


def ecdf(values: ArrayLike, censored: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps of the empirical distribution: each distinct value, and the share up to it.

    Shares are of values and censored ones together, so the curve ends below 1 when some never
    came.
    """
    seen: NDArray[np.float64] = np.sort(np.asarray(values, dtype=np.float64))
    if not len(seen):
        return seen, np.empty(0)
    last = np.append(seen[1:] != seen[:-1], True)
    return seen[last], (np.flatnonzero(last) + 1.0) / (len(seen) + censored)

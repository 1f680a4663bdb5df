"""Turns a run's values and their instants into whether the latency was still drifting.

A run that was warming up, or filling a queue, has no percentiles: it has a trend. Turns in order
of time are cut into blocks of equal numbers, and the blocks' medians (of residuals by fixture)
tested for a trend (Mann, "Nonparametric tests against trend", Econometrica 13 (1945); Kendall's
tau), with its size by the median of all slopes (Theil 1950; Sen, "Estimates of the regression
coefficient based on Kendall's tau", Journal of the American Statistical Association 63 (1968)).
Medians of blocks, not turns: turns of a session are alike, which would pass for a trend.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bench.analysis.evidence import Margin
from bench.analysis.sample import RATIO, Floats, Sample, fixture_medians, residual_scale

STEADY = "steady"
DRIFTING = "drifting"
UNKNOWN = "unknown"

FLOOR = Margin(0.05, 25.0)
"""A change over the whole run below which it is steady, however significant."""

MOST_BLOCKS = 20
LEAST_BLOCKS = 8
LEAST_TURNS = 10
"""In a block."""

_ALPHA = 0.01


@dataclass(frozen=True, slots=True)
class Drift:
    """What a metric did from the first block of a run to its last.

    `change` and its 95 % interval are a share (0.1: 10 % more) on the `scale` `ratio`, else in
    the metric's unit. `drifting` is a trend that chance would hardly make and that is no smaller
    than the floor; `steady`, that the interval leaves none so large; `unknown`, neither or too
    few turns. `steady_from_s` is from when on a drifting run was steady, None if not even its
    second half surely was.
    """

    verdict: str
    scale: str
    blocks: int
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    steady_from_s: float | None = None


def find_drift(
    sample: Sample, at_s: ArrayLike, *, unit: str = "ms", floor: Margin = FLOOR
) -> Drift:
    """Whether the values of one run, each at its instant `at_s`, were still drifting.

    Raises ValueError when `at_s` has another length than the sample.
    """
    instants = np.asarray(at_s, dtype=np.float64)
    if len(instants) != len(sample.values):
        raise ValueError("instants and values differ in length")
    known, keep = sample.known(), sample.censored | ~np.isnan(sample.values)
    instants = instants[keep]
    scale = residual_scale(known.values)
    blocks = min(MOST_BLOCKS, len(instants) // LEAST_TURNS)
    if blocks < LEAST_BLOCKS or not np.isfinite(known.values).any():
        return Drift(UNKNOWN, scale, blocks)
    residuals = np.log(known.values) if scale == RATIO else known.values
    _, fixtures = np.unique(known.fixtures, return_inverse=True)
    residuals = residuals - fixture_medians(residuals, fixtures)[fixtures]
    order = np.argsort(instants, kind="stable")
    parts = np.array_split(order, blocks)
    medians = np.array([np.quantile(residuals[part], 0.5, method="lower") for part in parts])
    middles = np.array([np.median(instants[part]) for part in parts])
    median = float(np.median(known.values[np.isfinite(known.values)]))
    limit = floor.on(scale, median, unit)
    trend = _trend(medians, middles)
    verdict = _verdict(trend, limit)
    rest = None
    if verdict == DRIFTING:
        rest = next(
            (
                float(instants[parts[first]].min())
                for first in range(1, blocks // 2 + 1)
                if _verdict(_trend(medians[first:], middles[first:]), limit) == STEADY
            ),
            None,
        )
    return Drift(
        verdict,
        scale,
        blocks,
        change=float(np.expm1(trend.change)) if scale == RATIO else trend.change,
        low=float(np.expm1(trend.low)) if scale == RATIO else trend.low,
        high=float(np.expm1(trend.high)) if scale == RATIO else trend.high,
        p_value=trend.p_value,
        steady_from_s=rest,
    )


class _Trend(NamedTuple):
    """Over all blocks, on the scale of the residuals."""

    change: float
    low: float
    high: float
    p_value: float


def _verdict(trend: _Trend, limit: float) -> str:
    if trend.p_value < _ALPHA and abs(trend.change) >= limit:
        return DRIFTING
    return STEADY if -limit < trend.low and trend.high < limit else UNKNOWN


def _trend(medians: Floats, middles: Floats) -> _Trend:
    first, second = np.triu_indices(len(medians), 1)
    with np.errstate(invalid="ignore"):
        rises = medians[second] - medians[first]
    rises = np.nan_to_num(rises, nan=0.0)  # two blocks of which neither median came
    gaps = np.maximum(middles[second] - middles[first], 1e-9)
    slopes = np.sort(rises / gaps)
    score = float(np.sign(rises).sum())
    size = len(medians)
    _, ties = np.unique(medians, return_counts=True)
    variance = (
        size * (size - 1) * (2 * size + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())
    ) / 18
    if variance <= 0:
        return _Trend(0.0, 0.0, 0.0, 1.0)
    deviation = max(abs(score) - 1, 0) / sqrt(variance)  # continuity, as the score moves by twos
    span = float(middles[-1] - middles[0])
    half = NormalDist().inv_cdf(0.975) * sqrt(variance)
    places = (len(slopes) + np.array([-half, half])) / 2
    low, high = np.clip(np.rint(places).astype(int), 0, len(slopes) - 1)
    return _Trend(
        float(np.median(slopes)) * span,
        float(slopes[low]) * span,
        float(slopes[high]) * span,
        2 * NormalDist().cdf(-deviation),
    )

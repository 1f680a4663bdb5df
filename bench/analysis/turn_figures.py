"""Turns turns into the values of every metric, each measured once, and into their spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.analysis.metrics import METRICS, TURN_METRICS
from bench.analysis.rates import Rate, rate_interval
from bench.analysis.sample import Sample
from bench.analysis.statistics import Distribution, distribution
from bench.analysis.turn import Turn

Floats = NDArray[np.float64]
Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class TurnFigures:
    """One element per turn of each array, in the order in which the turns were given.

    `values` has nan where a metric has none; rates are 1 or 0. `bounds` has the lower bound of
    a value that did not come while it was waited for, for metrics that can have one.
    """

    values: dict[str, Floats]
    bounds: dict[str, Floats]
    sessions: NDArray[np.intp]
    """Which turns are of one session: numbers in the order of the sessions' ids."""

    @classmethod
    def of(cls, turns: Sequence[Turn]) -> TurnFigures:
        """Measure all of `turns`."""
        values: dict[str, Floats] = {}
        bounds: dict[str, Floats] = {}
        for metric in TURN_METRICS:
            measured = np.array([metric.measure(turn) for turn in turns], dtype=np.float64)
            values[metric.name] = measured
            if metric.bound is not None:
                lower = np.full(len(turns), np.nan)
                for index in np.flatnonzero(np.isnan(measured)).tolist():
                    bound = metric.bound(turns[index])
                    lower[index] = np.nan if bound is None else bound
                bounds[metric.name] = lower
        ids = np.array([turn.session_id for turn in turns], dtype=str)
        _, sessions = np.unique(ids, return_inverse=True)
        return cls(values, bounds, sessions)

    def spread(self, name: str, rows: Rows) -> Distribution:
        """The distribution of one metric over some turns.

        What was waited for in vain is censored, what is not known at all missing.
        """
        values = self.values[name][rows]
        known = values[~np.isnan(values)]
        bounds = np.empty(0)
        if name in self.bounds:
            bounds = self.bounds[name][rows]
            bounds = bounds[~np.isnan(bounds)]
        return distribution(known, bounds.tolist(), len(values) - len(known) - len(bounds))

    def spreads(self, rows: Rows) -> dict[str, Distribution]:
        """Those of all turn metrics that are no rates."""
        return {m.name: self.spread(m.name, rows) for m in TURN_METRICS if not m.is_rate}

    def rate(self, name: str, rows: Rows) -> Rate:
        """Hits among those of some turns that a rate applies to, with a 95 % interval."""
        return rate_interval(Sample.of(self.values[name][rows], self.sessions[rows]))

    def rates(self, rows: Rows) -> dict[str, Rate]:
        """Those of all metrics that are rates."""
        return {m.name: self.rate(m.name, rows) for m in METRICS.values() if m.is_rate}

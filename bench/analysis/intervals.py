"""Turns the values of a run's metrics into the 95 % intervals of their percentiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.bootstrap import Interval, percentile_intervals
from bench.analysis.metrics import METRICS
from bench.analysis.sample import Sample
from bench.analysis.turn_figures import Rows, TurnFigures
from bench.analysis.turns import SessionRecord

PERCENTS = (50, 95, 99)
"""The percentiles that summary.json has."""


def metric_intervals(
    figures: TurnFigures, rows: Rows, sessions: Sequence[SessionRecord]
) -> dict[str, dict[str, Interval]]:
    """By metric and by `p50`, `p95`, `p99`: of turns over `rows`, else of all `sessions`.

    Rates have intervals of their own, and metrics of a whole run no sessions to draw.
    """
    ids = np.array([each.session_id for each in sessions], dtype=str)
    found = {}
    for metric in METRICS.values():
        if metric.is_rate or metric.scope == "run":
            continue
        if metric.scope == "turn":
            sample = _of_turns(figures, metric.name, rows)
        else:
            values = np.array([metric.measure(each) for each in sessions], dtype=np.float64)
            sample = Sample.of(values, ids)
        by_percent = percentile_intervals(sample, PERCENTS)
        found[metric.name] = {f"p{percent}": by_percent[percent] for percent in PERCENTS}
    return found


def _of_turns(figures: TurnFigures, name: str, rows: Rows) -> Sample:
    """One metric over some turns; what was waited for in vain is censored."""
    bounds = figures.bounds.get(name)
    censored = None if bounds is None else ~np.isnan(bounds[rows])
    return Sample.of(figures.values[name][rows], figures.sessions[rows], censored=censored)

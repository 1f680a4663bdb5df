"""Joins every metric into one table, which everything that shows or judges figures follows."""

from __future__ import annotations

from bench.analysis.latencies import LATENCIES, OPENINGS
from bench.analysis.metric import Metric
from bench.analysis.mishaps import MISHAPS
from bench.analysis.qualities import COSTS, INSTRUMENT, QUALITIES

__all__ = ["METRICS", "TURN_METRICS", "Metric"]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (*LATENCIES, *QUALITIES, *MISHAPS, *COSTS, *OPENINGS, *INSTRUMENT)
}
"""Every metric, in the order in which tables show them: what callers feel first."""

TURN_METRICS: tuple[Metric, ...] = tuple(m for m in METRICS.values() if m.scope == "turn")

"""Intervals of summary.json against those of the values themselves."""

from __future__ import annotations

import numpy as np

from bench.analysis.bootstrap import percentile_intervals
from bench.analysis.intervals import PERCENTS, metric_intervals
from bench.analysis.metrics import METRICS
from bench.analysis.sample import Sample
from bench.analysis.turn_figures import TurnFigures


def figures(turns: int = 90) -> TurnFigures:
    rng = np.random.default_rng(3)
    ttfa = rng.normal(800, 50, turns)
    bounds = np.full(turns, np.nan)
    ttfa[::30], bounds[::30] = np.nan, 10_000.0
    values = {m.name: np.full(turns, np.nan) for m in METRICS.values() if m.scope == "turn"}
    empty = {name: np.full(turns, np.nan) for name in values if METRICS[name].bound}
    return TurnFigures(
        values | {"ttfa_ms": ttfa}, empty | {"ttfa_ms": bounds}, np.arange(turns) // 6
    )


def test_a_metric_of_turns_has_the_interval_of_its_values_with_what_never_came_last() -> None:
    all_turns = figures()
    rows = np.arange(90) >= 6
    found = metric_intervals(all_turns, rows, [])
    ttfa, bounds = (each["ttfa_ms"][rows] for each in (all_turns.values, all_turns.bounds))
    sample = Sample.of(ttfa, all_turns.sessions[rows], censored=~np.isnan(bounds))
    expected = percentile_intervals(sample, PERCENTS)
    assert found["ttfa_ms"] == {f"p{percent}": expected[percent] for percent in PERCENTS}
    assert (found["ttfa_ms"]["p50"].n, found["ttfa_ms"]["p50"].sessions) == (84, 14)
    assert found["ttfa_ms"]["p99"].high_censored


def test_every_metric_of_turns_and_sessions_has_one_and_no_rate() -> None:
    found = metric_intervals(figures(), np.ones(90, np.bool_), [])
    assert list(found) == [
        m.name for m in METRICS.values() if m.scope in {"turn", "session"} and not m.is_rate
    ]
    nothing = found["setup_ms"]["p50"]
    assert (nothing.low, nothing.high, nothing.n, nothing.sessions) == (None, None, 0, 0)

"""The figures that a gate and limits are about are those that the summary shows."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.measures import RATES, REFUSED, measure_named, rate_sample, turn_sample
from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.rates import rate_interval
from bench.analysis.record import read_record
from bench.analysis.summary import summarise
from bench.analysis.turn import COLD
from tests.analysis.pieces import in_pieces

RUN = {"run_id": "r1", "ended_at": "x", "workers": {"w0": {"ended": "closed"}}}


@pytest.fixture(scope="module")
def record(golden):
    """A session for each golden trace: every kind of turn, and of ending."""
    rows = [
        row._replace(session_id=f"w0-{number:05d}")
        for number, name in enumerate(sorted(golden))
        for row in golden[name]
    ]
    return read_record(RUN, in_pieces(rows, 1_000), [])


@pytest.mark.parametrize("name", [m.name for m in METRICS.values() if m.is_rate])
def test_a_rate_is_that_of_the_summary(record, name):
    shown = summarise(RUN, record, "1.0")["rates"][name]
    rate = rate_interval(rate_sample(record.turns_table(), name))
    assert (rate.hits, rate.n) == (shown["hits"], shown["n"])
    assert 0 < rate.n < len(record.turns)
    assert (rate.value, rate.low, rate.high) == (shown["value"], shown["low"], shown["high"])


def test_a_turn_is_cut_off_only_where_somebody_spoke_to_the_server(record):
    turns = record.turns_table()
    known = ~np.isnan(rate_sample(turns, "cut_off").values)
    assert set(turns["kind"][known]) == {"speech"}
    assert "silence" not in set(turns["expects"][known])
    assert set(turns["kind"]) > {"speech"}
    assert "silence" in set(turns["expects"])


def test_cold_turns_count_for_rates_and_not_for_latencies(record):
    turns = record.turns_table()
    assert (turns["turn_class"] == COLD).any()
    assert len(rate_sample(turns, "failed").values) > len(turn_sample(turns, "ttfa_ms").values)


@pytest.mark.parametrize("name", sorted(set(OUTCOMES) & set(RATES) - set(METRICS)))
def test_an_ending_is_a_share_of_the_turns_that_the_target_had_its_time_for(record, name):
    turns = record.turns_table()
    rate = rate_interval(rate_sample(turns, name))
    assert rate.n == rate_interval(rate_sample(turns, "failed")).n
    assert rate.hits == (turns["outcome"] == name).sum()


def test_every_rate_is_a_measure_and_none_has_a_unit():
    assert len(set(RATES)) == len(RATES)
    for name in RATES:
        measure = measure_named(name)
        assert (measure.name, measure.unit, measure.is_rate) == (name, "", True)
        assert measure.scope == ("session" if name == REFUSED else "turn")
    assert measure_named("failed").label == METRICS["failed"].label
    assert measure_named("tfa_ms") is None

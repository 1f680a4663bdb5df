"""Headline figures, and how a change of one is worded."""

from __future__ import annotations

from typing import Any

import pytest

from bench.report.headlines import RATE, Figure, Headline, change, figure

P95 = Headline("ttfa_ms", "p95")
CUT_OFF = Headline("cut_off", RATE)


def summary(**percentile: Any) -> dict[str, Any]:
    p95 = {"value": 900.0, "censored": False, "enough": True} | percentile
    ends = {"low": 850.0, "high": 990.0, "low_censored": False, "high_censored": True}
    return {
        "metrics": {"ttfa_ms": {"n": 400, "p95": p95}},
        "intervals": {"ttfa_ms": {"p95": ends}},
        "rates": {"cut_off": {"value": 0.02, "low": 0.01, "high": 0.04, "hits": 8, "n": 400}},
    }


def test_a_percentile_is_the_summarys_with_its_interval() -> None:
    found = figure(summary(), P95)
    assert found == Figure(900.0, 400, 850.0, 990.0, high_censored=True)
    assert found.words(plain=True) == "900"
    assert found.interval_words(plain=True) == "850 to > 990"


def test_a_rate_is_in_percent() -> None:
    found = figure(summary(), CUT_OFF)
    assert (found.value, found.n, found.low, found.high) == (2.0, 400, 1.0, 4.0)
    assert (CUT_OFF.label, CUT_OFF.unit) == ("Turns cut off", "%")


def test_a_censored_percentile_reads_more_than() -> None:
    assert figure(summary(censored=True), P95).words(plain=True) == "> 900"


def test_too_few_values_have_no_interval_to_lean_on() -> None:
    assert figure(summary(enough=False), P95).interval_words() == ""


@pytest.mark.parametrize(
    "nothing",
    [
        {},
        {"metrics": {"ttfa_ms": {"n": 0, "p95": {"value": None}}}, "rates": {}},
        {"metrics": {}, "rates": {"cut_off": {"value": None, "low": None, "high": None, "n": 0}}},
    ],
)
def test_what_a_run_does_not_have_is_none(nothing: dict[str, Any]) -> None:
    for headline in (P95, CUT_OFF):
        found = figure(nothing, headline)
        assert found == Figure()
        assert found.words(plain=True) == "-"


def test_an_older_summary_without_intervals_has_figures_all_the_same() -> None:
    older = summary()
    del older["intervals"]
    assert figure(older, P95) == Figure(900.0, 400)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Figure(900, 9, 880, 920), "+100 ms"),
        (Figure(700, 9, 690, 710), "-100 ms"),
        (Figure(815.0, 9, 805, 830), "~+15.0 ms"),
        (Figure(900, 9), "~+100 ms"),
        (Figure(900, 9, 880, 920, enough=False), "~+100 ms"),
    ],
)
def test_a_change_is_clear_where_the_intervals_lie_apart(found: Figure, words: str) -> None:
    told = change(found, Figure(800, 9, 790, 810))
    assert told is not None
    assert told.words("ms", plain=True) == words


def test_rates_change_by_points() -> None:
    told = change(Figure(4.0, 9, 3.0, 5.0), Figure(1.5, 9, 1.0, 2.0))
    assert told is not None
    assert told.words("%", plain=True) == "+2.50 points"


@pytest.mark.parametrize("other", [Figure(), Figure(900, 9, is_censored=True)])
def test_no_change_is_told_of_what_is_not_known(other: Figure) -> None:
    assert change(other, Figure(800, 9)) is None
    assert change(Figure(800, 9), other) is None

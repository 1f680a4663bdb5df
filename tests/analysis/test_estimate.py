"""Dollars of a run that has not begun, by hand and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.estimate import RunSize, clips_named, dollars, estimate_cost
from bench.analysis.prices import Prices

PRICES = Prices(4, 0.4, 16, 32, 0.4, 64)


def test_one_turn_by_hand() -> None:
    estimate = estimate_cost(RunSize(callers=3, seconds=1.0, speech_s=2.0), PRICES)
    short = 20 * 32 + 60 * 64 + 30 * 16
    long = 20 * 32 + 200 * 64 + 100 * 16
    assert estimate.turn_usd == pytest.approx(short / 1e6)
    assert estimate.low_usd == pytest.approx(3 * short / 1e6)
    assert estimate.high_usd == pytest.approx(3 * long / 1e6)


def test_what_was_said_is_billed_again() -> None:
    """Two turns of 6 s: the second brings 2 s of speech and 3 s of reply with it."""
    estimate = estimate_cost(RunSize(callers=1, seconds=12.0, speech_s=2.0), PRICES)
    again = (20 + 60) * 0.4 + 30 * 0.4
    assert estimate.low_usd == pytest.approx(2 * estimate.turn_usd + again / 1e6)


def test_a_session_of_an_hour_begins_anew() -> None:
    one, two = (estimate_cost(RunSize(1, hours * 3600.0, 2.0), PRICES) for hours in (1, 2))
    assert two.low_usd == pytest.approx(2 * one.low_usd)
    assert two.high_usd == pytest.approx(2 * one.high_usd)


sizes = st.builds(
    RunSize,
    callers=st.integers(1, 5_000),
    seconds=st.floats(0.1, 100_000),
    speech_s=st.floats(0.1, 30),
)
amounts = st.floats(0, 200)


@given(sizes, st.builds(Prices, *[amounts] * 6))
def test_the_low_end_is_the_lower_one(size: RunSize, prices: Prices) -> None:
    estimate = estimate_cost(size, prices)
    assert 0 <= estimate.low_usd <= estimate.high_usd


@given(sizes, st.builds(Prices, *[amounts] * 6), st.integers(2, 9))
def test_more_callers_cost_as_much_more(size: RunSize, prices: Prices, times: int) -> None:
    more = RunSize(size.callers * times, size.seconds, size.speech_s)
    ends = [estimate_cost(one, prices).high_usd for one in (size, more)]
    assert ends[1] == pytest.approx(times * ends[0])


def test_clips_that_a_scenario_names() -> None:
    source = 'TURNS = ("short", "nosuch")\nself.session.say("question")\n# "long"\nx = 5\n'
    assert clips_named(source, {"short", "question", "long"}) == {"short", "question"}


@pytest.mark.parametrize("source", ["def", "\0", "", "(" * 5_000])
def test_no_scenario_names_no_clip(source: str) -> None:
    assert clips_named(source, {"short"}) == set()


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0.00"),
        (0.000_4, "under $0.001"),
        (0.001, "$0.001"),
        (0.042, "$0.042"),
        (0.1, "$0.10"),
        (1.5, "$1.50"),
        (99.9, "$99.90"),
        (1234.5, "$1,234"),
    ],
)
def test_amounts(amount: float, text: str) -> None:
    assert dollars(amount) == text

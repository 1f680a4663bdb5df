from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.problem import Problem
from bench.server.profiles.delay import Delay, LogNormal, Tail, Uniform, parse_delay

DRAWS = 20_000
BODIES = [600.0, LogNormal(600.0, 1_200.0), LogNormal(20.0, 25.0), Uniform(20.0, 60.0)]


def draws(delay: Delay, seed: int = 1) -> np.ndarray:
    rng = random.Random(seed)
    return np.array([delay.draw(rng) for _ in range(DRAWS)])


def test_a_number_is_itself_every_time() -> None:
    assert set(draws(Delay(250.0))) == {250.0}


@pytest.mark.parametrize(("median", "p95"), [(600.0, 1_200.0), (20.0, 80.0), (5.0, 5.0)])
def test_half_are_below_the_median_and_one_in_twenty_beyond_p95(median: float, p95: float) -> None:
    drawn = draws(Delay(LogNormal(median, p95)))
    assert np.percentile(drawn, 50) == pytest.approx(median, rel=0.02)
    assert np.percentile(drawn, 95) == pytest.approx(p95, rel=0.03)


def test_no_draw_lies_beyond_three_deviations() -> None:
    drawn = draws(Delay(LogNormal(100.0, 200.0)))
    farthest = 2.0 ** (3.0 / 1.6448536269514722)
    assert drawn.max() == pytest.approx(100.0 * farthest)
    assert drawn.min() == pytest.approx(100.0 / farthest)


def test_a_range_is_filled_evenly() -> None:
    drawn = draws(Delay(Uniform(20.0, 60.0)))
    assert np.histogram(drawn, bins=4, range=(20, 60))[0] == pytest.approx(DRAWS / 4, rel=0.05)
    assert 20 <= drawn.min() < drawn.max() < 60


@pytest.mark.parametrize("body", BODIES)
def test_a_tail_changes_its_share_and_no_other(body: Any) -> None:
    plain, tailed = draws(Delay(body)), draws(Delay(body, Tail(0.05, 4.0, 100.0)))
    struck = ~np.isclose(plain, tailed)
    rng = random.Random(1)
    fates = np.array([(rng.random(), rng.random())[1] for _ in range(DRAWS)])
    assert (struck == (fates < 0.05)).all()
    assert tailed[struck] == pytest.approx(4 * plain[struck] + 100)


def test_a_slow_draw_is_as_slow_whatever_the_delay() -> None:
    ranks = [np.argsort(draws(Delay(body))) for body in (Uniform(0, 9), Uniform(5, 900))]
    assert (ranks[0] == ranks[1]).all()
    inner = draws(Delay(Uniform(0.0, 1.0)))
    slowest = draws(Delay(LogNormal(600.0, 1_200.0)))[inner > 0.95]
    assert slowest.min() == pytest.approx(1_200.0, rel=0.01)


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("tail", [None, Tail(0.5, 2.0)])
def test_every_draw_takes_two_numbers(body: Any, tail: Tail | None) -> None:
    used, counted = random.Random(1), random.Random(1)
    Delay(body, tail).draw(used)
    counted.random(), counted.random()
    assert used.getstate() == counted.getstate()


@pytest.mark.parametrize("body", BODIES)
def test_the_ends_of_a_stream_are_finite_delays(body: Any) -> None:
    class Constant(random.Random):
        value = 0.0

        def random(self) -> float:
            return self.value

    rng = Constant()
    for rng.value in (0.0, 1.0 - 2.0**-53):
        assert 0 <= Delay(body).draw(rng) < 10_000


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        (300, Delay(300.0)),
        ({"ms": 300, "tail": {"share": 0.1, "times": 3}}, Delay(300.0, Tail(0.1, 3.0))),
        ({"median": 6, "p95": 9}, Delay(LogNormal(6.0, 9.0))),
        (
            {"low": 2, "high": 6, "tail": {"share": 0.1, "add_ms": 9}},
            Delay(Uniform(2.0, 6.0), Tail(0.1, 1.0, 9.0)),
        ),
    ],
)
def test_each_form_is_read(value: object, delay: Delay) -> None:
    assert parse_delay(value, "delays.reply") == delay


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-5, r"^d\.r -5.* out of range; give 0"),
        (float("nan"), r"^d\.r nan is out of range"),
        (10**400, r"^d\.r \(a whole number of 1329 bits\) is too large"),
        ("fast", r"^d\.r 'fast' is no delay; give a number of ms"),
        (True, r"^d\.r True is no delay"),
        ({}, r"^d\.r .* is no delay"),
        ({"median": 5}, r"^d\.r .*median.* is no delay"),
        ({"median": 5, "high": 7}, r"^d\.r .* is no delay"),
        ({"medain": 5, "p95": 7}, r"^d\.r\.medain is no known key; did you mean median\?"),
        ({"median": 0, "p95": 7}, r"^d\.r\.median 0\.0 leaves nothing"),
        ({"median": 9, "p95": 7}, r"^d\.r\.p95 7\.0 is below the median 9\.0; give more"),
        ({"median": 1, "p95": 101}, r"^d\.r\.p95 101\.0 is over 100 times the median"),
        ({"low": 9, "high": 7}, r"^d\.r\.high 7\.0 is below low 9\.0; give more"),
        ({"low": "9", "high": 7}, r"^d\.r\.low '9' is no number; write it without quotes"),
        ({"ms": 5, "tail": 3}, r"^d\.r\.tail 3 is no table"),
        ({"ms": 5, "tail": {"times": 3}}, r"^d\.r\.tail\.share is missing"),
        ({"ms": 5, "tail": {"share": 2, "times": 3}}, r"^d\.r\.tail\.share 2\.0 is out of range"),
        ({"ms": 5, "tail": {"share": 0.1, "times": 0.5}}, r"^d\.r\.tail\.times 0\.5 is out of"),
        (
            {"ms": 5, "tail": {"share": 0.1}},
            r"^d\.r\.tail\.times 1 without add_ms changes nothing",
        ),
        (
            {"ms": 5, "tail": {"shaer": 0.1}},
            r"^d\.r\.tail\.shaer is no known key; did you mean sh",
        ),
    ],
)
def test_what_is_no_delay_is_named(value: object, message: str) -> None:
    with pytest.raises(Problem, match=message):
        parse_delay(value, "d.r")


numbers = st.one_of(st.integers(-(10**400), 10**400), st.floats(), st.booleans(), st.text())
forms = st.dictionaries(
    st.sampled_from(["ms", "median", "p95", "low", "high", "share", "times", "add_ms", "x"]),
    numbers,
    max_size=3,
)


@given(
    st.one_of(numbers, forms, st.tuples(forms, forms).map(lambda two: two[0] | {"tail": two[1]}))
)
def test_anything_is_a_delay_that_draws_or_a_problem(value: object) -> None:
    try:
        delay = parse_delay(value, "d.r")
    except Problem:
        return
    drawn = delay.draw(random.Random(1))
    assert 0 <= drawn < float("inf")

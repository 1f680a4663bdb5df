"""What turns can show, against the definitions of power."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.power import (
    POWER,
    SHOWN,
    Hurdle,
    detectable,
    detecting_error,
    fewest_pairs,
    settling_error,
    turns_for,
)

LEVEL = NormalDist()
HURDLE = Hurdle(floor=0.03, tolerance=0.03, alarm_z=3.0, pass_z=1.645)


def alarms(hurdle, effect, error):
    """The chance that an estimate of `effect` reaches what an alarm needs."""
    total = hurdle.total(error)
    return 1 - LEVEL.cdf((max(hurdle.floor, hurdle.alarm_z * total) - effect) / total)


@given(error=st.floats(0.001, 0.1), noise=st.floats(0, 0.02))
def test_what_is_detectable_is_detected_as_often_as_promised(error, noise):
    hurdle = Hurdle(0.03, 0.03, 3.0, 1.645, 2 * noise**2)
    assert alarms(hurdle, detectable(hurdle, error), error) == pytest.approx(SHOWN)


@given(effect=st.floats(0.035, 0.5), noise=st.floats(0, 0.004))
def test_an_error_that_detects_is_just_small_enough(effect, noise):
    hurdle = Hurdle(0.03, 0.03, 3.0, 1.645, 2 * noise**2)
    error = detecting_error(hurdle, effect)
    if error is not None:
        assert alarms(hurdle, effect, error) == pytest.approx(POWER)
        assert alarms(hurdle, effect, 1.2 * error) < POWER


def test_what_is_below_the_floor_or_lost_in_noise_is_never_detected():
    assert detecting_error(HURDLE, 0.03) is None
    assert detecting_error(HURDLE, 0.02) is None
    assert detecting_error(Hurdle(0.03, 0.03, 3.0, 1.645, 2 * 0.02**2), 0.05) is None


def test_what_settles_lets_a_build_without_change_pass():
    error = settling_error(HURDLE, 0.01, 0.02)
    assert LEVEL.cdf((0.03 - 1.645 * error) / error) == pytest.approx(POWER)


def test_an_effect_beyond_doubt_takes_more_turns_to_pass():
    doubtful = settling_error(HURDLE, 0.02, 0.02)
    certain = settling_error(HURDLE, 0.02, 0.002)
    assert certain < 0.6 * doubtful
    nearly = settling_error(HURDLE, 0.0299, 1e-6)
    assert nearly == pytest.approx(doubtful / 10)


def test_noise_between_runs_leaves_less_for_sampling_and_then_nothing():
    quiet = settling_error(HURDLE, 0.0, 0.02)
    restless = settling_error(Hurdle(0.03, 0.03, 3.0, 1.645, 2 * 0.005**2), 0.0, 0.02)
    assert restless == pytest.approx(sqrt(quiet**2 - 2 * 0.005**2))
    assert settling_error(Hurdle(0.03, 0.03, 3.0, 1.645, 2 * 0.01**2), 0.0, 0.02) is None


@given(wanted=st.floats(0.001, 1), scale=st.floats(0.1, 2), least=st.integers(1, 500))
def test_turns_are_the_fewest_that_do(wanted, scale, least):
    pairs = 50
    strict = wanted / (1 + 0.84 / sqrt(2 * (pairs - 1)))

    def error_at(turns):
        return scale / sqrt(turns)

    turns = turns_for(wanted, error_at, pairs, least)
    assert turns >= least
    assert error_at(turns) <= strict
    assert turns == least or error_at(turns - 1) > strict


def test_no_number_of_turns_is_said_to_be_none():
    assert turns_for(None, lambda _turns: 0.0, 50, 1) is None
    assert turns_for(0.1, lambda _turns: 1.0, 50, 1) is None


def test_fewer_sessions_make_a_larger_number():
    few, many = (turns_for(0.01, lambda n: 1 / sqrt(n), pairs, 1) for pairs in (8, 200))
    assert few > 1.2 * many


def test_pairs_can_be_exchanged_in_enough_ways():
    for level in (0.05, 0.001, 0.01 / 12):
        assert 2 ** -fewest_pairs(level) < level

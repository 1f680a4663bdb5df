from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.problem import Problem
from bench.server.profile import Profile

ordinals = st.integers(0, 100_000)


def test_no_jitter_is_the_delay_itself() -> None:
    profile = Profile(reply_delay_ms=250.0)
    assert {profile.turn(s, t).reply_delay_ms for s in range(5) for t in range(5)} == {250.0}


@given(st.integers(), ordinals, ordinals)
def test_a_turn_draws_the_same_whatever_was_drawn_before(
    seed: int, session: int, turn: int
) -> None:
    profile = Profile(seed=seed, reply_jitter_ms=80.0)
    drawn = profile.turn(session, turn)
    profile.turn(session + 1, turn)
    assert profile.turn(session, turn) == drawn
    assert Profile(seed=seed, reply_jitter_ms=80.0).turn(session, turn) == drawn
    assert 0 <= drawn.choice < 1


def test_turns_sessions_and_seeds_differ() -> None:
    profile, other = Profile(reply_jitter_ms=80.0), Profile(seed=2, reply_jitter_ms=80.0)
    draws = {profile.turn(0, 0), profile.turn(0, 1), profile.turn(1, 0), other.turn(0, 0)}
    assert len(draws) == 4


def test_the_median_and_the_spread_are_as_asked() -> None:
    profile = Profile(reply_delay_ms=400.0, reply_jitter_ms=100.0)
    delays = [
        profile.turn(session, turn).reply_delay_ms for session in range(60) for turn in range(50)
    ]
    median, wide = np.percentile(delays, [50, 84.13])
    assert median == pytest.approx(400.0, rel=0.02)
    assert wide == pytest.approx(500.0, rel=0.02)
    assert max(delays) <= 400.0 * 1.25**3 + 1e-9


def test_the_interval_of_deltas_follows_the_speed() -> None:
    assert Profile(delta_ms=100, speed=5.0).delta_interval_ns == 20_000_000


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"reply_delay_ms": -1.0}, "reply_delay_ms"),
        ({"reply_delay_ms": float("nan")}, "reply_delay_ms"),
        ({"transcript_delay_ms": float("inf")}, "transcript_delay_ms"),
        ({"delta_ms": 5}, "delta_ms"),
        ({"speed": 0.0}, "speed"),
        ({"reply_delay_ms": 0.0, "reply_jitter_ms": 5.0}, "reply_jitter_ms"),
    ],
)
def test_impossible_profiles_are_named(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(Problem, match=named):
        Profile(**fields)

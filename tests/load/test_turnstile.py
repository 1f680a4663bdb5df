"""Those who wait go in order, spread, and sooner or later, on a clock of our own."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.load.turnstile import HOLD_STEP_S, Pace, Turnstile, Waiter

PACE = Pace(
    spread_s=1.0, least_gap_s=0.001, most_gap_s=0.01, places=4, place_s=0.03, patience_s=0.1
)
SLACK_S = 1e-9


def go_through(
    turnstile: Turnstile, now_s: float, until_s: float, *, behind: bool = False, stay: bool = False
) -> list[tuple[float, Waiter]]:
    """Who went, and when, if one looks whenever asked to; they leave at once, or `stay`."""
    went = []
    while now_s <= until_s:
        look = turnstile.look(now_s, behind=behind)
        if look.waiter is not None:
            went.append((now_s, look.waiter))
            if not stay:
                turnstile.leave(look.waiter)
        elif look.again_s is None:
            break
        else:
            assert look.again_s > now_s
            now_s = look.again_s
    return went


def gaps(went: list[tuple[float, Waiter]]) -> list[float]:
    instants = [instant for instant, _ in went]
    return [later - earlier for earlier, later in pairwise(instants)]


def test_who_comes_alone_goes_at_once() -> None:
    turnstile = Turnstile(PACE)
    waiter = turnstile.come(5.0)
    assert turnstile.look(5.0, behind=False) == (waiter, None)
    assert turnstile.look(5.0, behind=False) == (None, None)


def test_the_users_of_a_second_are_spread_evenly_over_it() -> None:
    turnstile = Turnstile(PACE)
    came = [turnstile.come(0.0) for _ in range(200)]
    went = go_through(turnstile, 0.0, 10.0)
    assert [waiter for _, waiter in went] == came
    assert went[0][0] == 0.0
    assert gaps(went) == pytest.approx([0.9 / 200] * 199)


def test_batch_after_batch_is_taken_without_a_backlog() -> None:
    turnstile = Turnstile(PACE)
    for second in range(5):
        came = [turnstile.come(float(second)) for _ in range(200)]
        went = go_through(turnstile, float(second), second + 0.999)
        assert [waiter for _, waiter in went] == came


def test_who_comes_at_a_steady_rate_hardly_waits() -> None:
    turnstile = Turnstile(PACE)
    for number in range(1_000):
        now_s = number * 0.011
        waiter = turnstile.come(now_s)
        go_through(turnstile, now_s, now_s + 0.005)
        assert waiter.went_s == now_s


def test_a_rate_above_one_per_widest_gap_is_followed_after_a_while() -> None:
    turnstile = Turnstile(PACE)
    waits = []
    for number in range(2_000):
        now_s = number * 0.005
        turnstile.come(now_s)
        went = go_through(turnstile, now_s, now_s + 0.004_9)
        waits += [instant - waiter.came_s for instant, waiter in went]
    assert max(waits) < 0.5
    assert max(waits[-200:]) < 0.005


def test_a_few_are_not_kept_longer_than_it_takes_not_to_disturb() -> None:
    turnstile = Turnstile(PACE)
    for _ in range(3):
        turnstile.come(0.0)
    assert gaps(go_through(turnstile, 0.0, 10.0)) == pytest.approx([0.01, 0.01])


def test_a_rush_is_held_to_the_least_gap_and_catches_up() -> None:
    turnstile = Turnstile(PACE)
    for _ in range(2_000):
        turnstile.come(0.0)
    went = go_through(turnstile, 0.0, 10.0)
    assert len(went) == 2_000
    assert gaps(went) == pytest.approx([0.001] * 1_999)


def test_no_more_are_under_way_than_there_are_places_until_one_leaves() -> None:
    turnstile = Turnstile(PACE)
    for _ in range(6):
        turnstile.come(0.0)
    went = go_through(turnstile, 0.0, 0.0399, stay=True)
    assert len(went) == 4
    at_s = went[-1][0]
    assert turnstile.look(at_s + 0.000_1, behind=False).waiter is None
    turnstile.leave(went[2][1])
    look = turnstile.look(at_s + 0.02, behind=False)
    assert look.waiter is not None


def test_who_is_kept_waiting_by_the_target_gives_its_place_up() -> None:
    pace = Pace(0.0, 0.001, 0.001, places=4, place_s=0.5, patience_s=0.1)
    turnstile = Turnstile(pace)
    for _ in range(9):
        turnstile.come(0.0)
    went = go_through(turnstile, 0.0, 10.0, stay=True)
    assert [instant for instant, _ in went] == pytest.approx(
        [0, 0.001, 0.002, 0.003, 0.5, 0.501, 0.502, 0.503, 1.0]
    )


def test_the_head_is_held_while_the_engine_is_behind_but_not_for_long() -> None:
    turnstile = Turnstile(PACE)
    waiter = turnstile.come(1.0)
    assert turnstile.look(1.0, behind=True) == (None, 1.0 + HOLD_STEP_S)
    assert turnstile.look(1.0 + HOLD_STEP_S, behind=True).waiter is None
    assert turnstile.look(1.099, behind=True) == (None, pytest.approx(1.1))
    assert turnstile.look(1.1, behind=True).waiter is waiter


def test_the_head_goes_as_soon_as_the_engine_has_caught_up() -> None:
    turnstile = Turnstile(PACE)
    waiter = turnstile.come(1.0)
    assert turnstile.look(1.0, behind=True).waiter is None
    assert turnstile.look(1.001, behind=False).waiter is waiter


def test_each_head_has_the_same_patience() -> None:
    turnstile = Turnstile(PACE)
    for _ in range(3):
        turnstile.come(0.0)
    went = go_through(turnstile, 0.0, 10.0, behind=True)
    assert [instant for instant, _ in went] == pytest.approx([0.1, 0.21, 0.32])


def test_who_gives_up_leaves_no_hole() -> None:
    turnstile = Turnstile(PACE)
    first, killed, third = (turnstile.come(0.0) for _ in range(3))
    assert turnstile.look(0.0, behind=False).waiter is first
    turnstile.leave(killed)
    assert turnstile.look(0.009, behind=False) == (None, pytest.approx(0.01))
    assert turnstile.look(0.011, behind=False).waiter is third


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "come", "kill", "leave", "wait"]),
        st.floats(0, 0.2),
        st.booleans(),
    ),
    max_size=120,
)
_PACES = st.builds(
    Pace,
    spread_s=st.floats(0, 2),
    least_gap_s=st.floats(0.000_5, 0.002),
    most_gap_s=st.floats(0.002, 0.02),
    places=st.integers(1, 5),
    place_s=st.floats(0, 0.1),
    patience_s=st.floats(0, 0.2),
)


@settings(max_examples=150, deadline=None)
@given(pace=_PACES, steps=_STEPS)
def test_order_bounds_and_no_starvation_whatever_happens(
    pace: Pace, steps: list[tuple[str, float, bool]]
) -> None:
    turnstile = Turnstile(pace)
    waiting: list[Waiter] = []
    under_way: list[Waiter] = []
    now_s, went_s, head_since_s = 0.0, -1.0, 0.0
    longest_s = pace.most_gap_s + pace.place_s + pace.patience_s + SLACK_S

    def look_until(until_s: float, *, behind: bool) -> None:
        nonlocal now_s, went_s, head_since_s
        while True:
            look = turnstile.look(now_s, behind=behind)
            if look.waiter is not None:
                assert look.waiter is waiting.pop(0), "first come, first served"
                assert now_s - went_s >= pace.least_gap_s - SLACK_S
                assert now_s - head_since_s <= longest_s, "nobody waits forever"
                young = [w for w in under_way if now_s - (w.went_s or 0) < pace.place_s - SLACK_S]
                assert len(young) < pace.places
                under_way.append(look.waiter)
                went_s = head_since_s = now_s
                continue
            assert (look.again_s is None) == (not waiting)
            if look.again_s is None or look.again_s > until_s:
                now_s = until_s
                return
            assert look.again_s > now_s
            now_s = look.again_s

    for action, amount, behind in steps:
        if action == "come":
            if not waiting:
                head_since_s = now_s
            waiting.append(turnstile.come(now_s))
        elif action == "kill" and waiting:
            turnstile.leave(waiting.pop(int(amount * 5 * len(waiting)) % len(waiting)))
        elif action == "leave" and under_way:
            turnstile.leave(under_way.pop(0))
        look_until(now_s + (amount if action == "wait" else 0), behind=behind)
    look_until(now_s + len(waiting) * longest_s + 1, behind=True)
    assert not waiting

"""The search for a level that holds, against capacities that are known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.search import STEP, largest_level


@given(capacity=st.integers(1, 10_000), guess=st.integers(1, 10_000))
def test_level_is_within_a_step_of_the_capacity(capacity: int, guess: int) -> None:
    found = largest_level(lambda level: level <= capacity, guess, most_tries=60)
    assert found.settled
    assert found.level is not None
    assert found.level <= capacity
    assert found.level * STEP >= capacity * 0.99 - 1


def test_good_guess_needs_few_tries() -> None:
    found = largest_level(lambda level: level <= 1000, 1000)
    assert found.level == 1000
    assert len(found.tries) <= 8


def test_one_spoilt_try_costs_nothing() -> None:
    spoilt = iter([True, False])

    def holds(level: int) -> bool:
        return level <= 1000 and next(spoilt, True)

    assert largest_level(holds, 1000).level == 1000


def test_level_that_held_once_by_luck_is_left() -> None:
    tries: dict[int, int] = {}

    def holds(level: int) -> bool:
        tries[level] = tries.get(level, 0) + 1
        return level <= 1000 or (level == 1050 and tries[level] == 1)

    assert largest_level(holds, 1000).level == 1000


def test_nothing_holds() -> None:
    found = largest_level(lambda _: False, 50, most_tries=60)
    assert found.level is None
    assert found.settled


@pytest.mark.parametrize("most_tries", [1, 3, 5])
def test_tries_are_bounded(most_tries: int) -> None:
    found = largest_level(lambda level: level <= 5000, 100, most_tries=most_tries)
    assert not found.settled
    assert len(found.tries) == most_tries
    assert found.level is not None
    assert found.level <= 5000

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.shortlist import (
    MEDIAN,
    RANDOM,
    WORST,
    Candidate,
    Shortlist,
    choose,
    class_of,
)


class FakeTurn:
    def __init__(self, outcome: str, turn_class: str) -> None:
        self.outcome = outcome
        self.turn_class = turn_class


@pytest.mark.parametrize(
    ("outcome", "turn_class", "expected"),
    [
        ("ok", "measured", RANDOM),
        ("ok", "cold", "cold"),
        ("ok", "unreviewed", "unreviewed"),
        ("cut_off", "measured", "cut_off"),
        ("interrupted", "cold", "interrupted"),
        ("stopped", "measured", None),
    ],
)
def test_a_turn_is_heard_for_what_is_unusual_about_it(
    outcome: str, turn_class: str, expected: str | None
) -> None:
    turn: Any = FakeTurn(outcome, turn_class)
    assert class_of(turn) == expected


def timed(number: int, ttfa_ms: float | None, ticket: float) -> Candidate[int]:
    return Candidate(RANDOM, ttfa_ms, ticket, number)


turns = st.lists(
    st.tuples(st.one_of(st.none(), st.floats(-500, 9000)), st.sampled_from(range(3))),
    min_size=1,
    max_size=60,
)


@given(turns, st.integers(1, 4), st.randoms(use_true_random=False))
def test_what_workers_keep_is_enough_to_choose_as_if_all_were_kept(
    drawn: list[tuple[float | None, int]], count: int, rng: random.Random
) -> None:
    everything = [timed(n, ttfa_ms, rng.random()) for n, (ttfa_ms, _) in enumerate(drawn)]
    workers = [Shortlist[int](count, rng.random) for _ in range(3)]
    for candidate, (_, worker) in zip(everything, drawn, strict=True):
        workers[worker].note(candidate)
        workers[worker].offer(candidate)
    kept = [candidate for worker in workers for candidate in worker]
    latencies_ms = [c.ttfa_ms for c in everything if c.ttfa_ms is not None]
    chosen = choose(kept, latencies_ms, count)
    assert len({one.kept for one in chosen}) == len(chosen)
    slowest = [one.kept for one in chosen if one.turn_class == WORST]
    expected = sorted(latencies_ms, reverse=True)[:count]
    assert [everything[n].ttfa_ms for n in slowest] == expected
    # The random ones are the highest tickets of all that were chosen for no other reason.
    others = {one.kept for one in chosen if one.turn_class != RANDOM}
    tickets = sorted((c.ticket for c in everything if c.kept not in others), reverse=True)
    drawn_tickets = [everything[one.kept].ticket for one in chosen if one.turn_class == RANDOM]
    assert drawn_tickets == tickets[:count]
    assert [one.rank for one in chosen if one.turn_class == WORST] == list(
        range(1, len(slowest) + 1)
    )


@given(turns, st.integers(1, 4), st.randoms(use_true_random=False))
def test_each_that_is_dropped_is_given_back_once(
    drawn: list[tuple[float | None, int]], count: int, rng: random.Random
) -> None:
    shortlist = Shortlist[int](count, rng.random)
    names = ["ok", "cut_off", "interrupted"]
    dropped = []
    for number, (ttfa_ms, kind) in enumerate(drawn):
        name = RANDOM if names[kind] == "ok" else names[kind]
        out = shortlist.offer(Candidate(name, ttfa_ms, rng.random(), number))
        dropped += [] if out is None else [out]
    kept = [candidate.kept for candidate in shortlist]
    assert sorted(kept + dropped) == list(range(len(drawn)))
    assert len(kept) <= 5 * count


def test_the_middle_is_kept_and_chosen() -> None:
    rng = random.Random(1)
    shortlist = Shortlist[int](3, rng.random)
    latencies_ms = [rng.lognormvariate(6.5, 0.5) for _ in range(5000)]
    for number, ttfa_ms in enumerate(latencies_ms):
        candidate = timed(number, ttfa_ms, rng.random())
        shortlist.note(candidate)
        shortlist.offer(candidate)
    ordered = sorted(latencies_ms)
    assert ordered[2300] < (shortlist.median_ms or 0) < ordered[2700]
    chosen = choose(shortlist, latencies_ms, 3)
    middle = [latencies_ms[one.kept] for one in chosen if one.turn_class == MEDIAN]
    assert len(middle) == 3
    assert all(ordered[2300] < ttfa_ms < ordered[2700] for ttfa_ms in middle)


def test_what_is_wanted_is_what_would_be_kept() -> None:
    rng = random.Random(2)
    shortlist = Shortlist[int](2, rng.random)
    for number in range(400):
        candidate = timed(number, rng.uniform(0, 1000), rng.random())
        assert candidate.ttfa_ms is not None
        shortlist.note(candidate)
        would_keep = shortlist.would_keep(candidate)
        assert would_keep == shortlist.wants(candidate.ttfa_ms, candidate.ticket)
        shortlist.offer(candidate)
        assert would_keep == (number in {one.kept for one in shortlist})
    for number in range(400, 500):
        failed = Candidate("cut_off", None, rng.random(), number)
        would_keep = shortlist.would_keep(failed)
        shortlist.offer(failed)
        assert would_keep == (number in {one.kept for one in shortlist})
    assert shortlist.wants(1e6, ticket=0.0)
    assert shortlist.wants(-1e6, ticket=1.0)
    assert not shortlist.wants(-1e6, ticket=0.0)


def test_random_ones_are_a_fair_choice() -> None:
    times = [0] * 20
    for seed in range(600):
        rng = random.Random(seed)
        shortlist = Shortlist[int](1, rng.random)
        for number in range(20):
            shortlist.offer(Candidate("cut_off", 1.0, rng.random(), number))
        (only,) = shortlist
        times[only.kept] += 1
    assert min(times) > 10  # 30 each, on average
    assert max(times) < 60

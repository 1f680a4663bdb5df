from __future__ import annotations

from itertools import islice

from bench.load.rounds import Rounds


def test_each_caller_begins_one_later_and_goes_round_for_ever() -> None:
    rounds = Rounds("a", "b", "c")
    said = ["".join(islice(iter(rounds), 5)) for _ in range(4)]
    assert said == ["abcab", "bcabc", "cabca", "abcab"]


def test_callers_do_not_share_their_place() -> None:
    rounds = Rounds("a", "b")
    one, other = iter(rounds), iter(rounds)
    assert [next(one), next(one), next(other), next(one)] == ["a", "b", "b", "a"]

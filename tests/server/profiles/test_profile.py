from __future__ import annotations

from collections import Counter
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.profiles.delay import Delay, LogNormal, Tail, Uniform
from bench.server.profiles.fault import parse_fault
from bench.server.profiles.loading import load_profile
from bench.server.profiles.profile import Capacity, Delays, Delivery, Profile, Stall

LIVELY = replace(
    load_profile("slow_tail"),
    faults=tuple(map(parse_fault, ["no_reply:0.2", "close_1011:0.2@turn=3", "http_429:0.3"])),
)
ordinals = st.integers(0, 100_000)


@given(st.integers(-(2**63) + 1, 2**63 - 1), ordinals, ordinals)
def test_a_turn_draws_the_same_whatever_was_drawn_before(
    seed: int, session: int, turn: int
) -> None:
    profile = replace(LIVELY, seed=seed)
    drawn = profile.turn(session, turn)
    profile.turn(session + 1, turn).offset_ms(9)
    again = replace(LIVELY, seed=seed).turn(session, turn)
    assert again == drawn
    assert [again.offset_ms(index) for index in (9, 0, 4)] == [
        drawn.offset_ms(index) for index in (9, 0, 4)
    ]


def test_turns_sessions_and_seeds_differ() -> None:
    other = replace(LIVELY, seed=2)
    four = (LIVELY.turn(0, 0), LIVELY.turn(0, 1), LIVELY.turn(1, 0), other.turn(0, 0))
    assert len({turn.reply_delay_ms for turn in four}) == 4


@pytest.mark.parametrize("stage", [each.name for each in fields(Delays)])
@pytest.mark.parametrize("other", [Delay(7.0), Delay(Uniform(5.0, 9.0), Tail(0.5, 3.0))])
def test_another_delay_of_one_stage_moves_no_other(stage: str, other: Delay) -> None:
    base = replace(LIVELY.delays, tool_reply=Delay(LogNormal(300.0, 500.0)))
    before = replace(LIVELY, delays=base)
    after = replace(LIVELY, delays=replace(base, **{stage: other}))
    of_stage = {"reply": "reply_delay_ms", "transcript": "transcript_delay_ms"}
    of_stage["tool_reply"] = "tool_reply_delay_ms"
    moved = Counter[str]()
    for session in range(20):
        one, two = before.turn(session, 1), after.turn(session, 1)
        for each in fields(one):
            if each.compare and getattr(one, each.name) != getattr(two, each.name):
                moved[each.name] += 1
        if before.accept_delay_ms(session) != after.accept_delay_ms(session):
            moved["accept_ms"] += 1
        assert [one.offset_ms(at) for at in range(9)] == [two.offset_ms(at) for at in range(9)]
    assert set(moved) == {of_stage.get(stage, f"{stage}_ms")}


def test_a_stall_strikes_the_same_replies_however_long_it_lasts() -> None:
    def struck(lasts: Delay) -> list[bool]:
        profile = Profile(delivery=Delivery(stall=Stall(0.3, 100.0, lasts)))
        return [profile.turn(session, 0).stall_ms is not None for session in range(500)]

    assert struck(Delay(5.0)) == struck(Delay(LogNormal(5.0, 9.0))) == struck(Delay(Uniform(1, 2)))
    assert sum(struck(Delay(5.0))) == pytest.approx(150, abs=30)


def test_a_fault_strikes_its_share_and_another_kind_moves_it_not() -> None:
    alone = Profile(faults=(parse_fault("no_reply:0.2"),))
    behind = replace(alone, faults=(*alone.faults, parse_fault("no_vad:0.5")))
    first = [alone.turn(session, 0).fault for session in range(2_000)]
    both = [behind.turn(session, 0).fault for session in range(2_000)]
    assert sum(fault is not None for fault in first) == pytest.approx(400, abs=60)
    assert all(two == one for one, two in zip(first, both, strict=True) if one)
    assert Counter(fault and fault.kind for fault in both)["no_vad"] == pytest.approx(800, abs=80)


def test_two_faults_of_a_kind_are_drawn_apart() -> None:
    faults = map(parse_fault, ["close_1011:0.3@after_ms=100", "close_1011:0.3@after_ms=900"])
    profile = Profile(faults=tuple(faults))
    when = Counter(
        fault.after_ms if (fault := profile.turn(session, 0).fault) else None
        for session in range(2_000)
    )
    assert when[100.0] == pytest.approx(600, abs=70)
    assert when[900.0] == pytest.approx(420, abs=70)


def test_a_fault_of_one_turn_strikes_no_other() -> None:
    profile = Profile(faults=(parse_fault("close_1000@turn=1"), parse_fault("refuse")))
    assert [bool(profile.turn(0, turn).fault) for turn in range(4)] == [False, True, False, False]
    refused = profile.session_fault(0)
    assert refused is not None
    assert refused.kind == "refuse"


def test_delays_grow_in_a_straight_line_from_the_knee_to_the_limit() -> None:
    profile = Profile(capacity=Capacity(20, 40, 6.0))
    assert [profile.load_factor(open_) for open_ in (0, 20, 30, 40, 90)] == [1, 1, 3.5, 6, 6]
    assert [profile.refusal(open_) for open_ in (0, 39, 40)] == [None, None, "http_429"]
    assert (Profile().load_factor(10**6), Profile().refusal(10**6)) == (1.0, None)


def test_speech_stopped_is_held_back_till_just_before_the_reply() -> None:
    profile = Profile(withhold_speech_stopped_ms=40.0, delays=Delays(reply=Delay(600.0)))
    assert profile.turn(0, 0).held_back_ms == 560.0
    assert replace(profile, delays=Delays(reply=Delay(10.0))).turn(0, 0).held_back_ms == 0.0
    assert Profile().turn(0, 0).held_back_ms is None


def test_deltas_leave_in_bursts_that_stand_still_in_a_stall() -> None:
    delivery = Delivery(delta_ms=100, speed=5.0, burst=2, stall=Stall(1.0, 60.0, Delay(500.0)))
    turn = Profile(delivery=delivery).turn(0, 0)
    assert [turn.offset_ms(index) for index in range(6)] == [0, 0, 40, 40, 580, 580]


@given(ordinals)
def test_no_delta_overtakes_another(session: int) -> None:
    offsets = [LIVELY.turn(session, 0).offset_ms(index) for index in range(30)]
    assert offsets == sorted(offsets)

"""The demands on scenarios tell right from wrong, and the page keeps other sections."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import Any, ClassVar

import pytest

from bench.analysis.outcomes import OUTCOMES as ALL_OUTCOMES
from bench.analysis.turn import Turn
from bench.load.command import find_scenario
from bench.server.profiles.fault import FAULTS
from tests.benchmarks.scenarios import demands
from tests.benchmarks.scenarios.case import CASES
from tests.benchmarks.scenarios.faults import (
    OUTCOMES,
    REFUSALS,
    SCENARIOS,
    judge_sessions,
    judge_turns,
)
from tests.benchmarks.scenarios.page import markdown, put_section
from tests.benchmarks.scenarios.withheld import Wait, waits

MS = 1_000_000
EMPTY: dict[str, Any] = dict.fromkeys(field.name for field in fields(Turn))


def turn(outcome: str = "ok", **more: Any) -> Turn:
    """A turn of which nothing is known but what is given."""
    given = {
        "session_id": "w0-0",
        "turn_index": 0,
        "outcome": outcome,
        "pauses": (),
        "cut_off": outcome == "cut_off",
        "speech_start_ns": 0,
        "speech_end_ns": 1_000 * MS,
        "utterance": "short",
    }
    return Turn(**EMPTY | given | more)


def pausing(*lengths: float, cut_off: bool) -> Turn:
    pauses = tuple((1_000.0 * n, 1_000.0 * n + length) for n, length in enumerate(lengths))
    return turn("cut_off" if cut_off else "ok", pauses=pauses)


def test_turns_that_tell_nothing_of_the_target_are_left_out() -> None:
    told = [turn(name) for name in ("ok", "stopped", "client_late", "no_reply")]
    assert [one.outcome for one in demands.whole(told)] == ["ok", "no_reply"]


def test_every_scenario_is_demanded_something_of() -> None:
    assert {case.scenario for case in CASES} == {
        path.stem for path in find_scenario("ask").parent.glob("*.py")
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_no_demand_is_met_by_no_turns_or_by_failed_ones(case: Any) -> None:
    assert not case.demand([]).met
    for outcome in ("no_reply", "disconnected"):
        failed = turn(outcome, interrupts=0, turn_index=1, pauses=((0.0, 5_000.0),))
        assert not case.demand([failed] * 3).met


def test_talked_over_is_right_only_where_somebody_interrupts() -> None:
    over, after = turn("talked_over"), turn(turn_index=1, interrupts=0)
    assert demands.answered([over, after]).met
    assert not demands.answered([over, turn(turn_index=1)]).met
    assert not demands.answered([turn(), after]).met
    assert not demands.answered([over, turn(session_id="w0-1", interrupts=0)]).met


def test_a_pause_is_cut_off_exactly_where_it_is_longer() -> None:
    demand = demands.cut_off_at(500)
    right = [pausing(700, cut_off=True), pausing(500, 900, cut_off=True)]
    assert demand([*right, pausing(300, cut_off=False)]).met
    assert not demand([*right, pausing(300, cut_off=True)]).met
    assert not demand([*right, pausing(700, cut_off=False)]).met
    assert not demand([*right, pausing(520, cut_off=True)]).met, "too close to tell"
    assert demands.cut_off_at(1_000)([pausing(700, 900, cut_off=False)]).met


def test_fewer_than_one_in_twenty_may_be_cut_off() -> None:
    kept, cut = pausing(700, cut_off=False), pausing(700, cut_off=True)
    assert demands.never_cut_off([kept] * 20).met
    assert demands.never_cut_off([kept] * 39 + [cut]).met
    assert not demands.never_cut_off([kept] * 19 + [cut]).met


def test_murmurs_stop_the_share_of_replies_that_is_due() -> None:
    stopped = turn("false_interruption")
    assert demands.stopped_by_murmurs(1.0)([stopped]).met
    assert not demands.stopped_by_murmurs(1.0)([stopped, turn()]).met
    assert demands.stopped_by_murmurs(0.0)([turn()]).met
    assert not demands.stopped_by_murmurs(0.0)([stopped, turn()]).met


def test_a_tool_is_answered_when_audio_came_after_its_result() -> None:
    called = {"tool_call_ns": 1, "tool_result_ns": 2}
    assert demands.tools_answered([turn(**called, first_audio_ns=3)]).met
    assert not demands.tools_answered([turn(**called, first_audio_ns=1)]).met
    assert not demands.tools_answered([turn(tool_call_ns=1, first_audio_ns=3)]).met


def test_a_transcript_comes_without_audio() -> None:
    assert demands.written_down([turn(transcript_done_ns=1)]).met
    assert not demands.written_down([turn(transcript_done_ns=1, first_audio_ns=2)]).met


def test_a_session_that_slows_down_is_told() -> None:
    def after(index: int, ms: int) -> Turn:
        moments = {"speech_stopped_ns": 0, "first_audio_ns": ms * MS}
        return turn(turn_index=index, detected=True, awaits_audio=True, **moments)

    assert demands.in_one_session([after(1, 300), after(2, 300), after(3, 310)]).met
    assert not demands.in_one_session([after(1, 300), after(2, 330), after(3, 360)]).met


class TestFaults:
    """What each must be called."""

    ALL_OK: ClassVar = {name: Counter(ok=3) for name in SCENARIOS}

    def test_every_fault_has_a_name_that_is_on_the_list(self) -> None:
        connections = {name for name, (stage, _) in FAULTS.items() if stage == "connection"}
        assert set(REFUSALS) == connections
        assert set(OUTCOMES) <= set(FAULTS) - connections
        assert set().union(*OUTCOMES.values()) <= set(ALL_OUTCOMES)

    def test_each_kind_of_caller_must_meet_a_fault_of_turns(self) -> None:
        struck = {name: Counter(ok=2, disconnected=1) for name in SCENARIOS}
        assert judge_turns("close_1011", struck).met
        assert not judge_turns("close_1011", struck | {"ask": Counter(ok=3)}).met
        assert not judge_turns("close_1011", struck | {"ask": Counter(no_reply=1)}).met
        assert not judge_turns("duplicate", struck).met
        assert judge_turns("duplicate", self.ALL_OK).met

    def test_a_refusal_goes_by_its_name_and_callers_get_through_later(self) -> None:
        assert judge_sessions("http_429", Counter(http_429=4), self.ALL_OK).met
        assert not judge_sessions("http_429", Counter(), self.ALL_OK).met
        assert not judge_sessions("http_429", Counter(http_429=4, timeout=1), self.ALL_OK).met
        assert not judge_sessions("http_429", Counter(http_429=4), {}).met


def test_a_wait_counts_from_when_the_server_had_decided() -> None:
    heard = turn(response_id="r", speech_stopped_ns=560 * MS, first_audio_ns=600 * MS)
    line = {"kind": "response", "response_id": "r", "heard_ns": 10 * MS}
    assert waits([heard], [line]) == [Wait(590.0, 550.0, 40.0)]
    assert waits([heard], [line | {"response_id": "other"}]) == []
    assert waits([heard], [line | {"heard_ns": None}]) == []


def test_a_section_takes_the_place_of_its_like() -> None:
    first = markdown("Each scenario, 10 callers", ("a", "b"), [["1", "2"]])
    other = markdown("Faults over ask", ("a",), [["x"]])
    page = put_section(put_section("", first), other)
    assert page.index("| 1 | 2 |") < page.index("| x |")
    again = put_section(page, first.replace("10", "6").replace("1 |", "9 |"))
    assert "| 1 | 2 |" not in again
    assert again.count("## ") == 2
    assert again.startswith("# What the scenarios show")

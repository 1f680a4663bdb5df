"""Which turns are taken apart: usual ones and the worst, rather those that can be heard."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.report.data import ReportData
from bench.report.sound import Recording, Recordings
from bench.report.telling_turns import TellingTurns, telling_turns

MS = 1_000_000
END_NS = 2**53 + 1


def turn(index: int, ttfa_ms: float | None, **more: Any) -> dict[str, Any]:
    first_ns = None if ttfa_ms is None else END_NS + round(ttfa_ms * MS)
    return {
        "session_id": "w0-00000",
        "turn_index": index,
        "turn_class": "measured",
        "outcome": "ok",
        "cut_off": False,
        "ttfa_ms": ttfa_ms,
        "censored_ms": None,
        "speech_end_ns": END_NS,
        "speech_stopped_ns": END_NS + 500 * MS,
        "first_audio_ns": first_ns,
        "interrupts": None,
        "barge_in_detect_ms": None,
        "barge_in_stop_ms": None,
        **more,
    }


def cut_off(index: int, lost_ms: int, **more: Any) -> dict[str, Any]:
    stopped = {"speech_stopped_ns": END_NS - lost_ms * MS}
    fields = {"outcome": "cut_off", "cut_off": True, **stopped, **more}
    return turn(index, 300.0 - lost_ms, **fields)


def barge_in(index: int, detect_ms: float, stop_ms: float | None) -> dict[str, Any]:
    found = {"barge_in_detect_ms": detect_ms, "barge_in_stop_ms": stop_ms}
    return turn(index, 800.0, turn_class="warmup", interrupts=index - 1, **found)


def telling(turns: list[dict[str, Any]], recorded: Iterable[int] = ()) -> TellingTurns:
    frame = pd.DataFrame(turns)
    for name in frame.columns:
        if name.endswith("_ns") or name == "interrupts":
            frame[name] = pd.array([row[name] for row in turns], "Int64")
        elif name.endswith("_ms"):
            frame[name] = frame[name].astype("float64")
    data = ReportData(Path("nowhere"), {}, {}, frame)
    nothing = (None, None, None, None)
    listed = [
        Recording(f"{index}.flac", "random", 1, "w0-00000", index, "", "", *nothing)
        for index in recorded
    ]
    data.__dict__["recordings"] = Recordings(listed)
    return telling_turns(data)


def titled(found: TellingTurns) -> dict[str, int]:
    return {title: int(row["turn_index"]) for title, row, _ in found.shown}


def test_median_p95_and_slowest_are_by_nearest_rank() -> None:
    order = np.random.default_rng(2).permutation(100)
    turns = [turn(index, 100.0 + 50 * int(rank)) for index, rank in enumerate(order)]
    found = titled(telling(turns))
    ranks = {title: int(order[index]) for title, index in found.items()}
    assert ranks == {"The median turn": 49, "The turn at p95": 94, "The slowest turn": 99}


@pytest.mark.parametrize("count", [2, 3, 19])
def test_few_turns_have_no_p95_of_their_own(count: int) -> None:
    found = telling([turn(index, 500.0 + index) for index in range(count)])
    assert list(titled(found)) == ["The median turn", "The slowest turn"]


def test_no_turns_tell_nothing() -> None:
    assert telling([turn(0, 500.0)][:0] or [turn(0, 500.0, turn_class="cold")]).shown == []


def test_a_recorded_turn_that_tells_the_same_is_taken() -> None:
    turns = [turn(index, 1_000.0 + index) for index in range(9)]
    found = telling(turns, recorded=[1, 6, 8])
    assert titled(found) == {"A turn near the median": 6, "The slowest turn": 8}
    files = [recording and recording.file for _, _, recording in found.shown]
    assert files == ["6.flac", "8.flac"]


def test_a_recorded_turn_that_tells_another_thing_is_not() -> None:
    turns = [turn(index, 1_000.0 + 100 * index) for index in range(9)]
    found = telling(turns, recorded=[5, 7])
    assert titled(found) == {"The median turn": 4, "The slowest turn": 8}
    assert [recording for _, _, recording in found.shown] == [None, None]


def test_the_slowest_stands_for_no_other() -> None:
    turns = [turn(index, 1_000.0) for index in range(4)]
    assert titled(telling(turns, recorded=[3])) == {"The median turn": 1, "The slowest turn": 3}


def test_each_failed_outcome_shows_the_one_that_waited_longest() -> None:
    turns = [turn(0, None, outcome="no_reply", censored_ms=9_000.0)]
    turns += [turn(1, None, outcome="no_reply", censored_ms=10_000.0)]
    turns += [turn(2, None, outcome="server_error"), turn(3, None, outcome="stopped")]
    turns += [turn(4, 700.0, outcome="false_interruption"), turn(5, 600.0, outcome="server_error")]
    assert titled(telling(turns)) == {
        "no_reply: the longest wait of 2 failed turns": 1,
        "server_error: one of 2 failed turns": 2,
        "false_interruption: the failed turn": 4,
    }


def test_of_equal_failures_the_recorded_one_is_shown() -> None:
    turns = [turn(i, None, outcome="no_reply", censored_ms=10_000.0 + i) for i in range(5)]
    turns += [turn(i, None, outcome="server_error") for i in range(5, 9)]
    assert titled(telling(turns, recorded=[2, 7])) == {
        "no_reply: about the longest wait of 5 failed turns": 2,
        "server_error: one of 4 failed turns": 7,
    }


def test_rare_outcomes_are_only_counted() -> None:
    outcomes = ["no_reply", "server_error", "refused", "audio_less", "missed_turn", "disconnected"]
    turns = [turn(i, None, outcome=name) for i, name in enumerate(2 * [*outcomes, "false_turn"])]
    found = telling(turns[:-1])
    assert len(found.shown) == 6
    assert found.left_out == ["1 turn that failed in other ways"]


def test_the_worst_three_cut_off_are_shown_and_the_others_counted() -> None:
    found = telling([cut_off(index, 100 * (index + 1)) for index in range(7)])
    assert titled(found) == {
        "The turn cut off earliest of 7": 6,
        "The turn cut off 2nd earliest of 7": 5,
        "The turn cut off 3rd earliest of 7": 4,
    }
    assert found.left_out == ["4 turns cut off"]


def test_after_the_worst_cut_off_those_that_can_be_heard_go_first() -> None:
    found = telling([cut_off(index, 100 * (index + 1)) for index in range(25)], recorded=[3])
    assert titled(found) == {
        "The turn cut off earliest of 25": 24,
        "The turn cut off 2nd earliest of 25": 23,
        "The turn cut off 22nd earliest of 25": 3,
    }
    assert found.left_out == ["22 turns cut off"]


def test_a_reply_that_comes_too_soon_cuts_off_as_well() -> None:
    early = {"speech_stopped_ns": None, "first_audio_ns": END_NS - 900 * MS}
    found = telling([cut_off(0, 400), cut_off(1, 300, **early)])
    assert list(titled(found).values()) == [1, 0]


def test_barge_ins_are_worst_where_the_reply_went_on_longest() -> None:
    turns = [barge_in(1, 150, 900), barge_in(2, 400, None), barge_in(3, 100, 120)]
    turns += [barge_in(4, 90, 130), turn(5, None, outcome="talked_over")]
    found = telling(turns)
    assert titled(found) == {
        "The slowest barge-in of 4": 1,
        "The 2nd slowest barge-in of 4": 2,
        "The 3rd slowest barge-in of 4": 4,
    }
    assert found.left_out == ["1 barge-in"]


def test_no_turn_is_shown_twice() -> None:
    failed = {"outcome": "no_reply", "censored_ms": 10_000.0, "speech_stopped_ns": END_NS - MS}
    found = telling([turn(0, None, cut_off=True, **failed), cut_off(1, 300)])
    assert titled(found) == {
        "no_reply: the failed turn": 0,
        "The turn cut off earliest of 2": 1,
    }


def test_runs_of_before_there_were_barge_ins_have_none() -> None:
    row = turn(0, 500.0)
    del row["interrupts"]
    assert len(telling([row]).shown) == 1


def test_a_barge_in_is_heard_in_the_turn_that_it_interrupts() -> None:
    turns = [turn(0, None, outcome="talked_over"), barge_in(1, 150, 900)]
    turns += [turn(2, None, outcome="talked_over"), barge_in(3, 150, 700)]
    found = telling(turns, recorded=[0, 2, 3])
    assert titled(found) == {"The slowest barge-in of 2": 1, "The 2nd slowest barge-in of 2": 3}
    assert [recording and recording.turn_index for _, _, recording in found.shown] == [0, 3]

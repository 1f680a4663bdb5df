"""A turn's rows on its own clock: frames, what was heard, and the reply it speaks over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.report.data import ReportData
from bench.report.turn_clock import TurnClock, on_turn_clock
from tests.report.telling_runs import MS, change_rows, hold_back, interrupt, turn_at

SESSION = "w0-00000"


def clock_of(folder: Path, index: int) -> TurnClock:
    data = ReportData.load(folder)
    rows = data.turns[(data.turns["session_id"] == SESSION) & (data.turns["turn_index"] == index)]
    (record,) = data.turn_records([rows.iloc[0]])
    clock = on_turn_clock(record)
    assert clock is not None
    return clock


@pytest.fixture
def folder(synthetic_run: Callable[..., Path]) -> Path:
    return synthetic_run(sessions=2, outcomes={})


def test_instants_count_from_the_end_of_speech(folder: Path) -> None:
    clock, row = clock_of(folder, 2), turn_at(folder, SESSION, 2)
    assert clock.first_audio == pytest.approx(row["ttfa_ms"])
    assert clock.vad_stopped == clock.turn_end == pytest.approx(row["endpointing_delay_ms"])
    spoken_ns = row["speech_end_ns"] - row["speech_start_ns"]
    assert clock.speech_start == pytest.approx(-spoken_ns / MS)
    assert clock.old_reply is None
    assert len(clock.arrivals) == row["delta_count"]
    assert clock.arrivals[:, 1].sum() == row["reply_ms"]
    assert clock.heard[0][0] == clock.first_audio
    assert clock.stalls == []


def test_lateness_is_from_due_to_offered_and_what_the_target_held_back_is_apart(
    folder: Path,
) -> None:
    before = clock_of(folder, 2).frames
    speech_end_ns = int(turn_at(folder, SESSION, 2)["speech_end_ns"])
    hold_back(folder, SESSION, speech_end_ns, frames=10, until_ms=900)
    after = clock_of(folder, 2).frames
    np.testing.assert_allclose(after.late, before.late)
    assert after.late[:, 1].max() < 10
    assert len(before.held) == 0
    assert len(after.held) == 10
    np.testing.assert_allclose(after.held[:, 1], 900)
    assert (after.held[:, 0] >= 0).all()


def test_frames_that_were_never_taken_or_never_offered_are_told_apart(folder: Path) -> None:
    speech_end_ns = int(turn_at(folder, SESSION, 2)["speech_end_ns"])
    hold_back(folder, SESSION, speech_end_ns, frames=2, until_ms=900)

    def unsend(rows: list) -> list:
        mine = [row for row in rows if row["session_id"] == SESSION]
        due = [row for row in mine if row["due_ns"] >= speech_end_ns]
        for row in due[1:5]:
            row["sent_ns"] = None
        return rows

    change_rows(folder / "appends.parquet", unsend)
    frames = clock_of(folder, 2).frames
    assert np.isnan(frames.held[:, 1]).tolist() == [False, True]
    assert frames.never_offered == 3


def test_audio_that_comes_too_slowly_stalls_a_player(folder: Path) -> None:
    row = turn_at(folder, SESSION, 2)

    def slow_down(rows: list) -> list:
        for event in rows:
            if event["response_id"] == row["response_id"] and event["audio_ms"] is not None:
                since_ns = event["at_ns"] - row["first_audio_ns"]
                event["at_ns"] = int(row["first_audio_ns"] + 8 * since_ns)
        return rows

    def last(rows: list) -> list:
        for turn in rows:
            if turn["response_id"] == row["response_id"]:
                late_ns = 8 * (turn["last_audio_ns"] - turn["first_audio_ns"])
                turn["last_audio_ns"] = turn["first_audio_ns"] + late_ns
                turn["ended_ns"] = turn["last_audio_ns"] + 1_000 * MS
        return rows

    change_rows(folder / "events.parquet", slow_down)
    change_rows(folder / "turns.parquet", last)
    clock = clock_of(folder, 2)
    assert len(clock.stalls) >= 1
    assert sum(end - start for start, end in clock.played) == pytest.approx(row["reply_ms"])
    for (_, dry), (again, _), stall in zip(
        clock.played, clock.played[1:], clock.stalls, strict=False
    ):
        assert stall == (dry, again)


def test_a_barge_in_comes_with_the_reply_that_it_stops(folder: Path) -> None:
    interrupt(folder, SESSION, 3, after_ms=500)
    clock, row = clock_of(folder, 3), turn_at(folder, SESSION, 3)
    old = clock.old_reply
    assert old is not None
    assert old.turn_index == 2
    assert old.arrivals[0, 0] == pytest.approx(clock.speech_start - 500)
    assert old.last_audio == pytest.approx(clock.speech_start + row["barge_in_stop_ms"])
    assert old.arrivals[-1, 0] == pytest.approx(old.last_audio)
    assert clock.old_reply_stopped == old.last_audio
    assert old.silenced == clock.vad_started == pytest.approx(clock.speech_start + 100)
    assert old.heard[-1][1] == pytest.approx(old.silenced)
    assert clock.first_audio == pytest.approx(row["ttfa_ms"])
    assert len(clock.arrivals) == row["delta_count"]


def test_a_reply_that_was_over_before_the_caller_spoke_is_not_cut(folder: Path) -> None:
    interrupt(folder, SESSION, 3, after_ms=500)

    def short(rows: list) -> list:
        old = [e for e in rows if e["response_id"] == f"resp_{SESSION}_2" and e["audio_ms"]]
        gone = {id(event) for event in old[2:]}
        return [event for event in rows if id(event) not in gone]

    def none_since(rows: list) -> list:
        return [row | {"barge_in_stop_ms": None} for row in rows]

    change_rows(folder / "events.parquet", short)
    change_rows(folder / "turns.parquet", none_since)
    clock = clock_of(folder, 3)
    assert clock.old_reply is not None
    assert clock.old_reply.last_audio is None
    assert clock.old_reply.heard[-1][1] < clock.speech_start


def test_sounds_over_a_reply_are_the_callers(folder: Path) -> None:
    row = turn_at(folder, SESSION, 2)
    note_ns = int(row["first_audio_ns"]) + 300 * MS

    def overlay(rows: list) -> list:
        note = dict.fromkeys(rows[0]) | {
            "session_id": SESSION,
            "seq": 10**6,
            "direction": "note",
            "kind": "overlay",
            "type": "",
            "at_ns": note_ns,
            "detail": '{"turn": 2, "speech_end_ms": null, "duration_ms": 250}',
        }
        return [*rows, note]

    change_rows(folder / "events.parquet", overlay)
    ((start, end),) = clock_of(folder, 2).overlays
    assert start == pytest.approx((note_ns - row["speech_end_ns"]) / MS)
    assert end - start == pytest.approx(250)
    assert clock_of(folder, 3).overlays == []


def test_only_what_lies_in_the_turn_is_read(folder: Path) -> None:
    data = ReportData.load(folder)
    (record,) = data.turn_records([data.turns.iloc[2]])
    begin, end = record.turn["started_ns"], record.turn["ended_ns"]
    assert record.events["at_ns"].between(begin, end).all()
    assert record.appends["due_ns"].between(begin, end).all()
    assert 0 <= (end - begin) / (20 * MS) - len(record.appends) <= 1

"""What the figure of a turn says, in its drawing, its caption and its table."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.report.data import ReportData
from bench.report.page import render_page
from bench.report.theme import Chart
from bench.report.turn_words import cue
from bench.report.waterfall import waterfall
from bench.report.wording import NARROW_SPACE, number
from tests.report.telling_runs import change_rows, hold_back, interrupt, record, turn_at

SESSION = "w0-00000"


def figure(folder: Path, index: int) -> Chart:
    data = ReportData.load(folder)
    rows = data.turns[(data.turns["session_id"] == SESSION) & (data.turns["turn_index"] == index)]
    (record,) = data.turn_records([rows.iloc[0]])
    chart = waterfall(record, "it", "It")
    assert isinstance(chart, Chart)
    return chart


def words(chart: Chart) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", chart.svg)


@pytest.fixture
def folder(synthetic_run: Callable[..., Path]) -> Path:
    return synthetic_run(sessions=1, outcomes={})


def test_every_lane_is_named_once(folder: Path) -> None:
    said = words(figure(folder, 2))
    for name in (
        "Caller&#x27;s speech",
        "Frames, lateness",
        "Server heard speech",
        "Response",
        "Audio deltas",
        "Heard, no buffer",
        "Player, 100 ms buffer",
        "Time to first audio",
        "Voice to voice",
    ):
        assert said.count(name.replace("&#x27;", "'")) == 1
    assert "Held back by target" not in said
    assert "Barge-in stop" not in said


def test_the_figures_of_a_barge_in_are_drawn_said_and_listed(folder: Path) -> None:
    interrupt(folder, SESSION, 3)
    row = turn_at(folder, SESSION, 3)
    chart = figure(folder, 3)
    said, stop = words(chart), f"{number(row['barge_in_stop_ms'])}{NARROW_SPACE}ms"
    assert {"Old reply, deltas", "of turn 2", "Old reply, heard"} <= set(said)
    assert f"100{NARROW_SPACE}ms" in said
    assert stop in said
    assert "It interrupts the reply of turn 2" in chart.caption
    assert f"The server heard it 100{NARROW_SPACE}ms later." in chart.caption
    assert f"came {stop} after it began" in chart.caption
    listed = {line[0]: line[1] for line in chart.rows}
    assert listed["reply of turn 2: silenced"] == listed["server: speech started"]


def test_frames_that_the_target_held_back_have_a_lane_and_are_not_called_late(
    folder: Path,
) -> None:
    speech_end_ns = int(turn_at(folder, SESSION, 2)["speech_end_ns"])
    hold_back(folder, SESSION, speech_end_ns, frames=10, until_ms=900)
    chart = figure(folder, 2)
    assert "Held back by target" in words(chart)
    assert "The target held back 10 frames" in chart.caption
    listed = {line[0]: line[2] for line in chart.rows}
    (held,) = [lasts for what, lasts in listed.items() if what.startswith("longest wait of 10")]
    assert 850 < float(held) < 900
    (late,) = [lasts for what, lasts in listed.items() if what.startswith("latest of ")]
    assert float(late) < 10


def test_pauses_are_rows_with_begin_and_length(folder: Path) -> None:
    data = ReportData.load(folder)
    index = int(data.turns.index[data.turns["utterance"] == "mid_pause"][0])
    chart = figure(folder, int(data.turns.loc[index, "turn_index"]))
    (pause,) = [line for line in chart.rows if line[0] == "pause"]
    assert pause[1:] == ["\u22122\u202f950", "850"]
    assert all(len(line) == len(chart.columns) for line in chart.rows)


def test_colour_is_not_all_that_tells_a_stall_from_sound(folder: Path) -> None:
    row = turn_at(folder, SESSION, 2)

    def late(rows: list) -> list:
        mine = [e for e in rows if e["response_id"] == row["response_id"] and e["audio_ms"]]
        for event in mine[3:]:
            event["at_ns"] += 2_000_000_000
        return rows

    def longer(rows: list) -> list:
        for turn in rows:
            if turn["response_id"] == row["response_id"]:
                turn["last_audio_ns"] += 2_000_000_000
        return rows

    change_rows(folder / "events.parquet", late)
    change_rows(folder / "turns.parquet", longer)
    chart = figure(folder, 2)
    assert any(text.startswith("1 stall, ") for text in words(chart))
    assert "runs dry 1 time, for " in chart.caption
    assert "<pattern" in chart.svg
    assert [line[0] for line in chart.rows].count("stall") == 1


def test_an_outcome_of_another_version_stays_text(synthetic_run: Callable[..., Path]) -> None:
    folder = synthetic_run(sessions=1, outcomes={3: "<script>\x1b"})
    page = render_page(ReportData.load(folder))
    assert "<script" not in page
    assert "\x1b" not in page
    assert "<h3>&lt;script&gt;\\x1b: the failed turn</h3>" in page


def test_the_page_says_where_in_a_recording_to_listen(folder: Path) -> None:
    interrupt(folder, SESSION, 3)
    begun_ns = int(turn_at(folder, SESSION, 3)["speech_start_ns"])
    record(folder, [(SESSION, 2, "talked_over"), (SESSION, 4, "random")])
    zero_ns = int(turn_at(folder, SESSION, 2)["speech_end_ns"]) - 1_000_000_000
    data = ReportData.load(folder)
    over, own = data.recordings.listed
    (barged, plain) = data.turn_records([data.turns.iloc[3], data.turns.iloc[4]])
    at = f"{number((begun_ns - zero_ns) / 1e9)}{NARROW_SPACE}s"
    assert cue(barged, over) == (
        "It is of turn 2, which this one interrupts. "
        f"The caller breaks in at {at} of 2.00{NARROW_SPACE}s."
    )
    end = f"1.00{NARROW_SPACE}s of 2.00{NARROW_SPACE}s"
    assert cue(plain, own) == f"The caller stops speaking at {end}."
    page = render_page(data)
    assert f"The caller stops speaking at {end}." in page

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.report.data import ReportData
from bench.report.latency import settings as section
from bench.report.setting_notes import noted_settings
from bench.report.settings import LISTED, SETTINGS, by_setting

DESK = {"user": "Desk", "codec": "pcm", "chunk_ms": 20, "detection": "server_vad"}
PHONE = {"user": "Phone", "codec": "pcmu", "chunk_ms": 20, "detection": "none"}
WAITS = ("ttfa_ms", "voice_to_voice_ms", "endpointing_delay_ms")


def notes(*rows: tuple[str, str, int | None, str | None]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [[]] * 4
    kinds = (pa.string(), pa.string(), pa.int32(), pa.string())
    names = ("session_id", "kind", "turn_index", "detail")
    arrays = [pa.array(list(c), kind) for c, kind in zip(columns, kinds, strict=True)]
    return pa.table(arrays, names)


def asked(*turns: tuple[str, int]) -> pd.DataFrame:
    frame = pd.DataFrame(turns, columns=["session_id", "turn_index"])
    return frame.set_axis(range(7, 7 + len(frame)))  # no row is where its number says


def test_sessions_and_turns_say_what_they_were_held_with() -> None:
    found = noted_settings(
        notes(
            ("s1", "connect_started", None, '{"user": "Desk"}'),
            ("s2", "connect_started", None, '{"user": "Phone"}'),
            ("s1", "audio_started", None, '{"codec": "pcm", "chunk_ms": 20}'),
            ("s2", "audio_started", None, '{"codec": "pcmu", "chunk_ms": 40}'),
            ("s1", "utterance", None, '{"turn": 0, "detection": "server_vad"}'),
            ("s2", "utterance", 5, '{"turn": 0, "detection": "none", "modality": "text"}'),
            ("s2", "utterance", 1, '{"detection": "semantic_vad"}'),
            ("s2", "utterance", 1, '{"detection": "late"}'),
        ),
        asked(("s2", 1), ("s1", 0), ("s2", 0), ("s3", 0)),
    )
    assert found.index.tolist() == [7, 8, 9, 10]
    assert found["caller"].tolist()[:3] == ["Phone", "Desk", "Phone"]
    assert found["codec"].tolist()[:3] == ["pcmu", "pcm", "pcmu"]
    assert found["chunk_ms"].tolist()[:3] == [40, 20, 40]
    assert found["detection"].tolist()[:3] == ["semantic_vad", "server_vad", "none"]
    assert found["modality"].isna().tolist() == [True, True, False, True]
    assert found.loc[10].isna().all()


def test_notes_that_hold_nothing_give_nothing() -> None:
    found = noted_settings(notes(("s1", "utterance", None, None)), asked(("s1", 0)))
    assert list(found) == [setting.column for setting in SETTINGS]
    assert found.isna().all(axis=None)
    assert len(noted_settings(notes(), asked())) == 0


def test_what_all_share_is_one_line_and_what_differs_a_table(
    synthetic_run: Callable[..., Path],
) -> None:
    data = ReportData.load(synthetic_run(callers=(DESK, PHONE)))
    found = by_setting(data.turns, data.settings(), {"vad_silence_ms": 500}, WAITS)
    assert found.shared == "frames of 20 ms, replies as audio"
    assert [table.title for table in found.tables] == ["Caller, codec, turn detection"]
    codec = found.tables[0]
    assert [row.value for row in codec.rows] == ["Desk, pcm, server_vad", "Phone, pcmu, none"]
    measured = data.turns[data.turns["turn_class"] == "measured"]
    assert sum(row.turns for row in codec.rows) == len(measured)
    assert sum(row.cut_off for row in codec.rows) == 1
    assert sum(row.failed for row in codec.rows) == 1
    assert sum(row.waits["ttfa_ms"]["censored"] for row in codec.rows) == 1
    own = measured["session_id"].str[-1].astype(int) % 2 == 1
    waits = measured.loc[own & ~measured["cut_off"].astype(bool), "ttfa_ms"].dropna()
    phone = codec.rows[1].waits["ttfa_ms"]
    assert phone["n"] == len(waits)
    assert phone["max"] == waits.max()
    assert codec.rows[0].waits["endpointing_delay_ms"]["censored"] == 0


def test_one_setting_of_everything_is_told_in_a_line_with_what_was_asked(run60: Path) -> None:
    data = ReportData.load(run60)
    options = {"vad_silence_ms": 350, "vad_threshold": None, "eagerness": "low"}
    found = by_setting(data.turns, data.settings(), options, WAITS)
    assert found.tables == []
    assert found.shared == (
        "callers of class Caller, codec pcm, frames of 20 ms, "
        "turn detection server_vad (vad_silence_ms 350), replies as audio"
    )
    assert "All turns had one setting of everything" in section(data)


def test_settings_that_part_turns_differently_have_tables_of_their_own(
    synthetic_run: Callable[..., Path],
) -> None:
    wide = DESK | {"chunk_ms": 40}
    data = ReportData.load(synthetic_run(callers=(DESK, PHONE, wide)))
    tables = by_setting(data.turns, data.settings(), {}, WAITS).tables
    assert [table.title for table in tables] == ["Caller, codec, turn detection", "Frames"]
    assert [row.value for row in tables[1].rows] == ["20 ms", "40 ms"]


def test_many_values_are_listed_by_use() -> None:
    amounts = [2] * 30 + [9]
    codecs = [f"codec{i:02}" for i, amount in enumerate(amounts) for _ in range(amount)]
    turns = pd.DataFrame(
        {
            "turn_class": "measured",
            "outcome": "ok",
            "cut_off": False,
            "ttfa_ms": np.arange(len(codecs), dtype=float),
            "censored_ms": np.nan,
        }
    )
    settings = pd.DataFrame({setting.column: None for setting in SETTINGS}, index=turns.index)
    [table] = by_setting(turns, settings.assign(codec=codecs), {}, WAITS).tables
    assert table.rows[0].value == "codec30"
    assert table.rows[0].turns == 9
    assert len(table.rows) == LISTED
    assert table.further == 11


def test_the_section_shows_tables_or_says_why_not(synthetic_run: Callable[..., Path]) -> None:
    folder = synthetic_run(callers=(DESK, PHONE))
    html = section(ReportData.load(folder))
    assert "All turns alike" in html
    assert html.count("<table") == 1
    assert '<th scope="row" class="outside">Phone, pcmu, none</th>' in html
    (folder / "events.parquet").unlink()
    assert "holds no events (a baseline)" in section(ReportData.load(folder))


def test_no_turns_have_nothing_to_compare(synthetic_run: Callable[..., Path]) -> None:
    assert "No turn was started" in section(ReportData.load(synthetic_run(sessions=0)))

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.report.data import LATENESS_EDGES_MS, ReportData


def test_instants_stay_exact_integers(run60: Path) -> None:
    stored = pq.read_table(run60 / "turns.parquet")
    data = ReportData.load(run60)
    assert data.turns["speech_end_ns"].tolist() == stored["speech_end_ns"].to_pylist()
    assert any(value % 2 for value in data.turns["speech_end_ns"])  # no float64 holds those
    record = data.turn_records([data.turns.iloc[0]])[0]
    assert all(isinstance(value, int) for value in record.events["at_ns"].tolist())


def test_a_turn_comes_with_the_rows_of_its_own_session_in_order(run60: Path) -> None:
    data = ReportData.load(run60)
    chosen = [data.turns.iloc[3], data.turns.iloc[40]]
    records = data.turn_records(chosen)
    for turn, record in zip(chosen, records, strict=True):
        assert set(record.events["session_id"]) == {turn["session_id"]}
        assert set(record.appends["session_id"]) == {turn["session_id"]}
        assert record.events["at_ns"].is_monotonic_increasing
        assert len(record.appends) > 100


def test_sessions_open_and_close_on_the_seconds_of_the_run(run60: Path) -> None:
    marks = ReportData.load(run60).session_marks()
    opened = marks[marks["mark"] == "opened"]
    assert len(opened) == 10
    assert opened["since_start_s"].iloc[0] == pytest.approx(0.04)
    assert len(marks[marks["mark"] == "closed"]) == 10
    assert not len(marks[marks["mark"] == "error"])


def test_a_connection_lost_is_an_error_and_ends_its_session_once(
    synthetic_run: Callable[..., Path],
) -> None:
    folder = synthetic_run(sessions=1, turns_per_session=1, outcomes={})
    table = pq.read_table(folder / "events.parquet")
    rows = table.to_pylist()
    rows[-1]["detail"] = '{"by": "network"}'
    rows.append({**rows[-1], "at_ns": rows[-1]["at_ns"] + 1})
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / "events.parquet")
    marks = ReportData.load(folder).session_marks()
    assert marks["mark"].tolist() == ["opened", "closed", "error"]


def test_every_frame_is_counted_once(synthetic_run: Callable[..., Path]) -> None:
    folder = synthetic_run(sessions=1, turns_per_session=1, outcomes={})
    late_ms = [-1.0, 0.0, 0.5, 9.9, 10.1, 1e9, None]
    appends = pd.DataFrame(
        {
            "session_id": "w0-00000",
            "index": range(len(late_ms)),
            "due_ns": 10**18,
            "sent_ns": pd.array(
                [None if ms is None else 10**18 + int(ms * 1e6) for ms in late_ms], "Int64"
            ),
        }
    )
    pq.write_table(pa.Table.from_pandas(appends), folder / "appends.parquet")
    lateness = ReportData.load(folder).lateness()
    assert lateness.never_sent == 1
    assert lateness.counts.sum() == 6
    assert lateness.counts[0] == 2
    assert lateness.counts[-1] == 1
    limit = int(np.searchsorted(LATENESS_EDGES_MS, 10 * 0.999))
    assert lateness.counts[limit:].sum() == 2


def test_a_frame_that_the_target_held_back_is_not_late(synthetic_run: Callable[..., Path]) -> None:
    folder = synthetic_run(sessions=1, turns_per_session=1, outcomes={})
    appends = pa.table(
        {
            "session_id": ["w0-00000"] * 3,
            "due_ns": [0, 0, 0],
            "sent_ns": [500_000, 900_000_000, None],
            "offered_ns": [None, 500_000, 500_000],
        }
    )
    pq.write_table(appends, folder / "appends.parquet")
    lateness = ReportData.load(folder).lateness()
    assert lateness.never_sent == 0
    assert lateness.counts.tolist().count(3) == 1


@pytest.mark.parametrize("detail", ['{"by": "ser', "[1]", None])
def test_a_damaged_detail_does_not_spoil_the_page(
    synthetic_run: Callable[..., Path], detail: str | None
) -> None:
    folder = synthetic_run()
    table = pq.read_table(folder / "events.parquet")
    rows = [
        row | {"detail": detail} if row["kind"] == "closed" else row for row in table.to_pylist()
    ]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), folder / "events.parquet")
    marks = ReportData.load(folder).session_marks()
    assert "error" not in set(marks["mark"])

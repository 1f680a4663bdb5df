"""The run that the report is measured on: as large as asked, whole, and always the same."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bench.report.build import load_record
from bench.runs.folder import RunFolder
from tests.benchmarks.large_run import Size, write_run

SIZE = Size(turns=230, frames=3_000, deltas=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "run"
    write_run(path, SIZE)
    return path


def test_the_same_numbers_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "run", SIZE)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(names) > 50
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / "run" / name).read_bytes()


def test_turns_and_frames_are_as_many_as_asked_and_end_in_several_ways(
    folder: Path, tmp_path: Path
) -> None:
    write_run(tmp_path / "run", SIZE)
    record = load_record(RunFolder.open(tmp_path / "run"))
    assert len(record.turns) == SIZE.turns
    assert record.pacing.frames_due == SIZE.frames
    assert {turn.outcome for turn in record.turns} == {
        "ok",
        "cut_off",
        "missed_turn",
        "server_error",
    }
    assert record.lost_events == 0
    assert [(left.kind, left.reason) for left in record.unattributed] == [
        ("output_audio_delta", "of a response that was never created")
    ]
    rows = [pq.read_metadata(part).num_rows for part in (folder / "parts").glob("*.events.*")]
    assert pq.read_metadata(tmp_path / "run" / "events.parquet").num_rows == sum(rows)

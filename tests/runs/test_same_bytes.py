"""turns.parquet tells what happened, not which process wrote it down, nor in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.gate.reading import read_run
from bench.runs.folder import RunFolder
from tests.gate.made_runs import make_run

Tables = dict[str, pa.Table]
"""Rows by the name of their file: events and appends."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Tables]:
    """run.json and the rows of sessions of two workers, some of whose turns went wrong."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    make_run(path, sessions=6, turns=5, failing=0.2, refused=2)
    run = RunFolder.open(path).read_run()
    (worker,) = run["workers"].values()
    run["workers"] = {"w0": worker, "w1": worker}
    return run, {
        name: _dealt(pq.read_table(path / f"{name}.parquet")) for name in ("events", "appends")
    }


def _dealt(table: pa.Table) -> pa.Table:
    """Every other session given to another worker."""
    ids = table["session_id"].to_pylist()
    names = [f"w{int(each[-1]) % 2}{each[2:]}" for each in ids]
    column = pa.array(names).dictionary_encode()
    return table.set_column(0, table.schema.field("session_id"), column)


def turns_parquet(path: Path, run: dict[str, Any], parts: dict[str, Tables]) -> bytes:
    """What is derived of a run whose workers wrote these parts."""
    folder = RunFolder.create(path, run)
    for part, tables in parts.items():
        for name, table in tables.items():
            pq.write_table(table, path / "parts" / f"{part}.{name}.parquet")
    assert not read_run(path).invalid
    return folder.turns_path.read_bytes()


def of_worker(tables: Tables, worker: str) -> Tables:
    return {
        name: table.filter(pa.array([each[:2] == worker for each in ids.to_pylist()]))
        for name, table in tables.items()
        for ids in (table["session_id"],)
    }


def third(table: pa.Table, number: int) -> pa.Table:
    """The first, second or third part of its rows, counted from 0."""
    begin, end = (len(table) * edge // 3 for edge in (number, number + 1))
    return table.slice(begin, end - begin)


def test_one_process_two_workers_parts_and_shuffled_rows_give_the_same_bytes_of_turns_parquet(
    recorded: tuple[dict[str, Any], Tables], tmp_path: Path
) -> None:
    run, rows = recorded
    one = turns_parquet(tmp_path / "one", run, {"w0-00000": rows})
    assert pq.read_table(tmp_path / "one" / "turns.parquet").num_rows == 30
    by_worker = {f"{worker}-00000": of_worker(rows, worker) for worker in ("w0", "w1")}
    assert all(part["events"].num_rows for part in by_worker.values())
    assert turns_parquet(tmp_path / "two", run, by_worker) == one
    rng = np.random.default_rng(1)
    shuffled = {name: rows[name].take(rng.permutation(rows[name].num_rows)) for name in rows}
    assert shuffled["events"]["seq"] != rows["events"]["seq"]
    assert turns_parquet(tmp_path / "shuffled", run, {"w0-00000": shuffled}) == one


def test_sessions_that_go_on_from_part_to_part_give_the_same_bytes(
    recorded: tuple[dict[str, Any], Tables], tmp_path: Path
) -> None:
    run, rows = recorded
    parts = {
        f"w0-{number:05d}": {name: third(table, number) for name, table in rows.items()}
        for number in range(3)
    }
    one = turns_parquet(tmp_path / "one", run, {"w0-00000": rows})
    assert turns_parquet(tmp_path / "three", run, parts) == one

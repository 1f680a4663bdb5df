"""A file in the pieces in which it was written."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.problem import Problem
from bench.runs.pieces import FilePieces


def write(path: Path, sizes: list[int]) -> None:
    table = pa.table({"a": range(sum(sizes)), "b": ["x"] * sum(sizes)})
    with pq.ParquetWriter(path, table.schema) as writer:
        begin = 0
        for size in sizes:
            writer.write_table(table.slice(begin, size))
            begin += size


def test_pieces_are_those_written(tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", [3, 1, 4])
    with FilePieces(tmp_path / "t.parquet") as pieces:
        tables = [pieces.read(number, ["a"]) for number in range(len(pieces))]
    assert [table.to_pydict() for table in tables] == [
        {"a": [0, 1, 2]},
        {"a": [3]},
        {"a": [4, 5, 6, 7]},
    ]


def test_a_file_that_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(Problem, match=r"t\.parquet: cannot be read"):
        FilePieces(path)
    path.write_bytes(b"PAR1 and not much else PAR1")
    with pytest.raises(Problem, match=r"t\.parquet: cannot be read"):
        FilePieces(path)
    write(path, [50_000])
    content = bytearray(path.read_bytes())
    content[4:2_000] = bytes(1_996)
    path.write_bytes(content)
    with FilePieces(path) as pieces, pytest.raises(Problem, match="cannot be read"):
        pieces.read(0, ["a"])


def test_a_piece_tells_its_bounds_without_being_read(tmp_path: Path) -> None:
    write(tmp_path / "t.parquet", [3, 4])
    with FilePieces(tmp_path / "t.parquet") as pieces:
        assert [pieces.bounds(number, "a") for number in range(2)] == [(0, 2), (3, 6)]
        assert pieces.bounds(0, "b") == ("x", "x")
    table = pa.table({"a": pa.array([None, None], pa.int64())})
    pq.write_table(table, tmp_path / "nothing.parquet")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "silent.parquet", write_statistics=False)
    for name in ("nothing", "silent"):
        with FilePieces(tmp_path / f"{name}.parquet") as pieces:
            assert pieces.bounds(0, "a") is None

"""Reads a Parquet file piece by piece, as it was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from bench.problem import Problem


class FilePieces:
    """The row groups of a file: in a run folder, each is what one worker wrote at a time.

    Open while it is used as a context.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            Problem: it is missing or damaged.
        """
        self._path = path
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise self._problem(error) from None

    def __len__(self) -> int:
        return int(self._file.num_row_groups)

    @property
    def schema(self) -> pa.Schema:
        """Columns of every piece."""
        return self._file.schema_arrow

    def bounds(self, number: int, column: str) -> tuple[Any, Any] | None:
        """Least and largest value of a column in a piece; None where the file does not tell."""
        place = self._file.schema_arrow.get_field_index(column)
        told = self._file.metadata.row_group(number).column(place).statistics
        if told is None or not told.has_min_max:
            return None
        return told.min, told.max

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Those columns of a piece.

        Raises:
            Problem: the file is damaged there.
        """
        try:
            return self._file.read_row_group(number, list(columns), use_threads=False)
        except (OSError, pa.ArrowException) as error:
            raise self._problem(error) from None

    def _problem(self, error: Exception) -> Problem:
        return Problem(f"{self._path}: cannot be read ({error})")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

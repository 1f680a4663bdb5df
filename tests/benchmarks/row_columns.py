"""Turns rows made up by the thousand into the columns of a run's schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Rows:
    """Rows of many sessions under way, as chunks of columns."""

    def __init__(self) -> None:
        self._chunks: list[dict[str, NDArray[Any]]] = []

    def add(self, session: NDArray[np.int64], at_ns: NDArray[np.int64], **columns: Any) -> None:
        """One row for each of `session`; a column is one value, or one for each row."""
        filled = {"session": session, "at_ns": at_ns, **columns}
        shape = {name: np.broadcast_to(value, len(session)) for name, value in filled.items()}
        self._chunks.append(shape)

    def columns(self, defaults: dict[str, Any]) -> dict[str, NDArray[Any]]:
        """Every row, in the order of its session and instant."""
        whole = {
            name: np.concatenate(
                [
                    chunk.get(name, np.broadcast_to(default, len(chunk["session"])))
                    for chunk in self._chunks
                ]
            )
            for name, default in defaults.items()
        }
        order = np.lexsort((whole["at_ns"], whole["session"]))
        return {name: values[order] for name, values in whole.items()}


class Words:
    """Distinct strings by code; code -1 is no string."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def code(self, word: str) -> int:
        return self._codes.setdefault(word, len(self._codes))

    def take(self, codes: NDArray[np.int64]) -> pa.Array:
        return pa.array(list(self._codes), pa.string()).take(known(codes))


def known(values: NDArray[np.int64]) -> pa.Array:
    return pa.array(values, mask=values < 0)


def dictionary(codes: NDArray[np.int64], words: list[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(words))


def in_schema(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """The columns that the schema names; one it names and we do not know is null."""
    rows = len(columns["session_id"])
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in schema]
    return pa.table(arrays, names=schema.names).cast(schema)


def own_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pa.types.is_dictionary(column.type):
        return column
    return column.cast(pa.string()).dictionary_encode().cast(column.type)

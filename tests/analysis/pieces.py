"""Rows as tables of events in pieces, as workers write them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from bench.runs.event import EVENT_SCHEMA, EventRow


class Pieces(list[pa.Table]):
    """Tables as bench.analysis.sessions reads them."""

    def read(self, number: int, columns: Sequence[str]) -> pa.Table:
        return self[number].select(columns)


def event_table(rows: Sequence[EventRow]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(EVENT_SCHEMA)
    arrays = [
        pa.array(list(values), field.type)
        for values, field in zip(columns, EVENT_SCHEMA, strict=True)
    ]
    return pa.table(arrays, schema=EVENT_SCHEMA)


def in_pieces(rows: Sequence[EventRow], size: int = 7) -> Pieces:
    """As parts come: interleaved, each with dictionaries of its own."""
    return Pieces(event_table(rows[i : i + size]) for i in range(0, len(rows), size))

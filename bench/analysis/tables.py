"""Turns the event table into sessions of rows, and turns into the columns of turns.parquet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.analysis.clock import RunClock, worker_of
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.turns import Turn
from bench.runs.event import EventRow

TURN_METRICS: tuple[Metric, ...] = tuple(m for m in METRICS.values() if m.scope == "turn")

INSTANTS = (
    "started_ns",
    "speech_start_ns",
    "speech_end_ns",
    "speech_started_ns",
    "speech_stopped_ns",
    "response_created_ns",
    "first_audio_ns",
    "first_audible_ns",
    "last_audio_ns",
    "response_done_ns",
    "transcript_done_ns",
    "first_output_transcript_ns",
    "ended_ns",
)

COLUMNS: dict[str, str] = {
    "session_id": "string",
    "turn_index": "int64",
    "utterance": "string",
    "category": "string",
    "outcome": "string",
    "turn_class": "string",
    "cut_off": "bool",
    "cut_off_pause": "Int64",
    **dict.fromkeys(INSTANTS, "Int64"),
    "item_id": "string",
    "response_id": "string",
    "response_status": "string",
    "delta_count": "int64",
    "reply_ms": "float64",
    "error": "string",
    "censored_ms": "float64",
    "since_start_s": "float64",
    **dict.fromkeys((metric.name for metric in TURN_METRICS), "float64"),
}
"""Columns of turns.parquet in order, and their types: nanoseconds never become floats."""

_BLOCK_ROWS = 200_000


def censored_ms(turn: Turn) -> float | None:
    """Lower bound of ttfa_ms of a turn that ended without audio; None when it had some."""
    ttfa = METRICS["ttfa_ms"]
    if ttfa.bound is None or ttfa.measure(turn) is not None:
        return None
    return ttfa.bound(turn)


def turns_table(turns: Sequence[Turn], clock: RunClock | None = None) -> pd.DataFrame:
    """One row per turn with the columns of turns.parquet, ordered by session and turn.

    Without a clock `since_start_s` is missing throughout.
    """
    ordered = sorted(turns, key=lambda turn: (turn.session_id, turn.turn_index))
    derived = {
        "censored_ms": [censored_ms(turn) for turn in ordered],
        "since_start_s": [
            None if clock is None else clock.since_start_s(turn.session_id, turn.speech_end_ns)
            for turn in ordered
        ],
        **{metric.name: [metric.measure(turn) for turn in ordered] for metric in TURN_METRICS},
    }
    return pd.DataFrame(
        {
            name: pd.Series(
                derived[name] if name in derived else [getattr(turn, name) for turn in ordered],
                dtype=dtype,
            )
            for name, dtype in COLUMNS.items()
        }
    )


def turns_arrow(frame: pd.DataFrame) -> pa.Table:
    """The table to write as turns.parquet: missing is null, no pandas index."""
    return pa.Table.from_pandas(frame, preserve_index=False)


def events_to_sessions(events: pa.Table) -> Iterator[tuple[str, list[EventRow]]]:
    """Each session's rows in recorded order, sessions by id.

    Parts interleave sessions and workers, so rows are ordered here; sessions are made into rows
    one block at a time, so that a large run needs little more memory than its table.
    """
    if not events.num_rows:
        return
    # Each part brought a dictionary of its own; rows of several cannot be taken together.
    events = events.select(EventRow._fields).unify_dictionaries().combine_chunks()
    ids, codes = _codes(events.column("session_id"))
    order = np.lexsort((events.column("seq").to_numpy(), codes))
    ends = np.append(np.flatnonzero(np.diff(codes[order])) + 1, len(order))
    begin = 0
    while begin < len(order):
        block_ends = ends[(ends > begin) & (ends <= begin + _BLOCK_ROWS)]
        if not len(block_ends):
            block_ends = ends[ends > begin][:1]
        block = events.take(order[begin : block_ends[-1]])
        columns = [_values(column) for column in block.columns]
        rows = list(map(EventRow._make, zip(*columns, strict=True)))
        start = 0
        for end in block_ends - begin:
            yield ids[codes[order[begin + start]]], rows[start:end]
            start = int(end)
        begin = int(block_ends[-1])


def worker_spans(events: pa.Table) -> dict[str, tuple[int, int]]:
    """First and last instant of each worker, on its own clock."""
    if not events.num_rows:
        return {}
    ids, codes = _codes(events.column("session_id"))
    at_ns = events.column("at_ns").to_numpy()
    spans: dict[str, tuple[int, int]] = {}
    order = np.argsort(codes, kind="stable")
    begins = np.append(0, np.flatnonzero(np.diff(codes[order])) + 1)
    first = np.minimum.reduceat(at_ns[order], begins)
    last = np.maximum.reduceat(at_ns[order], begins)
    for code, low, high in zip(codes[order[begins]], first, last, strict=True):
        worker = worker_of(ids[code])
        before = spans.get(worker, (int(low), int(high)))
        spans[worker] = (min(before[0], int(low)), max(before[1], int(high)))
    return spans


def _codes(ids: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int64]]:
    """Distinct ids in order, and for each row its place among them."""
    plain = ids.cast(pa.string()) if pa.types.is_dictionary(ids.type) else ids
    distinct = pc.unique(plain).sort()
    codes = pc.index_in(plain, value_set=distinct).to_numpy()
    return distinct.to_pylist(), codes.astype(np.int64)


def _values(column: pa.ChunkedArray) -> list[Any]:
    # Few distinct strings: one object each instead of one per row.
    if pa.types.is_dictionary(column.type):
        values: list[Any] = []
        for chunk in column.chunks:
            words = chunk.dictionary.to_pylist()
            codes = chunk.indices.to_pylist()
            values += [None if code is None else words[code] for code in codes]
        return values
    return list(column.to_pylist())

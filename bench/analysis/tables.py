"""Turns turns into the columns of turns.parquet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from bench.analysis.clock import RunClock
from bench.analysis.metrics import METRICS, TURN_METRICS
from bench.analysis.turn import Turn
from bench.analysis.turn_figures import TurnFigures

INSTANTS = (
    "started_ns",
    "speech_start_ns",
    "speech_end_ns",
    "speech_started_ns",
    "speech_stopped_ns",
    "requested_ns",
    "tool_call_ns",
    "tool_result_ns",
    "tool_reply_ns",
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
    "kind": "string",
    "expects": "string",
    "interrupts": "Int64",
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
    **{
        metric.name: "boolean" if metric.is_rate else "float64"
        for metric in TURN_METRICS
        if metric.name != "cut_off"  # which every turn has
    },
}
"""Columns of turns.parquet in order, and their types: nanoseconds never become floats."""


def censored_ms(turn: Turn) -> float | None:
    """Lower bound of ttfa_ms of a turn that ended without audio; None when it had some."""
    ttfa = METRICS["ttfa_ms"]
    if ttfa.bound is None or ttfa.measure(turn) is not None:
        return None
    return ttfa.bound(turn)


def turns_table(
    turns: Sequence[Turn], clock: RunClock | None = None, figures: TurnFigures | None = None
) -> pd.DataFrame:
    """One row per turn with the columns of turns.parquet, ordered by session and turn.

    Without a clock `since_start_s` is missing throughout. `figures` are those of `turns`, if
    they were measured already.
    """
    figures = figures or TurnFigures.of(turns)
    order = sorted(
        range(len(turns)), key=lambda index: (turns[index].session_id, turns[index].turn_index)
    )
    ordered = [turns[index] for index in order]
    measured = {**figures.values, "censored_ms": figures.bounds["ttfa_ms"]}
    since_start_s = [
        None if clock is None else clock.since_start_s(turn.session_id, turn.speech_end_ns)
        for turn in ordered
    ]
    columns = {}
    for name, dtype in COLUMNS.items():
        if name in measured and name != "cut_off":
            values = measured[name][order]
            column = pd.Series(values if dtype == "float64" else _flags(values), dtype=dtype)
        elif name == "since_start_s":
            column = pd.Series(since_start_s, dtype=dtype)
        else:
            column = pd.Series([getattr(turn, name) for turn in ordered], dtype=dtype)
        columns[name] = column
    return pd.DataFrame(columns)


def _flags(values: NDArray[np.float64]) -> pd.arrays.BooleanArray:
    unknown = np.isnan(values)
    return pd.arrays.BooleanArray(np.where(unknown, 0, values).astype(bool), unknown)


def turns_arrow(frame: pd.DataFrame) -> pa.Table:
    """The table to write as turns.parquet: missing is null, no pandas index."""
    return pa.Table.from_pandas(frame, preserve_index=False)

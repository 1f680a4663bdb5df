"""Turns turns into the columns of turns.parquet."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from bench.analysis.clock import RunClock
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.turns import Turn

TURN_METRICS: tuple[Metric, ...] = tuple(m for m in METRICS.values() if m.scope == "turn")

INSTANTS = (
    "started_ns",
    "speech_start_ns",
    "speech_end_ns",
    "speech_started_ns",
    "speech_stopped_ns",
    "requested_ns",
    "tool_call_ns",
    "tool_result_ns",
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
    **dict.fromkeys((metric.name for metric in TURN_METRICS), "float64"),
}
"""Columns of turns.parquet in order, and their types: nanoseconds never become floats."""


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

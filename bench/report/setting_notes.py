"""Turns the notes that sessions and turns begin with into a row of settings for each turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from bench.analysis.detail import number, parsed, text

KINDS = ("connect_started", "audio_started", "utterance")
"""Of events that note settings."""

_OF_SESSIONS: dict[str, tuple[str, str, Callable[[object], Any]]] = {
    # column: kind of the note, key in its detail, what reads it
    "caller": ("connect_started", "user", text),
    "codec": ("audio_started", "codec", text),
    "chunk_ms": ("audio_started", "chunk_ms", number),
}
_OF_TURNS = ("detection", "modality")


def noted_settings(notes: pa.Table, turns: pd.DataFrame) -> pd.DataFrame:
    """One row for each of `turns`, in their order, missing where nothing was noted.

    `notes` are rows of events.parquet, of KINDS at least: `session_id`, `kind`, `turn_index`,
    `detail`. `caller` (a class of the scenario), `codec` and `chunk_ms` are the session's,
    `detection` and `modality` the turn's.
    """
    rows = {kind: _rows(notes, kind) for kind in KINDS}
    settings = pd.DataFrame(index=turns.index)
    for column, (kind, key, read) in _OF_SESSIONS.items():
        values = _read(rows[kind], key, read)
        of_session = dict(zip(rows[kind]["session_id"], values, strict=True))
        settings[column] = turns["session_id"].map(of_session)
    spoken = rows["utterance"]
    spoken["turn"] = _read(spoken, "turn", number)
    spoken["turn"] = spoken["turn"].astype("Float64").fillna(spoken["turn_index"])
    for column in _OF_TURNS:
        spoken[column] = _read(spoken, column, text)
    spoken = spoken.dropna(subset=["turn"]).drop_duplicates(["session_id", "turn"])
    held = pd.DataFrame(
        {"session_id": turns["session_id"], "turn": turns["turn_index"].astype("Float64")}
    ).merge(spoken, how="left", on=["session_id", "turn"])
    for column in _OF_TURNS:
        settings[column] = held[column].to_numpy(object)
    return settings


def _rows(notes: pa.Table, kind: str) -> pd.DataFrame:
    wanted = notes.filter(pc.equal(notes.column("kind").cast(pa.string()), kind))
    return pd.DataFrame(
        {
            "session_id": wanted.column("session_id").cast(pa.string()).to_pandas(),
            "turn_index": wanted.column("turn_index").to_pandas().astype("Float64"),
            "detail": wanted.column("detail").to_pandas(),
        }
    )


def _read(rows: pd.DataFrame, key: str, read: Callable[[object], Any]) -> pd.Series:
    """One value of each row's detail: a run has many rows and few details."""
    codes, details = pd.factorize(rows["detail"])
    found = [read(parsed(detail).get(key)) for detail in details]
    return pd.Series([*found, None], dtype=object).take(codes).set_axis(rows.index)

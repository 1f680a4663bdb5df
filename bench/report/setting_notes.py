"""Turns the notes that sessions and turns begin with into a row of settings for each turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

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


class _Notes(NamedTuple):
    """Notes of one kind: `details[codes[i]]` is what note i says, the last for one that is mute.

    A run has many notes and few details: each is read once.
    """

    session_id: NDArray[np.object_]
    turn_index: NDArray[np.float64]
    codes: NDArray[np.int64]
    details: list[dict[str, Any]]

    @classmethod
    def of(cls, notes: pa.Table) -> _Notes:
        told = notes.column("detail").combine_chunks().dictionary_encode()
        return cls(
            notes.column("session_id").cast(pa.string()).to_numpy(),
            notes.column("turn_index").cast(pa.float64()).to_numpy(),
            told.indices.fill_null(len(told.dictionary)).to_numpy().astype(np.int64),
            [*map(parsed, told.dictionary.to_pylist()), {}],
        )

    def read(self, key: str, read: Callable[[object], Any]) -> NDArray[np.object_]:
        """One value of each note's detail."""
        return _objects([read(detail.get(key)) for detail in self.details])[self.codes]


def noted_settings(notes: pa.Table, turns: pd.DataFrame) -> pd.DataFrame:
    """One row for each of `turns`, in their order, missing where nothing was noted.

    `notes` are rows of events.parquet, of KINDS at least: `session_id`, `kind`, `turn_index`,
    `detail`. `caller` (a class of the scenario), `codec` and `chunk_ms` are the session's,
    `detection` and `modality` the turn's.
    """
    kinds = notes.column("kind").cast(pa.string())
    noted = {kind: _Notes.of(notes.filter(pc.equal(kinds, kind))) for kind in KINDS}
    sessions, session_ids = pd.factorize(turns["session_id"])
    settings = {}
    for column, (kind, key, read) in _OF_SESSIONS.items():
        said = dict(zip(noted[kind].session_id, noted[kind].read(key, read), strict=True))
        settings[column] = _objects([said.get(session) for session in session_ids])[sessions]
    spoken = noted["utterance"]
    place = _places(spoken, sessions, session_ids, turns["turn_index"].to_numpy(np.int64))
    for column in _OF_TURNS:
        settings[column] = np.append(spoken.read(column, text), [None])[place]
    return pd.DataFrame(settings, index=turns.index)


def _places(
    spoken: _Notes,
    sessions: NDArray[np.intp],
    session_ids: pd.Index,
    turn_index: NDArray[np.int64],
) -> NDArray[np.intp]:
    """For each turn the place of its first note, -1 where it has none."""
    width = int(turn_index.max(initial=0)) + 1
    turn = spoken.read("turn", number).astype(np.float64)
    turn = np.where(np.isnan(turn), spoken.turn_index, turn)
    owner = pd.Index(session_ids).get_indexer(pd.Index(spoken.session_id))
    known = (owner >= 0) & (turn >= 0) & (turn < width)
    keys = owner[known] * width + turn[known].astype(np.int64)
    keys, first = np.unique(keys, return_index=True)
    if not len(keys):
        return np.full(len(turn_index), -1)
    wanted = sessions * width + turn_index
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[found] == wanted, np.flatnonzero(known)[first[found]], -1)


def _objects(values: list[Any]) -> NDArray[np.object_]:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array

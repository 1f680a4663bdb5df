"""A run folder as the page needs it: small files whole, Parquet rows only when asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.analysis.clock import RunClock
from bench.analysis.detail import parsed, text
from bench.analysis.pacing import lateness_ms
from bench.analysis.sessions import SessionIndex
from bench.runs.pieces import FilePieces

LATENESS_EDGES_MS: NDArray[np.float64] = np.logspace(-3, 5, 81)
"""Bin edges of the lateness histogram, milliseconds: ten to the decade, 1 µs to 100 s."""

_SESSION_KINDS = ["connect_started", "connected", "connect_failed", "error", "closed"]
_MARK_COLUMNS = ["session_id", "kind", "at_ns", "detail"]
_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}


@dataclass(frozen=True)
class TurnRecord:
    """One turn with the session's events and appends around it.

    `turn` has the columns of turns.parquet, `events` and `appends` those of their files;
    instants are monotonic nanoseconds of one worker.
    """

    turn: pd.Series
    events: pd.DataFrame
    appends: pd.DataFrame


@dataclass(frozen=True)
class Lateness:
    """Frames by how late they were offered: `counts[i]` between edge i and i+1, milliseconds.

    The first bin also holds everything sooner, the last everything later.
    """

    counts: NDArray[np.int64]
    never_sent: int


@dataclass(frozen=True)
class ReportData:
    """What a page is made of: run.json, summary.json and turns.parquet of one folder."""

    folder: Path
    run: dict[str, Any]
    summary: dict[str, Any]
    turns: pd.DataFrame

    @classmethod
    def load(cls, folder: Path) -> ReportData:
        """Read the run's small files and its turns.

        Raises:
            OSError: a file is missing; `rtbench report` derives summary and turns first.
        """
        return cls(
            folder=folder,
            run=json.loads((folder / "run.json").read_text(encoding="utf-8")),
            summary=json.loads((folder / "summary.json").read_text(encoding="utf-8")),
            turns=_frame(pq.read_table(folder / "turns.parquet")),
        )

    @cached_property
    def cut_off(self) -> pd.Series[bool]:
        """Which turns the server cut off."""
        return self.turns["cut_off"].fillna(value=False).astype(bool)

    @cached_property
    def latency_turns(self) -> pd.DataFrame:
        """The turns that latency percentiles are made of: measured and not cut off."""
        return self.turns[(self.turns["turn_class"] == "measured") & ~self.cut_off]

    def turn_records(self, turns: pd.DataFrame) -> list[TurnRecord]:
        """Each of `turns` with its session's events and appends, in one pass over each file."""
        session_ids = sorted(set(turns["session_id"]))
        events = self._rows_of("events.parquet", session_ids)
        appends = self._rows_of("appends.parquet", session_ids)
        return [
            TurnRecord(
                turn,
                events[events["session_id"] == turn["session_id"]].sort_values("at_ns"),
                appends[appends["session_id"] == turn["session_id"]].sort_values("due_ns"),
            )
            for _, turn in turns.iterrows()
        ]

    def has(self, name: str) -> bool:
        """Whether the folder holds the file; a baseline comes without events and appends."""
        return (self.folder / name).exists()

    def _rows_of(self, name: str, session_ids: list[str]) -> pd.DataFrame:
        return _frame(self._select(name, "session_id", pa.array(session_ids, pa.string())))

    def _select(
        self, name: str, by: str, wanted: pa.Array, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Rows of a file whose column `by` is `wanted`, piece by piece: most hold few or none."""
        with FilePieces(self.folder / name) as pieces:
            columns = columns or pieces.schema.names
            found = [pieces.schema.empty_table().select(columns)]
            for number in range(len(pieces)):
                words = pieces.read(number, [by]).column(by).cast(pa.string())
                is_wanted = pc.is_in(words, value_set=wanted)
                if pc.any(is_wanted).as_py():
                    found.append(pieces.read(number, columns).filter(is_wanted))
        return pa.concat_tables(found)

    def session_marks(self) -> pd.DataFrame:
        """Sessions opening and closing and errors: `since_start_s`, `mark`, `session_id`.

        `mark` is `opened`, `closed` or `error`.
        """
        kinds = pa.array(_SESSION_KINDS, pa.string())
        table = self._select("events.parquet", "kind", kinds, _MARK_COLUMNS)
        index = SessionIndex()
        index.add(table)
        clock = RunClock.of_run(self.run, index.spans)
        opened: set[str] = set()
        marks: list[tuple[float | None, str, str]] = []
        for row in table.sort_by("at_ns").to_pylist():
            session_id, kind = row["session_id"], row["kind"]
            since_start_s = clock.since_start_s(session_id, row["at_ns"])
            if kind == "connected":
                opened.add(session_id)
                marks.append((since_start_s, "opened", session_id))
            elif kind in {"connect_failed", "error"}:
                marks.append((since_start_s, "error", session_id))
            elif kind == "closed" and session_id in opened:
                opened.remove(session_id)
                marks.append((since_start_s, "closed", session_id))
                if text(parsed(row["detail"]).get("by")) not in {None, "client"}:
                    marks.append((since_start_s, "error", session_id))
        return pd.DataFrame(marks, columns=["since_start_s", "mark", "session_id"])

    def lateness(self) -> Lateness:
        """Pacing lateness of every frame that was offered, counted batch by batch."""
        counts = np.zeros(len(LATENESS_EDGES_MS) - 1, dtype=np.int64)
        never_sent = 0
        with pq.ParquetFile(self.folder / "appends.parquet") as appends:
            for batch in appends.iter_batches(columns=["due_ns", "sent_ns", "offered_ns"]):
                late_ms = lateness_ms(batch)
                never_sent += len(batch) - len(late_ms)
                late_ms = np.clip(late_ms, LATENESS_EDGES_MS[0], LATENESS_EDGES_MS[-1])
                counts += np.histogram(late_ms, LATENESS_EDGES_MS)[0]
        return Lateness(counts, never_sent)


def _frame(table: pa.Table) -> pd.DataFrame:
    """A DataFrame whose nanoseconds stay integers and whose ids are plain strings."""
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(index, field.name, table.column(index).cast(pa.string()))
    frame: pd.DataFrame = table.to_pandas(types_mapper=_NULLABLE.get)
    return frame

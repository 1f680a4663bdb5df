"""A run folder as the page needs it: small files whole, Parquet rows only when asked for."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

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
from bench.report.judgement import Judgement
from bench.report.setting_notes import KINDS, noted_settings
from bench.report.sound import Recordings, read_recordings
from bench.runs.pieces import FilePieces

LATENESS_EDGES_MS: NDArray[np.float64] = np.logspace(-3, 5, 81)
"""Bin edges of the lateness histogram, milliseconds: ten to the decade, 1 µs to 100 s."""

_SESSION_KINDS = ["connect_started", "connected", "connect_failed", "error", "closed"]
_NOTE_COLUMNS = ["session_id", "turn_index", "kind", "at_ns", "detail"]
_NEVER_NS = 2**63 - 1
_NULLABLE = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype()}


@dataclass(frozen=True)
class TurnRecord:
    """One turn with the session's events and appends around it.

    `turn` has the columns of turns.parquet; `interrupted` is the turn whose reply it speaks
    over, if there is one; `events` and `appends` are those of the session from the beginning
    of either until the turn ended. Instants are monotonic nanoseconds of one worker.
    """

    turn: pd.Series
    interrupted: pd.Series | None
    events: pd.DataFrame
    appends: pd.DataFrame


class Window(NamedTuple):
    """A time of one session, both ends included; in monotonic nanoseconds of its worker."""

    session_id: str
    begin_ns: int
    end_ns: int

    @classmethod
    def around(cls, turn: pd.Series, before: pd.Series | None) -> Window:
        """From the beginning of a turn, or of one before it, until all that is known of it."""
        instants = [v for name, v in turn.items() if str(name).endswith("_ns") and pd.notna(v)]
        begin_ns = turn["started_ns"] if before is None else before["started_ns"]
        end_ns = max(instants) if pd.notna(turn["ended_ns"]) else _NEVER_NS
        return cls(turn["session_id"], int(begin_ns), int(end_ns))

    def meets(self, first_ns: int, last_ns: int) -> bool:
        """Whether anything from `first_ns` to `last_ns` may lie in it."""
        return self.begin_ns <= last_ns and first_ns <= self.end_ns

    def of(self, rows: pd.DataFrame, instant: str) -> pd.DataFrame:
        """Those of `rows` that lie in it, in order."""
        mine = (rows["session_id"] == self.session_id) & rows[instant].between(*self[1:])
        return rows[mine].sort_values(instant, kind="stable")


@dataclass(frozen=True)
class Lateness:
    """Frames by how late they were offered: `counts[i]` between edge i and i+1, milliseconds.

    The first bin also holds everything sooner, the last everything later.
    """

    counts: NDArray[np.int64]
    never_sent: int


@dataclass(frozen=True)
class ReportData:
    """What a page is made of: run.json, summary.json and turns.parquet of one folder.

    `judgement` is what was decided about the run, None where nothing was asked.
    """

    folder: Path
    run: dict[str, Any]
    summary: dict[str, Any]
    turns: pd.DataFrame
    judgement: Judgement | None = None

    @classmethod
    def load(cls, folder: Path, judgement: Judgement | None = None) -> ReportData:
        """Read the run's small files and its turns.

        Raises:
            OSError: a file is missing; `rtbench report` derives summary and turns first.
        """
        return cls(
            folder=folder,
            run=json.loads((folder / "run.json").read_text(encoding="utf-8")),
            summary=json.loads((folder / "summary.json").read_text(encoding="utf-8")),
            turns=_frame(pq.read_table(folder / "turns.parquet")),
            judgement=judgement,
        )

    @cached_property
    def cut_off(self) -> pd.Series[bool]:
        """Which turns the server cut off."""
        return self.turns["cut_off"].fillna(value=False).astype(bool)

    @cached_property
    def latency_turns(self) -> pd.DataFrame:
        """The turns that latency percentiles are made of: measured and not cut off."""
        return self.turns[(self.turns["turn_class"] == "measured") & ~self.cut_off]

    @cached_property
    def recordings(self) -> Recordings:
        """What was recorded of the run, to be listened to."""
        return read_recordings(self.folder)

    def turn_records(self, turns: Sequence[pd.Series]) -> list[TurnRecord]:
        """Each of `turns` with its session's events and appends, in one pass over each file."""
        olds = [self._interrupted_by(turn) for turn in turns]
        windows = [Window.around(turn, old) for turn, old in zip(turns, olds, strict=True)]
        events = self._rows_within("events.parquet", "at_ns", windows)
        appends = self._rows_within("appends.parquet", "due_ns", windows)
        return [
            TurnRecord(turn, old, window.of(events, "at_ns"), window.of(appends, "due_ns"))
            for turn, old, window in zip(turns, olds, windows, strict=True)
        ]

    def _interrupted_by(self, turn: pd.Series) -> pd.Series | None:
        """The turn of the same session that this one interrupts."""
        index = turn.get("interrupts")
        if index is None or pd.isna(index):
            return None
        turns = self.turns
        is_it = (turns["session_id"] == turn["session_id"]) & (turns["turn_index"] == index)
        found = turns[is_it]
        return found.iloc[0] if len(found) else None

    def has(self, name: str) -> bool:
        """Whether the folder holds the file; a baseline comes without events and appends."""
        return (self.folder / name).exists()

    def _rows_within(self, name: str, instant: str, windows: Sequence[Window]) -> pd.DataFrame:
        """Rows of the windows' sessions, from those pieces of a file that reach into a window."""

        def reaches(pieces: FilePieces, number: int) -> bool:
            bounds = pieces.bounds(number, instant)
            return bounds is None or any(window.meets(*bounds) for window in windows)

        session_ids = pa.array(sorted({window.session_id for window in windows}), pa.string())
        return _frame(self._select(name, "session_id", session_ids, reaches=reaches))

    def _select(
        self,
        name: str,
        by: str,
        wanted: pa.Array,
        columns: Sequence[str] | None = None,
        reaches: Callable[[FilePieces, int], bool] = lambda pieces, number: True,
    ) -> pa.Table:
        """Rows of a file whose column `by` is `wanted`, piece by piece: most hold few or none."""
        with FilePieces(self.folder / name) as pieces:
            columns = columns or pieces.schema.names
            found = [pieces.schema.empty_table().select(columns)]
            for number in range(len(pieces)):
                if not reaches(pieces, number):
                    continue
                words = pieces.read(number, [by]).column(by).cast(pa.string())
                is_wanted = pc.is_in(words, value_set=wanted)
                if pc.any(is_wanted).as_py():
                    found.append(pieces.read(number, columns).filter(is_wanted))
        return pa.concat_tables(found)

    @cached_property
    def notes(self) -> pa.Table:
        """The events that tell of sessions, errors and settings, in one pass over the file."""
        kinds = pa.array([*_SESSION_KINDS, *KINDS], pa.string())
        with FilePieces(self.folder / "events.parquet") as pieces:
            found = [pieces.schema.empty_table().select(_NOTE_COLUMNS)]
            for number in range(len(pieces)):  # nearly all of them begin a turn
                piece = pieces.read(number, _NOTE_COLUMNS)
                is_one = pc.is_in(piece.column("kind").cast(pa.string()), value_set=kinds)
                found.append(piece.filter(is_one))
        return pa.concat_tables(found).unify_dictionaries().combine_chunks()

    def settings(self) -> pd.DataFrame:
        """What each turn was held with, see noted_settings."""
        return noted_settings(self.notes, self.turns)

    def session_marks(self) -> pd.DataFrame:
        """Sessions opening and closing and errors: `since_start_s`, `mark`, `session_id`.

        `mark` is `opened`, `closed` or `error`.
        """
        kinds = pa.array(_SESSION_KINDS, pa.string())
        notes = self.notes
        table = notes.filter(pc.is_in(notes.column("kind").cast(pa.string()), value_set=kinds))
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

"""Turns the record of frames and arrivals into how well the instrument itself kept time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.analysis.statistics import Distribution, distribution

APPEND_COLUMNS = ("session_id", "due_ns", "sent_ns", "offered_ns")
"""The columns of appends.parquet that pacing needs; `offered_ns` is not in every run's."""


@dataclass(frozen=True, slots=True)
class PacingResult:
    """How frames left.

    `lateness_ms` is the instrument's: from the instant a frame was due to the one it was first
    offered to the socket; `missing` were never offered. `held_ms` is the target's: from then to
    the instant the socket had taken the whole frame, of frames that had to wait for room
    because the target did not read; `missing` were never taken.
    """

    frames_due: int
    frames_sent: int
    lateness_ms: Distribution
    held_ms: Distribution
    sessions_held: int

    @property
    def frames_held(self) -> int:
        """Frames that found no room."""
        return self.held_ms.n + self.held_ms.missing

    def to_json(self) -> dict[str, Any]:
        """`pacing` of summary.json."""
        return {
            "frames_due": self.frames_due,
            "frames_sent": self.frames_sent,
            "lateness_ms": self.lateness_ms.to_json(),
            "held_back": {
                "frames": self.frames_held,
                "sessions": self.sessions_held,
                "held_ms": self.held_ms.to_json(),
            },
        }


class Pacing:
    """Takes frames batch by batch and keeps eight bytes of each."""

    def __init__(self) -> None:
        self._lateness_ms: list[NDArray[np.float64]] = []
        self._held_ms: list[NDArray[np.float64]] = []
        self._held_sessions: set[str] = set()
        self._due = 0
        self._sent = 0
        self._held = 0

    def add(self, frames: pa.RecordBatch | pa.Table) -> None:
        """Take rows of APPEND_SCHEMA; only APPEND_COLUMNS are looked at."""
        self._due += frames.num_rows
        self._sent += frames.num_rows - frames.column("sent_ns").null_count
        self._lateness_ms.append(lateness_ms(frames))
        if "offered_ns" in frames.schema.names:
            self._add_held(frames.filter(pc.is_valid(frames.column("offered_ns"))))

    def _add_held(self, frames: pa.RecordBatch | pa.Table) -> None:
        if not frames.num_rows:
            return
        held_ns = pc.subtract(frames.column("sent_ns"), frames.column("offered_ns"))
        self._held += frames.num_rows
        self._held_ms.append(held_ns.drop_null().to_numpy() / 1e6)
        self._held_sessions.update(pc.unique(frames.column("session_id")).to_pylist())

    def result(self) -> PacingResult:
        """Everything taken so far."""
        late_ms = _joined(self._lateness_ms)
        held_ms = _joined(self._held_ms)
        return PacingResult(
            frames_due=self._due,
            frames_sent=self._sent,
            lateness_ms=distribution(late_ms, missing=self._due - len(late_ms)),
            held_ms=distribution(held_ms, missing=self._held - len(held_ms)),
            sessions_held=len(self._held_sessions),
        )


def lateness_ms(frames: pa.RecordBatch | pa.Table) -> NDArray[np.float64]:
    """How late the instrument was with each frame that it offered to a socket, in ms."""
    offered_late_ns: NDArray[np.int64] = late_ns(frames).drop_null().to_numpy()
    return offered_late_ns / 1e6


def late_ns(frames: pa.RecordBatch | pa.Table) -> pa.Array | pa.ChunkedArray:
    """From when each frame was due to when it was first offered to a socket; null if never."""
    offered_ns = frames.column("sent_ns")
    if "offered_ns" in frames.schema.names:
        offered_ns = pc.coalesce(frames.column("offered_ns"), offered_ns)
    return pc.subtract(offered_ns, frames.column("due_ns"))


def _joined(pieces: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    return np.concatenate(pieces) if pieces else np.empty(0)


def client_lag_ms(events: pa.Table | pa.RecordBatch) -> NDArray[np.float64]:
    """read_ns - at_ns of every received event, in ms: how long it lay unread in our process."""
    received = pc.equal(events.column("direction"), "in")
    lag_ns = pc.subtract(events.column("read_ns"), events.column("at_ns"))
    lag: NDArray[np.int64] = lag_ns.filter(received).drop_null().to_numpy()
    return lag / 1e6

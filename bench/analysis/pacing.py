"""Turns the record of frames and arrivals into how well the instrument itself kept time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.analysis.statistics import Distribution, distribution

APPEND_COLUMNS = ("session_id", "due_ns", "sent_ns")
"""The columns of appends.parquet that pacing needs."""


@dataclass(frozen=True, slots=True)
class SessionFrames:
    """Frames of one session: due by its schedule, and handed to the kernel."""

    due: int
    sent: int


@dataclass(frozen=True, slots=True)
class PacingResult:
    """How frames left: lateness in ms is sent - due of those sent; `missing` were never sent."""

    frames_due: int
    frames_sent: int
    lateness_ms: Distribution
    by_session: dict[str, SessionFrames]


class Pacing:
    """Takes frames batch by batch and keeps eight bytes of each."""

    def __init__(self) -> None:
        self._lateness_ms: list[NDArray[np.float64]] = []
        self._due: defaultdict[str, int] = defaultdict(int)
        self._sent: defaultdict[str, int] = defaultdict(int)

    def add(self, frames: pa.RecordBatch | pa.Table) -> None:
        """Take rows of APPEND_SCHEMA; only APPEND_COLUMNS are looked at."""
        sent = frames.column("sent_ns")
        late_ns = pc.subtract(sent, frames.column("due_ns")).drop_null()
        self._lateness_ms.append(late_ns.to_numpy() / 1e6)
        counts = pa.table({"session_id": _plain(frames.column("session_id")), "sent_ns": sent})
        counts = counts.group_by("session_id").aggregate([("sent_ns", "count"), ([], "count_all")])
        for session_id, session_sent, due in zip(
            counts["session_id"].to_pylist(),
            counts["sent_ns_count"].to_pylist(),
            counts["count_all"].to_pylist(),
            strict=True,
        ):
            self._due[session_id] += due
            self._sent[session_id] += session_sent

    def add_all(self, batches: Iterable[pa.RecordBatch | pa.Table]) -> Pacing:
        """Take every batch; gives itself back."""
        for batch in batches:
            self.add(batch)
        return self

    def result(self) -> PacingResult:
        """Everything taken so far."""
        late_ms = np.concatenate(self._lateness_ms) if self._lateness_ms else np.empty(0)
        due = sum(self._due.values())
        return PacingResult(
            frames_due=due,
            frames_sent=len(late_ms),
            lateness_ms=distribution(late_ms, missing=due - len(late_ms)),
            by_session={
                session_id: SessionFrames(count, self._sent[session_id])
                for session_id, count in sorted(self._due.items())
            },
        )


def client_lag_ms(events: pa.Table | pa.RecordBatch) -> NDArray[np.float64]:
    """read_ns - at_ns of every received event, in ms: how long it lay unread in our process."""
    received = pc.equal(events.column("direction"), "in")
    lag_ns = pc.subtract(events.column("read_ns"), events.column("at_ns"))
    lag: NDArray[np.int64] = lag_ns.filter(received).drop_null().to_numpy()
    return lag / 1e6


def _plain(ids: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    # Chunks with dictionaries of their own cannot be grouped together.
    return ids.cast(pa.string()) if pa.types.is_dictionary(ids.type) else ids

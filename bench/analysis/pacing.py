"""Turns the record of frames and arrivals into how well the instrument itself kept time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.analysis.statistics import Distribution, distribution

APPEND_COLUMNS = ("due_ns", "sent_ns")
"""The columns of appends.parquet that pacing needs."""


@dataclass(frozen=True, slots=True)
class PacingResult:
    """How frames left: lateness in ms is sent - due of those sent; `missing` were never sent."""

    frames_due: int
    frames_sent: int
    lateness_ms: Distribution


class Pacing:
    """Takes frames batch by batch and keeps eight bytes of each."""

    def __init__(self) -> None:
        self._lateness_ms: list[NDArray[np.float64]] = []
        self._due = 0

    def add(self, frames: pa.RecordBatch | pa.Table) -> None:
        """Take rows of APPEND_SCHEMA; only APPEND_COLUMNS are looked at."""
        late_ns = pc.subtract(frames.column("sent_ns"), frames.column("due_ns")).drop_null()
        self._lateness_ms.append(late_ns.to_numpy() / 1e6)
        self._due += frames.num_rows

    def add_all(self, batches: Iterable[pa.RecordBatch | pa.Table]) -> Pacing:
        """Take every batch; gives itself back."""
        for batch in batches:
            self.add(batch)
        return self

    def result(self) -> PacingResult:
        """Everything taken so far."""
        late_ms = np.concatenate(self._lateness_ms) if self._lateness_ms else np.empty(0)
        return PacingResult(
            frames_due=self._due,
            frames_sent=len(late_ms),
            lateness_ms=distribution(late_ms, missing=self._due - len(late_ms)),
        )


def client_lag_ms(events: pa.Table | pa.RecordBatch) -> NDArray[np.float64]:
    """read_ns - at_ns of every received event, in ms: how long it lay unread in our process."""
    received = pc.equal(events.column("direction"), "in")
    lag_ns = pc.subtract(events.column("read_ns"), events.column("at_ns"))
    lag: NDArray[np.int64] = lag_ns.filter(received).drop_null().to_numpy()
    return lag / 1e6

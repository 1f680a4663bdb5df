"""Turns a run's events and frames into everything that tables, summary and report are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from bench.analysis.clock import RunClock
from bench.analysis.pacing import Pacing, PacingResult, client_lag_ms
from bench.analysis.statistics import Distribution, distribution
from bench.analysis.tables import events_to_sessions, turns_table, worker_spans
from bench.analysis.turns import Fault, SessionRecord, Turn, Unattributed, assemble_session


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run folder's tables say."""

    turns: list[Turn]
    sessions: list[SessionRecord]
    unattributed: list[Unattributed]
    faults: list[Fault]
    pacing: PacingResult
    client_lag_ms: Distribution
    clock: RunClock

    def turns_table(self) -> pd.DataFrame:
        """The rows of turns.parquet."""
        return turns_table(self.turns, self.clock)


def read_record(
    run: Mapping[str, Any],
    events: pa.Table,
    appends: Iterable[pa.RecordBatch | pa.Table],
    warmup_s: float = 0.0,
) -> RunRecord:
    """Everything `events` (EVENT_SCHEMA) and `appends` (APPEND_SCHEMA, in batches) hold.

    `run` is run.json; of it only the workers' clock anchors are used. `warmup_s` counts from
    the run's first event.
    """
    clock = RunClock.of_run(run, worker_spans(events))
    turns: list[Turn] = []
    sessions: list[SessionRecord] = []
    unattributed: list[Unattributed] = []
    faults: list[Fault] = []
    for session_id, rows in events_to_sessions(events):
        zero_ns = clock.start_ns(session_id)
        warm_until_ns = None if zero_ns is None else zero_ns + round(warmup_s * 1e9)
        assembly = assemble_session(rows, warm_until_ns)
        turns += assembly.turns
        sessions.append(assembly.session)
        unattributed += assembly.unattributed
        faults += assembly.faults
    return RunRecord(
        turns=turns,
        sessions=sessions,
        unattributed=unattributed,
        faults=faults,
        pacing=Pacing().add_all(appends).result(),
        client_lag_ms=distribution(client_lag_ms(events)),
        clock=clock,
    )

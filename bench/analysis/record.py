"""Turns a run's events and frames into everything that tables, summary and report are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from bench.analysis.clock import RunClock
from bench.analysis.detail import text
from bench.analysis.faults import FaultGroup, FaultTally
from bench.analysis.late_frames import LateFrames
from bench.analysis.pacing import Pacing, PacingResult, client_lag_ms
from bench.analysis.prices import PRICES, Prices, prices_of
from bench.analysis.sessions import INDEX_COLUMNS, Pieces, SessionIndex, gather
from bench.analysis.statistics import Distribution, distribution
from bench.analysis.tables import turns_table
from bench.analysis.turn import Turn
from bench.analysis.turn_figures import TurnFigures
from bench.analysis.turns import SessionRecord, Unattributed, assemble_session

_LAG_COLUMNS = ("direction", "read_ns")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run folder's tables say."""

    turns: list[Turn]
    sessions: list[SessionRecord]
    unattributed: list[Unattributed]
    """One entry for each kind and reason, the first such row its example; most rows first."""
    lost_events: int
    """Events whose numbers are missing between those recorded of their session."""
    faults: list[FaultGroup]
    """The most frequent first."""
    pacing: PacingResult
    client_lag_ms: Distribution
    clock: RunClock
    figures: TurnFigures
    """Of `turns`, in their order."""
    prices: Prices | None
    """Of the run's model; None when it is in no table."""

    def turns_table(self) -> pd.DataFrame:
        """The rows of turns.parquet."""
        return turns_table(self.turns, self.clock, self.figures)


def read_record(
    run: Mapping[str, Any],
    events: Pieces,
    appends: Iterable[pa.RecordBatch | pa.Table],
    warmup_s: float = 0.0,
    price_table: Mapping[str, Prices] = PRICES,
) -> RunRecord:
    """Everything `events` (EVENT_SCHEMA) and `appends` (APPEND_SCHEMA, in batches) hold.

    Neither is ever in memory as a whole. `run` is run.json; of it only the model and the
    workers' clock anchors are used. `warmup_s` counts from the run's first event.
    """
    index = SessionIndex()
    lag_ms = [np.empty(0)]
    for number in range(len(events)):
        piece = events.read(number, INDEX_COLUMNS + _LAG_COLUMNS)
        index.add(piece)
        lag_ms.append(client_lag_ms(piece))
    clock = RunClock.of_run(run, index.spans)
    turns: list[Turn] = []
    sessions: list[SessionRecord] = []
    unattributed: dict[tuple[str, str], Unattributed] = {}
    faults = FaultTally()
    prices = prices_of(text(run.get("model")), price_table)
    lost = 0
    for block in index.blocks():
        for session_id, rows in gather(block, events):
            zero_ns = clock.start_ns(session_id)
            warm_until_ns = None if zero_ns is None else zero_ns + round(warmup_s * 1e9)
            assembly = assemble_session(rows, warm_until_ns, prices)
            turns += assembly.turns
            sessions.append(assembly.session)
            lost += assembly.lost
            for left in assembly.unattributed:
                before = unattributed.get((left.kind, left.reason))
                so_far = (
                    left if before is None else replace(before, count=before.count + left.count)
                )
                unattributed[left.kind, left.reason] = so_far
            for fault in assembly.faults:
                faults.add(fault, clock.since_start_s(session_id, fault.at_ns))
    late, pacing = LateFrames(), Pacing()
    for batch in appends:
        late.add(batch)
        pacing.add(batch)
    turns = late.excuse(turns)
    return RunRecord(
        turns=turns,
        sessions=sessions,
        unattributed=sorted(
            unattributed.values(), key=lambda left: (-left.count, left.kind, left.reason)
        ),
        lost_events=lost,
        faults=list(faults),
        pacing=pacing.result(),
        client_lag_ms=distribution(np.concatenate(lag_ms)),
        clock=clock,
        figures=TurnFigures.of(turns),
        prices=prices,
    )

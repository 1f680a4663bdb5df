"""Turns a run's record into summary.json: the figures of the run and whether to trust them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.faults import FaultGroup
from bench.analysis.intervals import metric_intervals
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.record import RunRecord
from bench.analysis.statistics import Distribution, distribution
from bench.analysis.turn import COLD, MEASURED, UNREVIEWED, WARMUP, Turn
from bench.analysis.turn_figures import Rows, TurnFigures
from bench.analysis.turns import SessionRecord
from bench.analysis.validity import Judgement, judge_run
from bench.runs.event import SCHEMA_VERSION

EXAMPLES = 10
"""Kinds and reasons of unattributed rows listed, most frequent first."""

ERRORS = 100
"""Distinct errors listed, most frequent first."""


def summarise(run: Mapping[str, Any], record: RunRecord, rtbench_version: str) -> dict[str, Any]:
    """summary.json as bench/README.md describes it: JSON-ready, missing is null.

    Counts of turns are of all that were started. Metrics are of measured turns that were not
    cut off, session metrics of all sessions. Rates are of measured and cold turns: a session
    whose first turn fails may have no other.
    """
    turns = record.turns
    measured = _rows(turn.turn_class == MEASURED for turn in turns)
    asked = measured | _rows(turn.turn_class == COLD for turn in turns)
    timed = measured & ~_rows(turn.cut_off for turn in turns)
    judgement = judge_run(run, record.pacing, record.client_lag_ms, int(measured.sum()))
    judgement = Judgement(judgement.reasons, [*judgement.warnings, *_lost(record)])
    return {
        "schema_version": SCHEMA_VERSION,
        "rtbench_version": rtbench_version,
        "run_id": run.get("run_id"),
        "validity": judgement.to_json(),
        "duration_s": record.clock.duration_s,
        "sessions": _sessions(record.sessions),
        "turns": _turns(record.turns),
        "metrics": _metrics(record, timed),
        "intervals": _intervals(record, timed),
        "rates": _rates(record.figures, asked),
        "usage": _usage(record),
        "by_utterance": _by_utterance(record, measured, timed),
        "pacing": record.pacing.to_json(),
        "client_lag_ms": record.client_lag_ms.to_json(),
        "unattributed": _unattributed(record),
        "errors": _errors(record.faults),
    }


def measure_all(metric: Metric, sessions: Iterable[SessionRecord]) -> Distribution:
    """The distribution of one metric over sessions; what is not known is missing."""
    measured = [metric.measure(session) for session in sessions]
    known = [value for value in measured if value is not None]
    return distribution(known, missing=len(measured) - len(known))


def _metrics(record: RunRecord, rows: Rows) -> dict[str, Any]:
    found = record.figures.spreads(rows)
    for metric in METRICS.values():
        if metric.scope == "session":
            found[metric.name] = measure_all(metric, record.sessions)
        elif metric.scope == "run":
            found[metric.name] = metric.measure(record)
    return {name: found[name].to_json() for name in METRICS if name in found}


def _intervals(record: RunRecord, rows: Rows) -> dict[str, Any]:
    found = metric_intervals(record.figures, rows, record.sessions)
    return {
        name: {which: asdict(interval) for which, interval in intervals.items()}
        for name, intervals in found.items()
    }


def _rates(figures: TurnFigures, rows: Rows) -> dict[str, Any]:
    return {name: asdict(rate) for name, rate in figures.rates(rows).items()}


def _usage(record: RunRecord) -> dict[str, Any]:
    """Tokens and dollars of all turns, and by which prices."""
    prices = record.prices
    told = {name: _total(record.figures.values[name]) for name in _USED}
    listed = None if prices is None else {"date": prices.date, "source": prices.source}
    return {**told, "prices": listed}


_USED = ("input_tokens", "output_tokens", "cost_usd")


def _total(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.sum()) if len(known) else None


def _lost(record: RunRecord) -> list[str]:
    lost = record.lost_events
    if not lost:
        return []
    events = "1 event is" if lost == 1 else f"{lost} events are"
    seem = "turns there may seem worse than they were"
    return [f"{events} missing from the record, by their numbers; {seem}: are parts damaged?"]


def _sessions(sessions: Sequence[SessionRecord]) -> dict[str, int]:
    return {
        "started": len(sessions),
        "opened": sum(session.connected_ns is not None for session in sessions),
        "failed": sum(session.failed_ns is not None for session in sessions),
    }


def _turns(turns: Sequence[Turn]) -> dict[str, Any]:
    classes = Counter(turn.turn_class for turn in turns)
    outcomes = Counter(turn.outcome for turn in turns)
    return {
        "started": len(turns),
        "measured": classes[MEASURED],
        "cold": classes[COLD],
        "warmup": classes[WARMUP],
        "unreviewed": classes[UNREVIEWED],
        "cut_off": sum(turn.cut_off for turn in turns),
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
    }


def _by_utterance(record: RunRecord, measured: Rows, timed: Rows) -> dict[str, Any]:
    said: dict[str, list[int]] = {}
    for index in np.flatnonzero(measured).tolist():
        said.setdefault(record.turns[index].utterance, []).append(index)
    found = {}
    for utterance, indices in sorted(said.items()):
        rows = np.zeros(len(measured), np.bool_)
        rows[indices] = True
        cut = [record.turns[index] for index in indices if record.turns[index].cut_off]
        pauses = Counter(turn.cut_off_pause for turn in cut)
        spreads = record.figures.spreads(rows & timed)
        found[utterance] = {
            "turns": len(indices),
            "cut_off": len(cut),
            "cut_off_by_pause": {
                "unknown" if pause is None else str(pause): pauses[pause]
                for pause in sorted(pauses, key=lambda pause: (pause is None, pause))
            },
            "metrics": {name: spread.to_json() for name, spread in spreads.items()},
        }
    return found


def _rows(flags: Iterable[bool]) -> Rows:
    return np.fromiter(flags, np.bool_)


def _unattributed(record: RunRecord) -> dict[str, Any]:
    return {
        "count": sum(left.count for left in record.unattributed),
        "lost": record.lost_events,
        "examples": [
            {
                "session_id": left.session_id,
                "kind": left.kind,
                "at_ns": left.at_ns,
                "reason": left.reason,
                "count": left.count,
            }
            for left in record.unattributed[:EXAMPLES]
        ],
    }


def _errors(faults: Sequence[FaultGroup]) -> list[dict[str, Any]]:
    return [
        {
            "class": group.fault_class,
            "message": group.message,
            "count": group.count,
            "first_s": group.first_s,
            "last_s": group.last_s,
        }
        for group in faults[:ERRORS]
    ]

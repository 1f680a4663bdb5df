"""Turns a run's record into summary.json: the figures of the run and whether to trust them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.clock import RunClock
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.record import RunRecord
from bench.analysis.statistics import Distribution, distribution
from bench.analysis.turns import (
    COLD,
    MEASURED,
    UNREVIEWED,
    WARMUP,
    Fault,
    SessionRecord,
    Turn,
    Unattributed,
)
from bench.analysis.validity import judge_run
from bench.runs.event import SCHEMA_VERSION

EXAMPLES = 10
"""Unattributed rows listed as examples."""

ERRORS = 100
"""Distinct errors listed, most frequent first."""


def summarise(run: Mapping[str, Any], record: RunRecord, rtbench_version: str) -> dict[str, Any]:
    """summary.json as bench/README.md describes it: JSON-ready, missing is null.

    Counts of turns are of all that were started. Metrics are of measured turns that were not
    cut off, session metrics of all sessions.
    """
    measured = [turn for turn in record.turns if turn.turn_class == MEASURED]
    judgement = judge_run(run, record.pacing, record.client_lag_ms, len(measured))
    return {
        "schema_version": SCHEMA_VERSION,
        "rtbench_version": rtbench_version,
        "run_id": run.get("run_id"),
        "validity": judgement.to_json(),
        "duration_s": record.clock.duration_s,
        "sessions": _sessions(record.sessions),
        "turns": _turns(record.turns),
        "metrics": {
            metric.name: measure_all(
                metric, record.sessions if metric.scope == "session" else measured
            ).to_json()
            for metric in METRICS.values()
        },
        "by_utterance": _by_utterance(measured),
        "pacing": record.pacing.to_json(),
        "client_lag_ms": record.client_lag_ms.to_json(),
        "unattributed": _unattributed(record.unattributed),
        "errors": _errors(record.faults, record.clock),
    }


def measure_all(metric: Metric, things: Iterable[Turn | SessionRecord]) -> Distribution:
    """The distribution of one metric over turns or sessions; turns cut off are left out.

    What was waited for in vain is censored, what is not known at all missing.
    """
    values: list[float] = []
    bounds: list[float] = []
    missing = 0
    for thing in things:
        if isinstance(thing, Turn) and thing.cut_off:
            continue
        value = metric.measure(thing)
        bound = metric.bound(thing) if value is None and metric.bound is not None else None
        if value is not None:
            values.append(value)
        elif bound is not None:
            bounds.append(bound)
        else:
            missing += 1
    return distribution(values, bounds, missing)


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


def _by_utterance(measured: Sequence[Turn]) -> dict[str, Any]:
    groups: dict[str, list[Turn]] = {}
    for turn in measured:
        groups.setdefault(turn.utterance, []).append(turn)
    return {
        utterance: {
            "turns": len(turns),
            "metrics": {
                metric.name: measure_all(metric, turns).to_json()
                for metric in METRICS.values()
                if metric.scope == "turn"
            },
        }
        for utterance, turns in sorted(groups.items())
    }


def _unattributed(rows: Sequence[Unattributed]) -> dict[str, Any]:
    return {
        "count": len(rows),
        "examples": [
            {
                "session_id": row.session_id,
                "kind": row.kind,
                "at_ns": row.at_ns,
                "reason": row.reason,
            }
            for row in rows[:EXAMPLES]
        ],
    }


def _errors(faults: Sequence[Fault], clock: RunClock) -> list[dict[str, Any]]:
    groups: dict[tuple[str, str], list[float | None]] = {}
    for fault in faults:
        at_s = clock.since_start_s(fault.session_id, fault.at_ns)
        groups.setdefault((fault.fault_class, fault.message), []).append(at_s)
    errors = [
        {
            "class": fault_class,
            "message": message,
            "count": len(instants),
            "first_s": min((s for s in instants if s is not None), default=None),
            "last_s": max((s for s in instants if s is not None), default=None),
        }
        for (fault_class, message), instants in sorted(
            groups.items(), key=lambda group: (-len(group[1]), group[0])
        )
    ]
    return errors[:ERRORS]

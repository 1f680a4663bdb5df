"""Turns a run's record into summary.json: the figures of the run and whether to trust them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.faults import FaultGroup
from bench.analysis.metrics import METRICS, Metric
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.record import RunRecord
from bench.analysis.statistics import Distribution, distribution
from bench.analysis.turns import (
    COLD,
    MEASURED,
    UNREVIEWED,
    WARMUP,
    SessionRecord,
    Turn,
)
from bench.analysis.validity import judge_run
from bench.runs.event import SCHEMA_VERSION

EXAMPLES = 10
"""Kinds and reasons of unattributed rows listed, most frequent first."""

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
        "unattributed": _unattributed(record),
        "errors": _errors(record.faults),
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

"""Turns what a run recorded of itself into reasons why its figures are not to be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.analysis.statistics import Distribution

LATENESS_LIMIT_MS = 10.0
CLIENT_LAG_LIMIT_MS = 10.0
UNSENT_LIMIT = 0.01
"""Share of frames never sent: above it the p99 lateness of those due has no bound."""


def judge_run(
    run: Mapping[str, Any],
    lateness_ms: Distribution,
    client_lag_ms: Distribution,
    measured_turns: int,
) -> list[str]:
    """Reasons why the run is invalid, in plain words with number and limit; empty when valid.

    `run` is run.json; `lateness_ms` counts frames never sent as missing.
    """
    reasons = _endings(run)
    reasons += _limit("Frames left late", "lateness", lateness_ms, LATENESS_LIMIT_MS)
    reasons += _unsent(lateness_ms)
    reasons += _limit(
        "Received events lay unread", "client lag", client_lag_ms, CLIENT_LAG_LIMIT_MS
    )
    if measured_turns < 1:
        reasons.append(
            "No turn was measured: each was cold, in warm-up or unreviewed, or none was begun."
        )
    return reasons


def _endings(run: Mapping[str, Any]) -> list[str]:
    reasons = []
    if run.get("ended_at") is None:
        reasons.append("The run did not end properly: ended_at is missing from run.json.")
    workers = run.get("workers") or {}
    if not workers:
        reasons.append("No worker handed in its records.")
    reasons += [
        f"Worker {name} did not end properly: its last records may be missing."
        for name, worker in sorted(workers.items())
        if (worker or {}).get("ended") != "closed"
    ]
    return reasons


def _unsent(lateness_ms: Distribution) -> list[str]:
    due = lateness_ms.n + lateness_ms.missing
    share = lateness_ms.missing / due if due else 0.0
    if share <= UNSENT_LIMIT:
        return []
    counts = f"{lateness_ms.missing} of {due} due"
    return [f"Frames were never sent: {counts} ({share:.1%}), limit {UNSENT_LIMIT:.0%}."]


def _limit(what: str, name: str, found: Distribution, limit_ms: float) -> list[str]:
    value = found.p99.value
    if value is None or value <= limit_ms:
        return []
    return [f"{what}: p99 {name} is {value:.1f} ms, limit {limit_ms:g} ms."]

"""Turns what workers noticed in the last seconds into one line of warning, now and then."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bench.analysis.validity import LATENESS_LIMIT_MS, STALL_WARNING_MS, WARNING_MS
from bench.load.vitals import BUSY_SHARE
from bench.runs.causes import CAUSES, FEWER_USERS

INTERVAL_S = 10.0


class Strain(NamedTuple):
    """What one worker noticed of itself since it was last asked; fits into a Locust report."""

    worker: str
    lateness_p99_ms: float | None
    cpu_share: float | None
    """Share of one core over some seconds."""
    stall_ms: float | None
    """The worst stall."""
    stall_cause: str | None
    """One of CAUSES."""


class Alarm:
    """Warns of the worst that any worker noticed, at most every INTERVAL_S."""

    def __init__(self) -> None:
        self._quiet_until_s: float | None = None

    def line(self, now_s: float, strains: Iterable[Strain]) -> str | None:
        """One line that says what is wrong and what to do, or None; `now_s` is monotonic."""
        if self._quiet_until_s is not None and now_s < self._quiet_until_s:
            return None
        complaints = [complaint for strain in strains for complaint in _complaints(strain)]
        if not complaints:
            return None
        self._quiet_until_s = now_s + INTERVAL_S
        _, words = max(complaints)
        return f"rtbench warning: {words}"


def _complaints(strain: Strain) -> list[tuple[float, str]]:
    """What is wrong, each with how many times over its limit it is."""
    found = []
    worker, busy = strain.worker, (strain.cpu_share or 0.0) > BUSY_SHARE
    lateness_ms, stall_ms = strain.lateness_p99_ms or 0.0, strain.stall_ms or 0.0
    why = _why(strain.stall_cause or ("backlog" if busy else None))
    if lateness_ms > WARNING_MS:
        limit = f"p99 {lateness_ms:.1f} ms; a run is invalid above {LATENESS_LIMIT_MS:g}"
        found.append((lateness_ms / WARNING_MS, f"frames of {worker} leave late ({limit}){why}"))
    if stall_ms > STALL_WARNING_MS:
        words = f"{worker} stalled for {stall_ms:.0f} ms{why}"
        found.append((stall_ms / STALL_WARNING_MS, words))
    if busy and strain.cpu_share is not None:
        words = f"{worker} uses {strain.cpu_share:.0%} of a core; {FEWER_USERS}"
        found.append((strain.cpu_share / BUSY_SHARE, words))
    return found


def _why(cause: str | None) -> str:
    known = CAUSES.get(cause or "")
    if known is None:
        return f"; {FEWER_USERS}, or use a quieter machine"
    return f", owing to {known.words}; {known.mend}"

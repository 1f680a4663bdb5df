"""Turns instants of any worker's monotonic clock into seconds since the run's first event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


def worker_of(session_id: str) -> str:
    """The worker of a session: its id up to the last `-`."""
    return session_id.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class RunClock:
    """Where second 0 of the run lies on each worker's own clock, and how long the run took.

    Workers' clocks are matched by their anchors, as well as their hosts' realtime clocks agree:
    good enough to order a run on an axis, never for a latency.
    """

    zero_ns: Mapping[str, int]
    duration_s: float

    @classmethod
    def of_run(cls, run: Mapping[str, Any], spans: Mapping[str, tuple[int, int]]) -> RunClock:
        """From run.json and each worker's first and last instant.

        A worker without anchors cannot be matched: its own first event is its second 0.
        """
        workers = run.get("workers") or {}
        offsets = {worker: _offset_ns(workers.get(worker)) for worker in spans}
        starts = {w: spans[w][0] + o for w, o in offsets.items() if o is not None}
        first_ns = min(starts.values(), default=0)
        zero_ns = {
            worker: first_ns - offset if offset is not None else spans[worker][0]
            for worker, offset in offsets.items()
        }
        ends = (spans[worker][1] - zero for worker, zero in zero_ns.items())
        return cls(zero_ns, max(ends, default=0) / 1e9)

    def start_ns(self, session_id: str) -> int | None:
        """Second 0 of the run on the clock of the session's worker."""
        return self.zero_ns.get(worker_of(session_id))

    def since_start_s(self, session_id: str, at_ns: int) -> float | None:
        """Seconds from the run's first event to an instant of that session."""
        zero_ns = self.start_ns(session_id)
        return None if zero_ns is None else (at_ns - zero_ns) / 1e9


def _offset_ns(worker: Mapping[str, Any] | None) -> int | None:
    """Realtime minus monotonic, by the worker's first anchor.

    One offset per worker: a realtime clock set right during the run would else bend its axis.
    """
    anchors = (worker or {}).get("clock_anchors") or []
    if not anchors:
        return None
    return int(anchors[0]["realtime_ns"]) - int(anchors[0]["monotonic_ns"])

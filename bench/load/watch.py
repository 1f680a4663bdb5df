"""Watches one process while it carries a run: what it takes, and what holds it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent

from bench.load.alarm import Strain
from bench.load.collector import Collector
from bench.load.vitals import Vitals
from bench.runs.environment import read_counters
from bench.session.stalls import Stalls

INTERVAL_S = 1.0


class ProcessWatch:
    """The collector, the counters and the stalls of a process, from `start` to `stop`.

    `open_sessions` tells how many are open now.
    """

    def __init__(self, worker: str, stalls: Stalls, open_sessions: Callable[[], int]) -> None:
        self._worker = worker
        self._stalls = stalls
        self._open_sessions = open_sessions
        self._collector = Collector(stalls.collected)
        self._collector.start()
        self._vitals = Vitals(read_counters())
        self._lateness_p99_ms: float | None = None
        self._greenlet: gevent.Greenlet | None = None

    def start(self) -> None:
        """Begin to read counters, every second."""
        self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Read them once more, and leave the collector as it was."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
            self._vitals.sample(read_counters(), sending=False)
            self._collector.stop()

    def _run(self) -> None:
        while True:
            gevent.sleep(INTERVAL_S)
            counters = read_counters(count_files=False)  # while frames are due
            self._vitals.sample(counters, sending=self._open_sessions() > 0)
            self._collector.tend(counters.rss_bytes)

    def note_lateness(self, p99_ms: float) -> None:
        """Take note of how late the frames of the last seconds were."""
        self._lateness_p99_ms = max(p99_ms, self._lateness_p99_ms or 0.0)

    def take_strain(self) -> Strain:
        """What was noticed since this was last asked."""
        stall = self._stalls.take_recent()
        lateness_p99_ms, self._lateness_p99_ms = self._lateness_p99_ms, None
        return Strain(
            worker=self._worker,
            lateness_p99_ms=lateness_p99_ms,
            cpu_share=self._vitals.recent_cpu_share,
            stall_ms=None if stall is None else stall.ms,
            stall_cause=None if stall is None else stall.cause,
        )

    def facts(self) -> dict[str, Any]:
        """`process`, `stalls` and `collector` of a worker in run.json."""
        return {
            "process": self._vitals.facts(),
            "stalls": self._stalls.facts(),
            "collector": self._collector.facts(),
        }

"""Turns readings of a process's counters into what a run took of it."""

from __future__ import annotations

from collections import deque
from typing import Any

from bench.runs.environment import Counters

PEAK_S = 5.0
BUSY_SHARE = 0.9
"""Share of one core from which on a process has no room left for anything unexpected."""


class Vitals:
    """Shares of a core over the time in which microphones run, and what is held at each end.

    `first` is read when the run begins; `sample` wants a reading every second or so.
    """

    def __init__(self, first: Counters) -> None:
        self._first = first
        self._last = first
        self._recent: deque[Counters] = deque()
        self._sending_s = 0.0
        self._busy_s = 0.0
        self._cpu_s = 0.0
        self._thread_s = 0.0
        self._cpu_peak: float | None = None
        self._thread_peak: float | None = None
        self._rss_max_bytes = first.rss_bytes

    def sample(self, now: Counters, *, sending: bool) -> None:
        """Take a reading; `sending` says whether microphones ran since the one before."""
        last, self._last = self._last, now
        self._rss_max_bytes = max(self._rss_max_bytes, now.rss_bytes)
        wall_s = (now.at_ns - last.at_ns) / 1e9
        if wall_s <= 0:
            return
        if not sending:
            self._recent.clear()
            return
        self._sending_s += wall_s
        self._cpu_s += now.cpu_s - last.cpu_s
        self._thread_s += now.thread_s - last.thread_s
        if (now.cpu_s - last.cpu_s) / wall_s >= BUSY_SHARE:
            self._busy_s += wall_s
        self._take_peak(last, now)

    def _take_peak(self, last: Counters, now: Counters) -> None:
        recent = self._recent
        if not recent:
            recent.append(last)
        recent.append(now)
        while (now.at_ns - recent[1].at_ns) / 1e9 >= PEAK_S:
            recent.popleft()
        begin = recent[0]
        wall_s = (now.at_ns - begin.at_ns) / 1e9
        if wall_s >= PEAK_S:
            self._cpu_peak = max(self._cpu_peak or 0.0, (now.cpu_s - begin.cpu_s) / wall_s)
            thread_share = (now.thread_s - begin.thread_s) / wall_s
            self._thread_peak = max(self._thread_peak or 0.0, thread_share)

    @property
    def recent_cpu_share(self) -> float | None:
        """Share of a core over the latest PEAK_S of sending; None while it is less."""
        if not self._recent:
            return None
        begin, end = self._recent[0], self._recent[-1]
        wall_s = (end.at_ns - begin.at_ns) / 1e9
        return (end.cpu_s - begin.cpu_s) / wall_s if wall_s >= PEAK_S else None

    def facts(self) -> dict[str, Any]:
        """`process` of a worker in run.json, as bench/README.md describes it."""
        first, last = self._first, self._last
        run_s = (last.at_ns - first.at_ns) / 1e9
        waited_s = (
            None
            if first.waited_s is None or last.waited_s is None
            else last.waited_s - first.waited_s
        )
        return {
            "sending_s": round(self._sending_s, 3),
            "cpu_user_s": round(last.user_s - first.user_s, 3),
            "cpu_system_s": round(last.system_s - first.system_s, 3),
            "cpu_share": _share(self._cpu_s, self._sending_s),
            "cpu_share_peak": _rounded(self._cpu_peak),
            "loop_share": _share(self._thread_s, self._sending_s),
            "loop_share_peak": _rounded(self._thread_peak),
            "busy_s": round(self._busy_s, 3),
            "waited_share": _share(waited_s, run_s),
            "stolen_share": _share(last.stolen_s - first.stolen_s, last.host_s - first.host_s),
            "rss_bytes": last.rss_bytes,
            "rss_max_bytes": self._rss_max_bytes,
            "open_files": [first.open_files, last.open_files],
            "voluntary_switches": last.voluntary_switches - first.voluntary_switches,
            "involuntary_switches": last.involuntary_switches - first.involuntary_switches,
        }


def _share(part: float | None, whole: float) -> float | None:
    return None if part is None or whole <= 0 else round(part / whole, 4)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)

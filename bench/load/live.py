"""Turns Locust's statistics and workers' strain into lines of progress and of warning."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

import gevent
from locust import events

from bench.load.alarm import Alarm, Strain

if TYPE_CHECKING:
    from bench.load.lifecycle import Lifecycle

TERMINAL_INTERVAL_S = 1
PLAIN_INTERVAL_S = 5


class LiveView:
    """Progress of one run, and warnings while something can still be done.

    What it shows is for the eye; reports are made from the record.
    """

    def __init__(self, environment: Any, lifecycle: Lifecycle) -> None:
        self._environment = environment
        self._lifecycle = lifecycle
        self._greenlet: gevent.Greenlet | None = None
        self._alarm = Alarm()
        self._lateness_by_worker: dict[str, float] = {}
        self._strains: list[Strain] = []
        events.report_to_master.add_listener(self._on_report)
        events.worker_report.add_listener(self._on_worker_report)

    def start(self) -> None:
        """Begin to look, and to print."""
        self._alarm = Alarm()
        self._lateness_by_worker.clear()
        self._strains.clear()
        self._greenlet = gevent.spawn(self._run, time.monotonic())

    def stop(self) -> None:
        """Print no more."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None
            if self._shows_progress and self._out.isatty():
                print(file=self._out)

    @property
    def _out(self) -> TextIO:
        """Where progress goes: Locust's --json wants stdout for itself."""
        return sys.stderr if self._environment.parsed_options.json else sys.stdout

    @property
    def _shows_progress(self) -> bool:
        return bool(self._environment.parsed_options.progress)

    def _run(self, started_s: float) -> None:
        rewrites = self._out.isatty()
        interval = TERMINAL_INTERVAL_S if rewrites else PLAIN_INTERVAL_S
        second = 0
        while True:
            gevent.sleep(1)
            second += 1
            self._warn(time.monotonic())
            if not self._shows_progress or second % interval:
                continue
            line = self.line(time.monotonic() - started_s)
            if rewrites:
                width = shutil.get_terminal_size().columns - 1
                print(f"\r{line[:width]:<{width}}", end="", file=self._out, flush=True)
            else:
                print(line, file=self._out, flush=True)

    def _warn(self, now_s: float) -> None:
        if self._lifecycle.worker is not None:
            self._strains.append(self._lifecycle.worker.watch.take_strain())
        warning = self._alarm.line(now_s, self._strains)
        self._strains.clear()
        if warning is not None:
            if self._shows_progress and self._out.isatty():  # keep what stands in the line
                print(file=self._out, flush=True)
            print(warning, file=sys.stderr, flush=True)  # noqa: T201

    def line(self, elapsed_s: float) -> str:
        """One line of at most 80 columns at usual magnitudes."""
        turns = failed = 0
        ttfa: list[Any] = []
        for (_, kind), entry in self._environment.stats.entries.items():
            if kind == "ttfa":
                turns += entry.num_requests
                failed += entry.num_failures
                ttfa.append(entry)
        merged: dict[int, int] = {}
        for entry in ttfa:
            for milliseconds, count in entry.response_times.items():
                merged[milliseconds] = merged.get(milliseconds, 0) + count
        p50, p95 = _percentile(merged, 0.5), _percentile(merged, 0.95)
        lateness = self._lateness_ms()
        return (
            f"{elapsed_s:4.0f} s  users {self._environment.runner.user_count}"
            f"  turns {turns}  failed {failed}"
            f"  ttfa p50 {_shown(p50)} p95 {_shown(p95)}"
            f"  late {_shown(lateness, 1)} ms"
        )

    def _lateness_ms(self) -> float | None:
        worker = self._lifecycle.worker
        if worker is not None:
            return worker.lateness_p99_ms
        return max(self._lateness_by_worker.values(), default=None)

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        worker = self._lifecycle.worker
        if worker is not None:
            data["rtbench"] = {
                "lateness_ms": worker.lateness_p99_ms,
                "strain": worker.watch.take_strain()._asdict(),
            }

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        told = data.get("rtbench")
        if told is None:
            return
        if told["lateness_ms"] is not None:
            self._lateness_by_worker[client_id] = told["lateness_ms"]
        self._strains.append(Strain(**told["strain"]))


def _percentile(counts: dict[int, int], share: float) -> int | None:
    """Nearest rank over a histogram of whole milliseconds."""
    rank = share * sum(counts.values())
    for value in sorted(counts):
        rank -= counts[value]
        if rank <= 0:
            return value
    return None


def _shown(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:.{digits}f}"

"""Turns a run against the embedded server into the error of each figure the instrument gives."""

from __future__ import annotations

import json
import select
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from time import monotonic_ns

import psutil
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from bench.analysis.statistics import distribution
from bench.analysis.truth import latency_errors
from bench.load.child import run_child
from bench.load.command import EXIT_INTERRUPTED, WITH_A_RECORD, find_scenario, locust_command
from bench.load.embedded import embedded_server
from bench.problem import Problem
from bench.quiet import is_quiet
from bench.report.build import load_record
from bench.runs.folder import RunFolder
from bench.session.timer import DeadlineTimer

MEDIAN_LIMIT_MS = 1.0
P99_LIMIT_MS = 5.0
JUDGED = ("ttfa_ms", "endpointing_delay_ms", "response_latency_ms")
"""Metrics whose errors decide; the others are shown beside them."""

_TICK_NS = 10_000_000


def run_selftest(
    *, users: int, run_time: str, runs_dir: Path | None, server_options: list[str]
) -> int:
    """Load the server, compare each latency with its log, print the errors; 0 if all are small.

    `runs_dir` keeps the run, None forgets it. `server_options` are those of `rtbench serve`.

    Raises:
        Problem: the server did not start, or the run left no record.
    """
    with tempfile.TemporaryDirectory() as scratch:
        truth = Path(scratch) / "truth.jsonl"
        folder = (runs_dir or Path(scratch)) / "selftest"
        with embedded_server("--truth", str(truth), *server_options) as server:
            command = locust_command(
                find_scenario("ask"),
                users=users,
                spawn_rate=max(users / 5, 1),
                run_time=run_time,
                host=server.url,
            )
            command += ["--runs-dir", str(folder.parent), "--run-id", folder.name]
            process = psutil.Process(server.pid)
            noise = _TimerNoise()
            began_ns = monotonic_ns()
            with noise:
                ending = run_child(command)
            wall_s = (monotonic_ns() - began_ns) / 1e9
            times = [process.cpu_times(), *(c.cpu_times() for c in process.children())]
            server_s = sum(time.user + time.system for time in times)
        if ending.asked:
            return EXIT_INTERRUPTED
        if ending.code not in WITH_A_RECORD or not (folder / "summary.json").exists():
            raise Problem("the run left no record; what it printed says why")
        lines = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
        return _judge(folder, lines, server_s / wall_s, noise)


def _judge(
    folder: Path, truth: list[dict[str, object]], server_share: float, noise: _TimerNoise
) -> int:
    run_folder = RunFolder.open(folder)
    record = load_record(run_folder)
    events = run_folder.read_events()
    starts = events.filter(pc.equal(events["kind"], "audio_started"))
    audio_starts_ns = dict(
        zip(starts["session_id"].to_pylist(), starts["at_ns"].to_pylist(), strict=True)
    )
    errors = latency_errors(record.turns, truth, audio_starts_ns)
    table = Table("Metric", "N", "median |error|", "p99 |error|", "median error", box=None)
    passed = True
    for name, values in errors.items():
        sizes, signed = distribution([abs(value) for value in values]), distribution(values)
        median, p99 = sizes.p50.value, sizes.p99.value
        if name in JUDGED:
            passed &= median is not None and median <= MEDIAN_LIMIT_MS
            passed &= p99 is not None and p99 <= P99_LIMIT_MS
        shown = [_ms(median), _ms(p99), _ms(signed.p50.value)]
        table.add_row(name, str(len(values)), *shown)
    if passed and is_quiet():
        return 0
    console = Console()
    console.print(table)
    workers = run_folder.read_run()["workers"].values()
    client_s = sum(worker["cpu_s"] or 0.0 for worker in workers)
    late = distribution(noise.late_ms)
    pacing, lag = record.pacing.lateness_ms, record.client_lag_ms
    console.print(
        f"Errors are measured minus true, in ms. CPU: server {server_share:.0%} of a core, "
        f"load {client_s:.1f} s in all.\n"
        f"Noise of this machine: a timer is {_ms(late.p50.value)} ms late at p50, "
        f"{_ms(late.p99.value)} at p99; frames {_ms(pacing.p99.value)} at p99, "
        f"client lag {_ms(lag.p99.value)} at p99."
    )
    verdict = "accurate" if passed else "NOT accurate"
    console.print(
        f"The instrument is {verdict}: median within {MEDIAN_LIMIT_MS:g} ms and p99 within "
        f"{P99_LIMIT_MS:g} ms for {', '.join(JUDGED)}."
    )
    return 0 if passed else 1


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


class _TimerNoise:
    """How late a process that does nothing else is woken, while it is entered."""

    def __init__(self) -> None:
        self.late_ms: list[float] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._measure, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _measure(self) -> None:
        with closing(DeadlineTimer()) as timer:
            due_ns = monotonic_ns()
            while not self._over.is_set():
                due_ns += _TICK_NS
                timer.arm(due_ns)
                select.select([timer.fileno()], [], [])
                self.late_ms.append((monotonic_ns() - due_ns) / 1e6)
                timer.clear()

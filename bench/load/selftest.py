"""Turns a run against the embedded server into the error of each figure the instrument gives."""

from __future__ import annotations

import json
import select
import tempfile
import threading
from contextlib import closing
from pathlib import Path
from time import monotonic_ns
from typing import Any

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
from bench.report.delivery import STDOUT, deliver_json
from bench.runs.folder import RunFolder
from bench.session.timer import DeadlineTimer

MEDIAN_LIMIT_MS = 1.0
P99_LIMIT_MS = 5.0
JUDGED = ("ttfa_ms", "endpointing_delay_ms", "response_latency_ms")
"""Metrics whose errors decide; the others are shown beside them."""

_TICK_NS = 10_000_000


def run_selftest(
    *,
    users: int,
    run_time: str,
    runs_dir: Path | None,
    server_options: list[str],
    json_to: Path | None = None,
) -> int:
    """Load the server, compare each latency with its log, print the errors; 0 if all are small.

    `runs_dir` keeps the run, None forgets it. `server_options` are those of `rtbench serve`.
    `json_to` gets the figures as JSON.

    Raises:
        Problem: the server did not start, the run left no record, or `json_to` cannot be written.
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
        figures = _figures(folder, lines, server_s / wall_s, noise)
    if json_to is not None:
        deliver_json(figures, json_to)
    if not (figures["accurate"] and is_quiet()):
        _print(figures, Console(stderr=json_to == STDOUT))
    return 0 if figures["accurate"] else 1


def _figures(
    folder: Path, truth: list[dict[str, object]], server_share: float, noise: _TimerNoise
) -> dict[str, Any]:
    """What is printed, as `--json` writes it: errors are measured minus true."""
    run_folder = RunFolder.open(folder)
    record = load_record(run_folder)
    events = run_folder.read_events()
    starts = events.filter(pc.equal(events["kind"], "audio_started"))
    audio_starts_ns = dict(
        zip(starts["session_id"].to_pylist(), starts["at_ns"].to_pylist(), strict=True)
    )
    errors = {}
    for name, values in latency_errors(record.turns, truth, audio_starts_ns).items():
        sizes, signed = distribution([abs(value) for value in values]), distribution(values)
        errors[name] = {
            "n": len(values),
            "median_abs_ms": sizes.p50.value,
            "p99_abs_ms": sizes.p99.value,
            "median_ms": signed.p50.value,
        }
    workers = run_folder.read_run()["workers"].values()
    late = distribution(noise.late_ms)
    return {
        "schema_version": 1,
        "accurate": all(name in errors and _is_accurate(errors[name]) for name in JUDGED),
        "errors": errors,
        "server_cpu_share": server_share,
        "load_cpu_s": sum(worker["cpu_s"] or 0.0 for worker in workers),
        "timer_late_p50_ms": late.p50.value,
        "timer_late_p99_ms": late.p99.value,
        "frames_late_p99_ms": record.pacing.lateness_ms.p99.value,
        "client_lag_p99_ms": record.client_lag_ms.p99.value,
    }


def _is_accurate(error: dict[str, Any]) -> bool:
    median, p99 = error["median_abs_ms"], error["p99_abs_ms"]
    if median is None or p99 is None:
        return False
    return bool(median <= MEDIAN_LIMIT_MS and p99 <= P99_LIMIT_MS)


def _print(figures: dict[str, Any], console: Console) -> None:
    table = Table("Metric", "N", "median |error|", "p99 |error|", "median error", box=None)
    for name, error in figures["errors"].items():
        shown = [_ms(error[key]) for key in ("median_abs_ms", "p99_abs_ms", "median_ms")]
        table.add_row(name, str(error["n"]), *shown)
    console.print(table)
    console.print(
        "Errors are measured minus true, in ms. "
        f"CPU: server {figures['server_cpu_share']:.0%} of a core, "
        f"load {figures['load_cpu_s']:.1f} s in all.\n"
        f"Noise of this machine: a timer is {_ms(figures['timer_late_p50_ms'])} ms late at p50, "
        f"{_ms(figures['timer_late_p99_ms'])} at p99; "
        f"frames {_ms(figures['frames_late_p99_ms'])} at p99, "
        f"client lag {_ms(figures['client_lag_p99_ms'])} at p99."
    )
    verdict = "accurate" if figures["accurate"] else "NOT accurate"
    console.print(
        f"The instrument is {verdict}: median within {MEDIAN_LIMIT_MS:g} ms and p99 within "
        f"{P99_LIMIT_MS:g} ms for {', '.join(JUDGED)}."
    )


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

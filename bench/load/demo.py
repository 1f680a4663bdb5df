"""Runs the whole path once: embedded server, Locust, report, and a check against the truth."""

from __future__ import annotations

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.analysis.truth import measurement_error
from bench.load.child import run_child
from bench.load.command import EXIT_INTERRUPTED, find_scenario, locust_command
from bench.load.embedded import embedded_server
from bench.quiet import is_quiet
from bench.report.build import load_record
from bench.runs.folder import RunFolder


def run_demo(*, users: int, run_time: str, runs_dir: Path) -> int:
    """Run it; the exit code of the run.

    Raises:
        Problem: the embedded server did not start.
    """
    run_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-demo"
    with tempfile.TemporaryDirectory() as scratch:
        truth = Path(scratch) / "truth.jsonl"
        with embedded_server("--truth", str(truth)) as server:
            command = locust_command(
                find_scenario("ask"),
                users=users,
                spawn_rate=users,
                run_time=run_time,
                host=server.url,
            )
            command += ["--runs-dir", str(runs_dir), "--run-id", run_id]
            code = run_child(command).code
        _compare_with_truth(runs_dir / run_id, truth)
    return EXIT_INTERRUPTED if code < 0 else code


def _compare_with_truth(folder: Path, truth: Path) -> None:
    """Print how far our figures are from what the server did, and keep its log beside them."""
    if not (folder / "summary.json").exists() or not truth.exists():
        return
    text = truth.read_text(encoding="utf-8")
    (folder / "truth.jsonl").write_text(text, encoding="utf-8")
    turns = load_record(RunFolder.open(folder)).turns
    error = measurement_error(turns, [json.loads(line) for line in text.splitlines()])
    p50, p99 = error.response_latency_ms.p50.value, error.response_latency_ms.p99.value
    if p50 is not None and p99 is not None and not is_quiet():
        print(  # noqa: T201
            "Checked against the server's own log: response latency measured - true is "
            f"{p50:+.2f} ms at p50, {p99:+.2f} ms at p99, over {error.matched} turns."
        )

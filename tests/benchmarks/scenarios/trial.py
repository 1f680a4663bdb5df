"""Runs locustfiles against a server and gives back what their record says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from bench.analysis.record import RunRecord
from bench.analysis.turn import Turn
from bench.load.command import find_scenario, locust_command
from bench.report.build import load_record
from bench.runs.folder import RunFolder
from tests.benchmarks.scenarios.demands import whole

ATTEMPTS = 3
"""How often a run is made until its demand is met: others may have had the processor."""

_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Trial:
    """A run that has ended. `users` tells the class of each session's caller."""

    exit_code: int
    record: RunRecord
    turns: list[Turn]
    """Those that tell something of the target."""
    summary: dict[str, Any]
    users: dict[str, str]
    folder: RunFolder
    said: str
    """What it printed."""


class NoRecord(Exception):  # noqa: N818 - what came of a run
    """A run left no record; its last words say why."""


def run_trial(
    scenarios: Sequence[str],
    host: str,
    folder: Path,
    *,
    users: int,
    seconds: float,
    options: Sequence[str] = (),
) -> Trial:
    """Run scenarios side by side, users spread over them, for so long and until turns have ended.

    Raises:
        NoRecord: the run failed before it began.
    """
    files = Path(",".join(str(find_scenario(name)) for name in scenarios))
    command = locust_command(
        files, users=users, spawn_rate=users, run_time=f"{seconds:g}s", host=host
    )
    command += ["--runs-dir", str(folder.parent), "--run-id", folder.name, *options]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=seconds + _PATIENCE_S,
        check=False,
        env={name: value for name, value in os.environ.items() if "RTBENCH_" not in name},
    )
    said = done.stdout + done.stderr
    if not (folder / "summary.json").exists():
        raise NoRecord(
            said.strip().splitlines()[-1] if said.strip() else f"exit {done.returncode}"
        )
    run = RunFolder.open(folder)
    record = load_record(run)
    return Trial(
        done.returncode,
        record,
        whole(record.turns),
        json.loads((folder / "summary.json").read_text("utf-8")),
        _users(run),
        run,
        said,
    )


def _users(run: RunFolder) -> dict[str, str]:
    events = run.read_events()
    begun = events.filter(pc.equal(events["kind"], "connect_started"))
    return {
        session_id: json.loads(detail)["user"]
        for session_id, detail in zip(
            begun["session_id"].to_pylist(), begun["detail"].to_pylist(), strict=True
        )
    }


def say(text: str) -> None:
    """Print at once: each line comes when a run has ended."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()

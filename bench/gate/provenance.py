"""Reads what a baseline is to be known by: commit, host, versions."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from typing import Any

from bench.gate.reading import ReadRun

_VARIABLES = ("GITHUB_SHA", "CI_COMMIT_SHA")
"""In which CI services say what they build."""


def describe_baseline(run: ReadRun, commit: str | None) -> dict[str, Any]:
    """The note of a baseline: `commit` as given, else as CI or git say it."""
    environment = run.run.get("environment") or {}
    return {
        "run_id": run.name,
        "promoted_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit or _commit(),
        "target": run.run.get("target"),
        "plan_sha256": run.run.get("plan_sha256"),
        "host": environment.get("host"),
        "cpu_model": environment.get("cpu_model"),
        "python": environment.get("python"),
        "rtbench": run.run.get("rtbench_version"),
        "turns": (run.summary.get("turns") or {}).get("measured"),
    }


def _commit() -> str | None:
    for variable in _VARIABLES:
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None

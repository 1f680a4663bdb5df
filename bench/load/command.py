"""Turns a scenario's name and size into the Locust command line that runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.problem import Problem

EXIT_OVER_BUDGET = 4
EXIT_INTERRUPTED = 130
WITH_A_RECORD = frozenset({0, 1, 3, EXIT_OVER_BUDGET})
"""Exit codes of a run that left one: fine, failed turns, invalid, cut short."""


def scenarios_directory() -> Path:
    """Folder of the scenarios that come with rtbench: the checkout's, else the wheel's."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "scenarios"
    return checkout if checkout.is_dir() else package / "_data" / "scenarios"


def find_scenario(name: str) -> Path:
    """The locustfile at a path, or the scenario of that name.

    Raises:
        Problem: there is none.
    """
    if Path(name).is_file():
        return Path(name)
    folder = scenarios_directory()
    path = folder / f"{name}.py"
    if path.is_file():
        return path
    names = ", ".join(sorted(file.stem for file in folder.glob("*.py")))
    raise Problem(f"scenario {name!r}: neither a file nor one of {names}")


def locust_command(
    scenario: Path, *, users: int, spawn_rate: float, run_time: str, host: str | None
) -> list[str]:
    """Command that runs a scenario headless, with our progress line instead of Locust's tables."""
    return [
        sys.executable,
        *("-P", "-m", "locust", "-f", str(scenario)),  # -P: a folder `locust` here is not Locust
        *("--headless", "--only-summary", "--skip-log-setup", "--progress"),
        *("--users", str(users), "--spawn-rate", f"{spawn_rate:g}"),
        *("--run-time", run_time),
        *(() if host is None else ("--host", host)),
    ]

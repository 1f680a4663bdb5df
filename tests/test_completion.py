"""What a shell completes a command line to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.gate.completion import complete_baseline, complete_run
from bench.load.completion import complete_scenario
from bench.server.commands import complete_profile


@pytest.fixture(autouse=True)
def _in_a_folder_with_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for place, age_s in (("reports/old", 2000), ("reports/new", 1000), ("mine/run", 0)):
        folder = tmp_path / place
        folder.mkdir(parents=True)
        (folder / "run.json").touch()
        os.utime(folder, (1_700_000_000 - age_s,) * 2)
    stored = tmp_path / "reports/baselines/main"
    stored.mkdir(parents=True)
    (stored / "baseline.json").touch()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["reports/new", "reports/old"]),
        ("reports/", ["reports/new", "reports/old"]),
        ("reports/o", ["reports/old"]),
        ("mine/", ["mine/run"]),
        ("nosuch/", []),
        ("rep", []),  # the shell has the folder's own name
    ],
)
def test_runs(typed: str, found: list[str]) -> None:
    assert complete_run(typed) == found


def test_absolute_paths_of_runs(tmp_path: Path) -> None:
    assert complete_run(f"{tmp_path}/mine/") == [f"{tmp_path}/mine/run"]


def test_names() -> None:
    assert complete_baseline("m") == ["main"]
    assert complete_baseline("x") == []
    assert complete_scenario("as") == ["ask"]
    assert complete_profile("ty") == ["typical"]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("rtbench pl", ["plan"]),
        ("rtbench run as", ["ask"]),
        ("rtbench check --quiet reports/n", ["reports/new"]),
        ("rtbench check reports/new --baseline m", ["main"]),
        ("rtbench serve --profile ty", ["typical"]),
        ("rtbench serve --rep", ["--reply-delay-ms", "--reply-jitter-ms"]),
    ],
)
def test_a_shell_is_told(words: str, found: list[str]) -> None:
    asked = {
        "_RTBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench.cli"],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == found

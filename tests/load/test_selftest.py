"""The instrument is measured by one command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.end_to_end
def test_selftest_prints_the_error_of_each_latency(tmp_path: Path) -> None:
    options = ["-u", "4", "-t", "9s", "--profile", "instant", "--vad", "energy"]
    options += ["--json", str(tmp_path / "figures.json")]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "bench.cli", "selftest", *options, "--runs-dir", tmp_path],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    # How large the errors are is this machine's affair; that they are told is ours.
    assert done.returncode in {0, 1}, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    told = {row[0]: row[1] for row in rows if len(row) == 5}
    for name in ("onset_delay_ms", "endpointing_delay_ms", "response_latency_ms", "ttfa_ms"):
        assert int(told[name]) >= 4, done.stdout
    assert "Noise of this machine" in done.stdout
    assert (tmp_path / "selftest" / "summary.json").exists()
    figures = json.loads((tmp_path / "figures.json").read_text("utf-8"))
    assert figures["accurate"] is (done.returncode == 0)
    shown = next(row for row in rows if row[:1] == ["ttfa_ms"])
    error = figures["errors"]["ttfa_ms"]
    keys = ("median_abs_ms", "p99_abs_ms", "median_ms")
    assert shown == ["ttfa_ms", str(error["n"]), *(f"{error[key]:.2f}" for key in keys)]

"""The instrument is measured by one command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.end_to_end
def test_selftest_prints_the_error_of_each_latency(tmp_path: Path) -> None:
    options = ["-u", "4", "-t", "9s", "--profile", "instant", "--vad", "energy"]
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

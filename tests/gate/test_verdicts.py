"""The promise of `tests.benchmarks.verify_check` in seconds: run folders without a server."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench.analysis.finding import PASS, REGRESSION
from bench.gate.comparing import compare_read
from bench.gate.reading import read_run
from tests.gate.made_runs import make_run

TRIALS = 5


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, PASS),
        ({"reply_ms": 360}, REGRESSION),
        ({"slow_share": 0.05, "slow_ms": 60}, REGRESSION),
    ],
    ids=["identical", "60 ms later", "60 ms later one time in twenty"],
)
def test_verdict_every_time(tmp_path: Path, changes: dict[str, Any], verdict: str) -> None:
    told: Counter[str] = Counter()
    for trial in range(TRIALS):
        baseline = make_run(tmp_path / f"a{trial}", seed=100 + trial, turns=41)
        candidate = make_run(tmp_path / f"b{trial}", seed=200 + trial, turns=41, **changes)
        told[compare_read(read_run(baseline), read_run(candidate)).verdict] += 1
    assert told == {verdict: TRIALS}

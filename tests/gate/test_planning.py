"""What `rtbench plan` says that a gate would need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.analysis.pilot import Pilot
from tests.gate.said import Say


def test_tells_turns_and_minutes_of_either_way(rtbench: Say, runs: Path) -> None:
    told = rtbench("plan", runs / "base", "--detect", "10%")
    assert told.code == 0
    assert max(map(len, told.out.splitlines())) <= 80
    assert "interleaved blocks" in told.out
    assert "a stored baseline" in told.out
    row = next(line for line in told.out.splitlines() if line.startswith("ttfa_ms"))
    _, statistic, turns, sessions, minutes, dollars = row.split()
    assert statistic == "p50"
    assert int(turns) < 400
    assert int(sessions) <= 20
    assert float(minutes) > 0
    # Of both runs, and number() shows three digits.
    assert float(dollars) == pytest.approx(2 * int(turns) * 0.0064, rel=0.01)


def test_smaller_effects_need_more(rtbench: Say, runs: Path) -> None:
    def turns(share: str) -> int:
        rows = rtbench("plan", runs / "tail", "--detect", share).out.splitlines()
        row = next(line for line in rows if line.startswith("response_latency_ms"))
        return int(row[row.index("p50") + 3 :].split()[0])

    assert turns("6%") >= turns("50%")


def test_too_small_an_effect_has_no_number(rtbench: Say, runs: Path) -> None:
    assert "too near the floor" in rtbench("plan", runs / "base", "--detect", "1%").flat


def test_invalid_pilot(rtbench: Say, runs: Path) -> None:
    assert rtbench("plan", runs / "late").code == 3


def test_a_pilot_is_measured_once_for_both_ways(
    rtbench: Say, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []

    def counted(metric: str, *arguments: Any, **options: Any) -> Pilot:
        measured.append(metric)
        return of(metric, *arguments, **options)

    of = Pilot.of
    monkeypatch.setattr(Pilot, "of", counted)
    told = rtbench("plan", runs / "base", "--metric", "ttfa_ms")
    assert told.out.count("ttfa_ms") == 4  # bulk and tail, of either way
    assert measured == ["ttfa_ms"]

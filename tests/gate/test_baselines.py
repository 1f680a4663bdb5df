"""What `rtbench baseline` keeps of runs, and what `check` makes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gate.made_runs import make_run
from tests.gate.said import Say


def test_promote_list_show(rtbench: Say, runs: Path) -> None:
    assert "none in reports/baselines" in rtbench("baseline", "list").out
    told = rtbench("baseline", "promote", runs / "base", "--commit", "abc123")
    assert (told.code, told.err) == (0, "")
    kept = {path.name for path in Path("reports/baselines/main").iterdir()}
    assert kept == {"run.json", "turns.parquet", "summary.json", "baseline.json"}
    assert rtbench("baseline", "list").out == "main: base, abc123, h, 400 turns, 0 past runs\n"
    shown = rtbench("baseline", "show").out
    for fact in ("abc123", "run_id         base", "host           h", "3.11"):
        assert fact in shown
    assert rtbench("check", runs / "same", "--baseline", "main").code == 0
    assert rtbench("check", runs / "slow", "--baseline", "main").code == 1


def test_commit_is_what_ci_says(rtbench: Say, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_SHA", "f00d")
    rtbench("baseline", "promote", runs / "base")
    assert "f00d" in rtbench("baseline", "show").out


def test_what_was_baseline_becomes_history(rtbench: Say, runs: Path) -> None:
    rtbench("baseline", "promote", runs / "base")
    told = rtbench("baseline", "promote", runs / "same")
    assert "1 past runs" in told.out
    assert "past run       01-base" in rtbench("baseline", "show").out
    checked = rtbench("check", runs / "base", "--baseline", "main")
    assert "was seen on 2 runs" in checked.flat
    alone = rtbench("check", runs / "base", "--baseline", runs / "same")
    assert "no past runs" in alone.flat


def test_history_narrows_what_runs_are_taken_to_differ_by(
    rtbench: Say, runs: Path, tmp_path: Path
) -> None:
    past = [make_run(tmp_path / f"p{seed}", seed=seed) for seed in range(20, 28)]
    rtbench("baseline", "promote", *past, runs / "base")
    rtbench("check", runs / "same", "--baseline", "main", "--json", "v.json")
    known = json.loads(Path("v.json").read_text("utf-8"))["run_noise"]["ttfa_ms"]
    assert known < 0.007  # 0.01 is what is assumed


def test_only_the_last_few_are_kept(rtbench: Say, runs: Path) -> None:
    for name in ("base", "same", "base", "same"):
        rtbench("baseline", "promote", runs / name, "--keep", 2)
    names = [path.name for path in sorted(Path("reports/baselines/main/history").iterdir())]
    assert names == ["01-base", "02-same"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("slow", "ttfa_ms is worse"), ("fast", "ttfa_ms is better"), ("unlike", "plan differs")],
)
def test_history_begins_anew_where_builds_or_plans_differ(
    rtbench: Say, runs: Path, name: str, reason: str
) -> None:
    rtbench("baseline", "promote", runs / "base")
    told = rtbench("baseline", "promote", runs / name)
    assert told.code == 0
    assert reason in told.out
    assert not Path("reports/baselines/main/history").exists()


def test_invalid_run_is_not_promoted(rtbench: Say, runs: Path) -> None:
    told = rtbench("baseline", "promote", runs / "late")
    assert told.code == 3
    assert "INVALID: late: Frames left late" in told.err
    assert not Path("reports/baselines").exists()

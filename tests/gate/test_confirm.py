"""What `rtbench check --confirm` makes of a regression that a fresh run repeats, or does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.gate.made_runs import make_run
from tests.gate.said import Say


@pytest.fixture
def slow_again(tmp_path: Path) -> Path:
    """As slow as `slow`, with other noise."""
    return make_run(tmp_path / "slow-again", seed=40, reply_ms=360)


def test_a_regression_that_a_fresh_run_repeats_stands(
    rtbench: Say, runs: Path, slow_again: Path
) -> None:
    told = rtbench(
        *("check", runs / "slow", "--baseline", runs / "base"),
        *("--confirm", slow_again, "--json", "v.json"),
    )
    assert (told.code, told.err) == (1, "")
    assert told.out.startswith("REGRESSION: slow against base")
    assert "in a fresh run too" in told.flat
    assert "slow-again, a fresh run, repeats a regression" in told.flat
    assert json.loads(Path("v.json").read_text("utf-8"))["gate"]["confirmed"]


@pytest.mark.parametrize("fresh", ["same", "fast", "few"])
def test_one_that_it_does_not_repeat_is_inconclusive(rtbench: Say, runs: Path, fresh: str) -> None:
    command = ("check", runs / "slow", "--baseline", runs / "base", "--confirm", runs / fresh)
    told = rtbench(*command, "--metric", "response_latency_ms")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("INCONCLUSIVE: slow against base")
    assert "not again in a fresh run" in told.flat
    assert f"{fresh}, a fresh run, repeats no regression" in told.flat
    assert rtbench(*command, "--metric", "response_latency_ms", "--strict").code == 5


def test_a_run_without_a_regression_asks_nothing_of_a_fresh_one(rtbench: Say, runs: Path) -> None:
    told = rtbench(
        *("check", runs / "same", "--baseline", runs / "base"),
        *("--confirm", runs / "slow", "--json", "v.json"),
    )
    assert told.code == 0
    assert told.out.startswith("PASS: same against base")
    assert "slow was not asked: there is no regression to repeat" in told.flat
    assert not json.loads(Path("v.json").read_text("utf-8"))["gate"]["confirmed"]


def test_a_broken_limit_needs_no_fresh_run(rtbench: Say, runs: Path) -> None:
    Path("l.yaml").write_text("- ttfa_ms p50 < 100\n", encoding="utf-8")
    told = rtbench(
        *("check", runs / "slow", "--baseline", runs / "base", "--limits", "l.yaml"),
        *("--confirm", runs / "same"),
    )
    assert told.code == 1
    assert told.out.startswith("LIMIT BROKEN: slow against base")


def test_an_invalid_fresh_run_says_nothing(rtbench: Say, runs: Path) -> None:
    command = ("check", runs / "slow", "--baseline", runs / "base", "--confirm")
    told = rtbench(*command, runs / "late")
    assert told.code == 3
    assert "late: Frames left late" in told.flat


def test_a_fresh_run_must_be_of_the_same_plan(rtbench: Say, runs: Path) -> None:
    command = ("check", runs / "slow", "--baseline", runs / "base", "--confirm", runs / "unlike")
    told = rtbench(*command)
    assert (told.code, told.out) == (2, "")
    assert "vad_silence_ms (200 and 500)" in told.err
    assert rtbench(*command, "--despite", "vad_silence_ms").code == 0


@pytest.mark.parametrize("again", ["slow", "base"])
def test_a_run_cannot_confirm_itself(rtbench: Say, runs: Path, again: str) -> None:
    told = rtbench(
        *("check", runs / "slow", "--baseline", runs / "base"),
        *("--confirm", runs / "late" / ".." / again),
    )
    assert (told.code, told.out) == (2, "")
    assert "is compared already; give a fresh run" in told.err


def test_without_a_baseline_there_is_nothing_to_repeat(rtbench: Say, runs: Path) -> None:
    Path("l.yaml").write_text("- ttfa_ms p50 < 900\n", encoding="utf-8")
    told = rtbench("check", runs / "slow", "--limits", "l.yaml", "--confirm", runs / "same")
    assert (told.code, told.out) == (2, "")
    assert "give --baseline too" in told.err

"""What `rtbench --quiet` leaves of a verdict, and what makes way for JSON on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import cli
from tests.gate.made_runs import make_run

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Typed:
    """Runs as the installed program does, beside runs `same` and `slow` and one to judge by."""
    for name, changes in (("base", {}), ("same", {}), ("slow", {"reply_ms": 360})):
        make_run(tmp_path / name, seed=len(name) + ord(name[1]), turns=41, **changes)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    for name in ("RTBENCH_QUIET", "NO_COLOR"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rtbench", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    return run


def test_quiet_says_nothing_of_a_pass_and_one_line_of_a_regression(typed: Typed) -> None:
    assert typed("compare", "base", "same", "--quiet") == (0, "", "")
    code, out, err = typed("compare", "base", "slow", "-q")
    assert (code, err) == (1, "")
    assert out.startswith("REGRESSION")
    assert "Metric" not in out


def test_json_on_stdout_is_alone_there(typed: Typed) -> None:
    code, out, err = typed("compare", "base", "slow", "--json", "-")
    assert code == 1
    assert json.loads(out)["verdict"] == "REGRESSION"
    assert "Metric" in err
    assert "\x1b" not in err


def test_plan_as_json(typed: Typed) -> None:
    code, out, err = typed("plan", "base", "--detect", "20%", "--json", "-")
    assert code == 0
    plan = json.loads(out)
    assert (plan["schema_version"], plan["detect"]) == (1, 0.2)
    ab, stored = plan["ways"]
    assert "rtbench ab" in ab["title"]
    assert "stored baseline" in stored["title"]
    efforts = {(each["metric"], each["statistic"]): each for each in ab["efforts"]}
    assert len(efforts) == len(ab["efforts"])
    ttfa = efforts["ttfa_ms", "shift"]
    assert ttfa["turns"] > 0
    assert ttfa["sessions"] > 0
    assert str(ttfa["turns"]) in err.replace("\u202f", "").replace(" ", "")


def test_baselines_as_json(typed: Typed) -> None:
    assert json.loads(typed("baseline", "list", "--json")[1]) == []
    typed("baseline", "promote", "base", "same", "--commit", "c0ffee")
    (listed,) = json.loads(typed("baseline", "list", "--json")[1])
    assert (listed["name"], listed["commit"], len(listed["past_runs"])) == ("main", "c0ffee", 1)
    assert json.loads(typed("baseline", "show", "--json")[1]) == listed


def test_quiet_report_gives_the_path_alone_and_why_a_run_is_invalid(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench.gate.reports

    monkeypatch.setattr(bench.gate.reports, "rebuild", _as_it_is)
    assert typed("report", "same", "--quiet") == (0, "same/report.html\n", "")
    summary = json.loads(Path("slow/summary.json").read_text("utf-8"))
    summary["validity"] = {"valid": False, "reasons": ["a worker died"]}
    Path("slow/summary.json").write_text(json.dumps(summary), encoding="utf-8")
    code, out, err = typed("report", "slow", "--quiet", "--verdict")
    assert (code, out) == (3, "slow/report.html\n")
    assert err.startswith("INVALID")
    assert "a worker died" in err


def _as_it_is(path: Path) -> tuple[Any, Any]:
    """Made runs have no events to be rebuilt from."""
    return tuple(json.loads((path / name).read_text("utf-8")) for name in _FACTS)


_FACTS = ("run.json", "summary.json")

"""The composite action: what GitHub asks of its file, and its script run as GitHub would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = ROOT / ".github" / "actions" / "check" / "action.yml"
WORKFLOW = ROOT / ".github" / "workflows" / "test.yml"


@pytest.fixture(scope="module")
def action() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(ACTION.read_text("utf-8"))
    return loaded


def expressions(text: str) -> set[str]:
    return set(re.findall(r"inputs\.([\w-]+)", text))


def test_inputs_used_are_those_declared_and_each_has_words(action: dict[str, Any]) -> None:
    assert expressions(ACTION.read_text("utf-8")) == set(action["inputs"])
    for name, each in action["inputs"].items():
        assert each["description"].strip(), name
        assert each.get("required") or isinstance(each["default"], str), name
    assert action["name"]
    assert action["description"]


def test_steps_are_what_a_composite_action_may_have(action: dict[str, Any]) -> None:
    assert action["runs"]["using"] == "composite"
    for step in action["runs"]["steps"]:
        assert set(step) <= {"name", "id", "if", "shell", "env", "run"}
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input pasted into a script could be a command"
        syntax = subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False)
        assert syntax.returncode == 0
        for variable in re.findall(r"\$\{?([A-Z_]+)\b", step["run"]):
            assert variable in step.get("env", {}) or variable == "GITHUB_OUTPUT", variable


def test_outputs_come_from_the_step_that_writes_them(action: dict[str, Any]) -> None:
    script = next(step["run"] for step in action["runs"]["steps"] if step.get("id") == "check")
    for name, output in action["outputs"].items():
        assert output["value"] == f"${{{{ steps.check.outputs.{name} }}}}"
        assert f'echo "{name}=' in script


def test_our_own_workflow_uses_it_with_inputs_that_it_has(action: dict[str, Any]) -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text("utf-8"))["jobs"]
    steps = [step for job in jobs.values() for step in job["steps"]]
    (ours,) = [step for step in steps if step.get("uses") == "./.github/actions/check"]
    assert set(ours["with"]) <= set(action["inputs"])
    for name in {"baseline", "limits"} & set(ours["with"]):
        assert (ROOT / ours["with"][name]).exists()


class Case(NamedTuple):
    candidate: str
    code: int
    verdict: str
    strict: str = "false"
    confirm: str = ""


@pytest.mark.parametrize(
    "case",
    [
        Case("same", 0, "PASS"),
        Case("slow", 1, "REGRESSION"),
        Case("slow", 0, "INCONCLUSIVE", confirm="same"),
        Case("late", 3, "INVALID"),
        Case("few", 5, "INCONCLUSIVE", strict="true"),
        Case("unlike", 2, ""),
    ],
)
def test_script(action: dict[str, Any], runs: Path, tmp_path: Path, case: Case) -> None:
    (tmp_path / "limits.yaml").write_text("- ttfa_ms p95 < 900\n", encoding="utf-8")
    given = {
        "run": str(runs / case.candidate),
        "baseline": str(runs / "base"),
        "limits": "limits.yaml",
        "strict": case.strict,
        "confirm": str(runs / case.confirm) if case.confirm else "",
        "metrics": "ttfa_ms failed",
    }
    (step,) = [step for step in action["runs"]["steps"] if step.get("id") == "check"]
    filled = {
        variable: given.get(name, action["inputs"][name].get("default", ""))
        for variable, value in step["env"].items()
        for name in expressions(value)
    }
    # GitHub runs scripts with these options, and rtbench from the path.
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        cwd=tmp_path,
        env={
            **os.environ,
            **filled,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == case.code, done.stdout + done.stderr
    output = (tmp_path / "output").read_text("utf-8")
    assert output == f"verdict={case.verdict}\nexit-code={case.code}\n"
    if case.verdict:
        assert f"rtbench: {case.verdict}" in (tmp_path / "summary.md").read_text("utf-8")
        assert (tmp_path / "rtbench-junit.xml").exists()

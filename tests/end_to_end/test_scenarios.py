"""A few scenarios for a few seconds, the example of one's own among them, side by side."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios"
RUNS = {
    "pauses": ("-t", "3s"),
    "tools": ("-t", "3s"),
    "mixed": ("-t", "3s"),
}
KEY = "voice-key-4b1d"


def written_out(folder: Path) -> tuple[Path, Path]:
    """The two files of the documented example, as a user would have them."""
    readme = (SCENARIOS / "README.md").read_text(encoding="utf-8")
    example = readme.partition("### Your own, outside the repository")[2]
    paths = []
    for name, language in (("voice.toml", "toml"), ("lights.py", "python")):
        text = re.search(rf"`{name}`.*?```{language}\n(.*?)```", example, re.DOTALL)
        assert text is not None, name
        paths.append(folder / name)
        paths[-1].write_text(text[1], encoding="utf-8")
    dialect, scenario = paths
    return dialect, scenario


@pytest.fixture(scope="module")
def runs(lab: Any) -> dict[str, Any]:
    """Ended runs, by scenario; four callers each."""
    host = lab.shared_server.host
    programs = {
        name: lab.locust(
            name, SCENARIOS / f"{name}.py", "-u", 4, "-r", 8, *options, "--host", host
        )
        for name, options in RUNS.items()
    }
    _, own = written_out(lab.folder("own"))
    programs["own"] = lab.locust(
        *("own", own, "-u", 2, "-r", 2, "-t", "3s", "--host", host),
        cwd=own.parent,
        env={"VOICE_API_KEY": KEY},
    )
    sweep = [sys.executable, SCENARIOS / "sweep.py", "--vad-silence-ms", 300, 900]
    programs["sweep"] = lab.start("sweep", *sweep, "-u", 4, "-r", 8, "-t", "1s", "-H", host)
    with ThreadPoolExecutor() as pool:
        return dict(
            zip(programs, pool.map(lambda one: one.wait(), programs.values()), strict=True)
        )


def outcomes(run: Any) -> set[str]:
    """Of turns; on a busy machine some may tell of nothing but that."""
    run.assert_clean_exit("No turn was measured")
    return run.outcomes


def test_who_pauses_for_longer_than_the_silence_is_cut_off(runs: dict[str, Any]) -> None:
    assert outcomes(runs["pauses"]) <= {"cut_off", "ok"}
    turns = runs["pauses"].turns
    assert set(turns.utterance) == {"mid_pause", "pause_300", "pause_1200", "pause_twice"}
    assert (turns.cut_off == (turns.utterance != "pause_300")).all()


def test_every_tool_is_answered(runs: dict[str, Any]) -> None:
    assert outcomes(runs["tools"]) <= {"ok"}
    turns = runs["tools"].turns
    assert (turns.tool_call_ms > 0).all()
    assert (turns.tool_reply_ms > 0).all()


def test_callers_of_every_kind_come_together(runs: dict[str, Any]) -> None:
    assert outcomes(runs["mixed"]) <= {"ok", "talked_over"}
    turns = runs["mixed"].turns
    assert len(turns[turns.barge_in_detect_ms.notna()]) == (turns.outcome == "talked_over").sum()
    assert len(runs["mixed"].json("run.json")["scenario"]["classes"]) == 4


def test_the_documented_example_works_as_it_stands(runs: dict[str, Any]) -> None:
    run = runs["own"]
    assert outcomes(run) <= {"ok"}
    facts = run.json("run.json")
    assert facts["options"]["vad_silence_ms"] == 400
    assert facts["model"] == "voice-1"
    assert "thanks" in set(run.turns.utterance)
    assert KEY not in run.text + (run.folder / "run.json").read_text(encoding="utf-8")


def test_a_sweep_makes_a_run_for_each_value(runs: dict[str, Any]) -> None:
    run = runs["sweep"]
    assert run.code == 0, run.text
    assert "Traceback" not in run.text
    lines = run.out.rpartition("ttfa p50, ms\n")[2].splitlines()
    found = {line.split()[0]: line.split() for line in lines}
    assert list(found) == ["300", "900"]
    assert int(found["900"][2]) == 0
    folders = sorted((run.runs_dir.parent / "reports").iterdir())
    assert [folder.name.rpartition("-")[2] for folder in folders] == ["300", "900"]

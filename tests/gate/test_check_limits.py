"""What `rtbench check` says of a run held against limits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench.analysis.record import RunRecord
from bench.gate import reading
from bench.report.build import load_record
from bench.runs.folder import RunFolder
from tests.gate.said import Say


@pytest.mark.parametrize(
    ("limits", "code", "words"),
    [
        ("- ttfa_ms p95 < 900\n- cut_off rate < 2%\n", 0, "PASS: same"),
        ("- ttfa_ms p95 < 500\n", 1, "LIMIT BROKEN: same"),
        ("- ttfa_ms p50 < 0.5 s\n", 1, "the figure itself is beyond"),
        ("- ttfa_ms p50 > 0.5 s\n", 0, "PASS"),
        ("- ttfa_ms p99 < 900\n", 0, "400 values; a p99 is believed of 1000"),
        ("- cut_off rate < 0.5%\n", 0, "the far end of its interval does not"),
        ("- setup_ms p50 < 100\n", 0, "20 values; a p50"),
        ("- setup_ms mean < 100\n", 0, "PASS"),
        ("- session_failed rate < 20%\n", 0, "PASS"),
    ],
)
def test_limits(rtbench: Say, runs: Path, limits: str, code: int, words: str) -> None:
    Path("limits.yaml").write_text(limits, encoding="utf-8")
    told = rtbench("check", runs / "same", "--limits", "limits.yaml")
    assert (told.code, told.err) == (code, "")
    if words.startswith("20 values"):
        assert "PASS" in told.flat  # 20 are just enough for a median
    else:
        assert words in told.flat


def test_inconclusive_limit_fails_under_strict(rtbench: Say, runs: Path) -> None:
    Path("limits.yaml").write_text("- cut_off rate < 0.5%\n", encoding="utf-8")
    assert rtbench("check", runs / "same", "--limits", "limits.yaml", "--strict").code == 5


def test_limit_on_replies_that_never_came_is_broken(rtbench: Say, runs: Path) -> None:
    Path("limits.yaml").write_text("- ttfa_ms p95 < 60 s\n", encoding="utf-8")
    told = rtbench("check", runs / "fails", "--limits", "limits.yaml")
    assert told.code == 1
    assert "never came" in told.flat


def test_limits_and_baseline_together(rtbench: Say, runs: Path) -> None:
    Path("limits.yaml").write_text("- ttfa_ms p50 < 100\n", encoding="utf-8")
    told = rtbench("check", runs / "same", "--limits", "limits.yaml", "--baseline", runs / "base")
    assert told.code == 1
    assert told.out.startswith("LIMIT BROKEN: same against base")


def test_sessions_are_read_once_for_all_their_limits(
    rtbench: Say, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[RunFolder] = []

    def counted(folder: RunFolder) -> RunRecord:
        read.append(folder)
        return load_record(folder)

    monkeypatch.setattr(reading, "load_record", counted)
    sentences = ("connect_ms p50 < 100", "setup_ms p50 < 100", "setup_ms mean < 100")
    for number, session_limits in enumerate((0, len(sentences))):
        text = "".join(f"- {sentence}\n" for sentence in sentences[:session_limits])
        Path("l.yaml").write_text(f"{text}- ttfa_ms p50 < 900\n", encoding="utf-8")
        told = rtbench("check", runs / "same", "--limits", "l.yaml")
        assert told.code == 0
        assert told.out.count("PASS") == 2 + session_limits  # with the verdict of all
        assert len(read) == number


def test_rates_are_those_that_the_summary_and_the_report_show(rtbench: Say, runs: Path) -> None:
    shown = json.loads((runs / "fails" / "summary.json").read_text("utf-8"))["rates"]
    assert shown["failed"]["hits"] > 0
    limits = "".join(f"- {name} rate < 50%\n" for name in shown)
    Path("l.yaml").write_text(limits, encoding="utf-8")
    rtbench("check", runs / "fails", "--limits", "l.yaml", "--json", "v.json")
    held = json.loads(Path("v.json").read_text("utf-8"))["limits"]
    assert {each["limit"]["measure"]: (each["value"], each["n"]) for each in held} == {
        name: (rate["value"], rate["n"]) for name, rate in shown.items()
    }
    names = [f"--metric={name}" for name in shown]
    rtbench("compare", runs / "base", runs / "fails", *names, "--json", "v.json")
    findings = json.loads(Path("v.json").read_text("utf-8"))["gate"]["findings"]
    compared = {each["metric"]: (each["candidate"], each["n_candidate"]) for each in findings}
    assert compared == {
        name: (rate["value"], rate["n"]) for name, rate in shown.items() if rate["n"]
    }

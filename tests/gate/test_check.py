"""What `rtbench compare` and `check` say of runs against a baseline, and where they write it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from tests.gate.made_runs import make_run
from tests.gate.said import Say


@pytest.mark.parametrize(
    ("candidate", "code", "verdict"),
    [
        ("same", 0, "PASS"),
        ("fast", 0, "PASS"),
        ("slow", 1, "REGRESSION"),
        ("tail", 1, "REGRESSION"),
        ("fails", 1, "REGRESSION"),
        ("refused", 1, "REGRESSION"),
        ("few", 0, "INCONCLUSIVE"),
        ("late", 3, "INVALID"),
        ("empty", 3, "INVALID"),
    ],
)
def test_verdict_and_exit_code(
    rtbench: Say, runs: Path, candidate: str, code: int, verdict: str
) -> None:
    for command in (
        ("compare", runs / "base", runs / candidate),
        ("check", runs / candidate, "--baseline", runs / "base"),
    ):
        told = rtbench(*command)
        assert (told.code, told.err) == (code, "")
        assert told.out.startswith(f"{verdict}: {candidate}")
        assert max(map(len, told.out.splitlines())) <= 80


def test_slower_tail_shows_in_the_tail_alone(rtbench: Say, runs: Path) -> None:
    rtbench("compare", runs / "base", runs / "tail", "--json", "v.json")
    findings = json.loads(Path("v.json").read_text("utf-8"))["gate"]["findings"]
    verdicts = {(f["metric"], f["statistic"]): f["verdict"] for f in findings}
    assert verdicts["ttfa_ms", "shift"] == "PASS"
    assert verdicts["ttfa_ms", "tail"] == "REGRESSION"
    assert verdicts["endpointing_delay_ms", "tail"] == "PASS"


def test_slower_reply_is_told_with_its_size(rtbench: Say, runs: Path) -> None:
    rtbench("compare", runs / "base", runs / "slow", "--json", "v.json")
    findings = json.loads(Path("v.json").read_text("utf-8"))["gate"]["findings"]
    shift = next(f for f in findings if (f["metric"], f["statistic"]) == ("ttfa_ms", "shift"))
    assert shift["effect"] == pytest.approx(60 / shift["baseline"], rel=0.05)
    assert shift["low"] < shift["effect"] < shift["high"]
    assert shift["floor"] < shift["detectable"] < shift["effect"]
    assert shift["n_baseline"] == shift["n_candidate"] == 400


def test_strict_fails_what_is_inconclusive_and_nothing_else(rtbench: Say, runs: Path) -> None:
    few = rtbench("compare", runs / "base", runs / "few", "--strict")
    assert few.code == 5
    assert re.search(r"INCONCLUSIVE: few against base; \d+ turns of each run would tell", few.flat)
    assert rtbench("compare", runs / "base", runs / "same", "--strict").code == 0
    assert rtbench("compare", runs / "base", runs / "slow", "--strict").code == 1


def test_run_that_is_still_warming_up_is_told(rtbench: Say, runs: Path, tmp_path: Path) -> None:
    drifting = make_run(tmp_path / "warming", seed=30, drift_ms=100)
    words = "warming was not steady: time to first audio changed by +1"
    assert words in rtbench("compare", drifting, runs / "same").flat
    assert words in rtbench("compare", runs / "base", drifting).flat
    assert "not steady" not in rtbench("compare", runs / "base", runs / "same").flat


def test_derived_tables_are_made_where_they_are_missing(
    rtbench: Say, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / "same", tmp_path / "raw")
    before = (tmp_path / "raw" / "turns.parquet").read_bytes()
    for name in ("turns.parquet", "summary.json"):
        (tmp_path / "raw" / name).unlink()
    assert rtbench("compare", runs / "base", tmp_path / "raw").code == 0
    assert (tmp_path / "raw" / "turns.parquet").read_bytes() == before


class TestJUnit:
    def read(self, rtbench: Say, *arguments: object) -> Any:
        rtbench(*arguments, "--junit", "out/j.xml")
        return JUnitXml.fromfile("out/j.xml")

    def test_regression_is_a_failure(self, rtbench: Say, runs: Path) -> None:
        xml = self.read(rtbench, "compare", runs / "base", runs / "slow")
        (suite,) = list(xml)
        cases = {(case.classname, case.name): case for case in suite}
        assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (11, 6, 0, 0)
        (result,) = cases["rtbench.gate.ttfa_ms", "p50"].result
        assert isinstance(result, Failure)
        assert result.type == "REGRESSION"
        assert "worse" in result.message
        assert "effect +11." in result.text
        assert not cases["rtbench.gate.endpointing_delay_ms", "p50"].result
        assert {p.name: p.value for p in suite.properties()}["verdict"] == "REGRESSION"

    def test_pass_has_neither(self, rtbench: Say, runs: Path) -> None:
        xml = self.read(rtbench, "compare", runs / "base", runs / "same")
        assert (xml.tests, xml.failures, xml.errors, xml.skipped) == (11, 0, 0, 0)

    def test_inconclusive_is_skipped_or_a_failure_if_strict(
        self, rtbench: Say, runs: Path
    ) -> None:
        xml = self.read(rtbench, "compare", runs / "base", runs / "few")
        assert xml.skipped > 0
        assert xml.failures == 0
        skipped = [case for suite in xml for case in suite if case.result]
        assert all(isinstance(case.result[0], Skipped) for case in skipped)
        strict = self.read(rtbench, "compare", runs / "base", runs / "few", "--strict")
        assert (strict.failures, strict.skipped) == (xml.skipped, 0)

    def test_invalid_is_an_error(self, rtbench: Say, runs: Path) -> None:
        xml = self.read(rtbench, "compare", runs / "base", runs / "late")
        (suite,) = list(xml)
        (case,) = list(suite)
        assert isinstance(case.result[0], Error)
        assert (xml.tests, xml.errors) == (1, 1)

    def test_broken_limit_is_a_failure(self, rtbench: Say, runs: Path) -> None:
        Path("l.yaml").write_text("- ttfa_ms p50 < 100\n- ttfa_ms p50 < 900\n", "utf-8")
        xml = self.read(rtbench, "check", runs / "same", "--limits", "l.yaml")
        assert (xml.tests, xml.failures) == (3, 1)


def test_markdown_is_written_and_added_to_the_jobs_page(
    rtbench: Say, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("page.md").write_text("# before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "page.md")
    rtbench("compare", runs / "base", runs / "slow", "--md", "v.md")
    text = Path("v.md").read_text("utf-8")
    assert text.startswith("### ❌ rtbench: REGRESSION: slow against base\n")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1
    assert len(rows) == 2 + 10
    assert Path("page.md").read_text("utf-8") == f"# before\n{text}\n"


def test_run_that_came_to_rest_says_when(rtbench: Say, runs: Path, tmp_path: Path) -> None:
    warm = {"reply_ms": 500, "drift_ms": -400, "drift_until": 0.5}
    warmed = make_run(tmp_path / "warmed", seed=31, **warm)
    told = rtbench("compare", warmed, runs / "same")
    match = re.search(r"it was from (\d+) s on: run with --warmup-s (\d+)", told.flat)
    assert match is not None
    assert match[1] == match[2]
    duration_s = json.loads((warmed / "summary.json").read_text("utf-8"))["duration_s"]
    assert 0.3 * duration_s < int(match[1]) < 0.6 * duration_s


def test_json_has_no_word_that_json_lacks(rtbench: Say, runs: Path) -> None:
    rtbench("compare", runs / "base", runs / "fails", "--json", "v.json")
    content = json.loads(Path("v.json").read_text("utf-8"), parse_constant=pytest.fail)
    tail = next(f for f in content["gate"]["findings"] if f["statistic"] == "tail")
    assert tail["candidate"] == "inf"
    assert (content["verdict"], content["exit_code"]) == ("REGRESSION", 1)

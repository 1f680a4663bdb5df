"""What `rtbench check`, `compare` and `baseline` say of run folders, and their exit codes."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from junitparser import Error, Failure, JUnitXml, Skipped

from bench import cli
from tests.gate.made_runs import make_run


class Told(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def flat(self) -> str:
        return " ".join(self.out.split())


Say = Callable[..., Told]


@pytest.fixture
def rtbench(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Say:
    """Run a command in an empty folder as the installed program does."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    monkeypatch.delenv("CI_COMMIT_SHA", raising=False)
    monkeypatch.chdir(tmp_path)

    def say(*arguments: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["rtbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            cli.main()
        code = left.value.code
        assert code is None or isinstance(code, int)
        return Told(code or 0, *capsys.readouterr())

    return say


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


def test_invalid_baseline_is_invalid_too(rtbench: Say, runs: Path) -> None:
    told = rtbench("compare", runs / "late", runs / "same")
    assert told.code == 3
    assert "late: Frames left late" in told.flat


def test_invalid_comes_before_unlike_plans_and_a_wrong_limits_file(
    rtbench: Say, runs: Path
) -> None:
    assert rtbench("compare", runs / "late", runs / "unlike").code == 3
    assert rtbench("check", runs / "late", "--limits", "nosuch.yaml").code == 3
    assert rtbench("check", runs / "late").code == 3


def test_unlike_plans_are_refused_by_field(rtbench: Say, runs: Path) -> None:
    told = rtbench("compare", runs / "base", runs / "unlike")
    assert (told.code, told.out) == (2, "")
    assert "unlike plans" in told.err
    assert "vad_silence_ms (200 and 500)" in told.err
    assert "num_users" not in told.err
    assert "--despite vad_silence_ms" in told.err
    allowed = rtbench("compare", runs / "base", runs / "unlike", "--despite", "vad_silence_ms")
    assert allowed.code == 0


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


def test_typo_in_limits_is_one_line_with_file_line_and_mend(rtbench: Say, runs: Path) -> None:
    Path("limits.yaml").write_text("# ours\n- tfa_ms p95 < 900\n", encoding="utf-8")
    told = rtbench("check", runs / "same", "--limits", "limits.yaml")
    assert (told.code, told.out) == (2, "")
    assert re.fullmatch(
        r"rtbench: limits\.yaml, line 2: 'tfa_ms p95 < 900': .*did you mean ttfa_ms\?\n", told.err
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("check", "{same}"), "nothing to check the run against"),
        (("check", "{same}", "--limits", "nosuch"), "nosuch: cannot be read"),
        (("check", "{same}", "--baseline", "nosuch"), "neither the folder of a run nor"),
        (("check", "nosuch"), "nosuch/run.json: cannot be read"),
        (("check", "."), "run.json: cannot be read"),
        (("compare", "{same}"), "compared with what"),
        (("compare", "{same}", "{base}", "--metric", "tfa_ms"), "did you mean ttfa_ms"),
        (("compare", "{same}", "{base}", "--json", "{same}"), "cannot be written"),
        (("plan", "{same}", "--detect", "lots"), "is no share"),
        (("plan", "{same}", "--detect", "0%"), "above 0%"),
        (("baseline", "show", "nosuch"), "baseline 'nosuch'"),
        (("baseline", "promote", "{same}", "--name", "../x"), "is not a plain folder name"),
        (("baseline", "promote", "{unlike}", "{same}"), "unlike plans"),
    ],
)
def test_problem_is_one_line_and_exit_code_2(
    rtbench: Say, runs: Path, arguments: tuple[str, ...], message: str
) -> None:
    filled = [
        part.format(same=runs / "same", base=runs / "base", unlike=runs / "unlike")
        for part in arguments
    ]
    told = rtbench(*filled)
    assert told.code == 2
    assert message in told.err
    assert told.err.startswith("rtbench: ")
    assert told.err.count("\n") == 1


def test_truncated_part_makes_the_run_invalid(rtbench: Say, runs: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path / "cut", ended=False)  # whose parts are kept
    (part,) = (run / "parts").glob("*.events.parquet")
    part.write_bytes(part.read_bytes()[:-100])
    told = rtbench("check", run, "--baseline", runs / "base")
    assert told.code == 3
    assert "events.parquet: cannot be read" in told.flat.replace("- ", "")


def test_truncated_table_of_a_baseline_is_invalid(
    rtbench: Say, runs: Path, tmp_path: Path
) -> None:
    shutil.copytree(runs / "base", tmp_path / "b", ignore=shutil.ignore_patterns("[ae]*.parquet"))
    turns = tmp_path / "b" / "turns.parquet"
    turns.write_bytes(turns.read_bytes()[:500])
    told = rtbench("check", runs / "same", "--baseline", tmp_path / "b")
    assert told.code == 3
    assert "turns.parquet: cannot be read" in told.flat


def test_older_schema_is_refused_by_version(rtbench: Say, runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "base", tmp_path / "old")
    path = tmp_path / "old" / "run.json"
    path.write_text(path.read_text("utf-8").replace('"schema_version": 1', '"schema_version": 0'))
    told = rtbench("check", runs / "same", "--baseline", tmp_path / "old")
    assert told.code == 2
    assert "schema_version 0 is not" in told.err


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


def test_json_has_no_word_that_json_lacks(rtbench: Say, runs: Path) -> None:
    rtbench("compare", runs / "base", runs / "fails", "--json", "v.json")
    content = json.loads(Path("v.json").read_text("utf-8"), parse_constant=pytest.fail)
    tail = next(f for f in content["gate"]["findings"] if f["statistic"] == "tail")
    assert tail["candidate"] == "inf"
    assert (content["verdict"], content["exit_code"]) == ("REGRESSION", 1)


class TestBaselines:
    def test_promote_list_show(self, rtbench: Say, runs: Path) -> None:
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

    def test_commit_is_what_ci_says(
        self, rtbench: Say, runs: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GITHUB_SHA", "f00d")
        rtbench("baseline", "promote", runs / "base")
        assert "f00d" in rtbench("baseline", "show").out

    def test_what_was_baseline_becomes_history(self, rtbench: Say, runs: Path) -> None:
        rtbench("baseline", "promote", runs / "base")
        told = rtbench("baseline", "promote", runs / "same")
        assert "1 past runs" in told.out
        assert "past run       01-base" in rtbench("baseline", "show").out
        checked = rtbench("check", runs / "base", "--baseline", "main")
        assert "was seen on 2 runs" in checked.flat
        alone = rtbench("check", runs / "base", "--baseline", runs / "same")
        assert "no past runs" in alone.flat

    def test_history_narrows_what_runs_are_taken_to_differ_by(
        self, rtbench: Say, runs: Path, tmp_path: Path
    ) -> None:
        past = [make_run(tmp_path / f"p{seed}", seed=seed) for seed in range(20, 28)]
        rtbench("baseline", "promote", *past, runs / "base")
        rtbench("check", runs / "same", "--baseline", "main", "--json", "v.json")
        known = json.loads(Path("v.json").read_text("utf-8"))["run_noise"]["ttfa_ms"]
        assert known < 0.007  # 0.01 is what is assumed

    def test_only_the_last_few_are_kept(self, rtbench: Say, runs: Path) -> None:
        for name in ("base", "same", "base", "same"):
            rtbench("baseline", "promote", runs / name, "--keep", 2)
        names = [path.name for path in sorted(Path("reports/baselines/main/history").iterdir())]
        assert names == ["01-base", "02-same"]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [("slow", "ttfa_ms is worse"), ("fast", "ttfa_ms is better"), ("unlike", "plan differs")],
    )
    def test_history_begins_anew_where_builds_or_plans_differ(
        self, rtbench: Say, runs: Path, name: str, reason: str
    ) -> None:
        rtbench("baseline", "promote", runs / "base")
        told = rtbench("baseline", "promote", runs / name)
        assert told.code == 0
        assert reason in told.out
        assert not Path("reports/baselines/main/history").exists()

    def test_invalid_run_is_not_promoted(self, rtbench: Say, runs: Path) -> None:
        told = rtbench("baseline", "promote", runs / "late")
        assert told.code == 3
        assert "INVALID: late: Frames left late" in told.err
        assert not Path("reports/baselines").exists()


class TestPlan:
    def test_tells_turns_and_minutes_of_either_way(self, rtbench: Say, runs: Path) -> None:
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

    def test_smaller_effects_need_more(self, rtbench: Say, runs: Path) -> None:
        def turns(share: str) -> int:
            rows = rtbench("plan", runs / "tail", "--detect", share).out.splitlines()
            row = next(line for line in rows if line.startswith("response_latency_ms"))
            return int(row[row.index("p50") + 3 :].split()[0])

        assert turns("6%") >= turns("50%")

    def test_too_small_an_effect_has_no_number(self, rtbench: Say, runs: Path) -> None:
        assert "too near the floor" in rtbench("plan", runs / "base", "--detect", "1%").flat

    def test_invalid_pilot(self, rtbench: Say, runs: Path) -> None:
        assert rtbench("plan", runs / "late").code == 3

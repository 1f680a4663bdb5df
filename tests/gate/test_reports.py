"""What `rtbench report` makes of one run and of several, and what it refuses."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.gate.made_runs import make_run
from tests.gate.said import Say


@pytest.fixture
def copies(runs: Path, tmp_path: Path) -> Path:
    """Runs that a report may be written into."""
    folder = tmp_path / "runs"
    for name in ("base", "same", "slow", "late", "unlike"):
        shutil.copytree(runs / name, folder / name)
    return folder


def banner(page: str) -> str:
    text = re.sub(r"<[^>]+>", " ", page[page.index('<div class="banner') :][:600])
    return " ".join(html.unescape(text).split())


def test_one_run_makes_its_page_and_prints_its_table(rtbench: Say, copies: Path) -> None:
    told = rtbench("report", copies / "same")
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("VALID\n")
    assert f"Report: {copies / 'same' / 'report.html'}" in told.flat
    assert banner((copies / "same" / "report.html").read_text("utf-8")).startswith("VALID")


@pytest.mark.parametrize(
    ("candidate", "limit", "expected"),
    [
        ("same", None, ("✓ PASS same against base", 0)),
        ("slow", None, ("✗ REGRESSION slow against base", 1)),
        ("same", "ttfa_ms p95 < 900", ("✓ PASS same", 0)),
        ("same", "ttfa_ms p95 < 500", ("✗ LIMIT BROKEN same", 1)),
        ("same", "cut_off rate < 0.5%", ("? INCONCLUSIVE same", 0)),
        ("late", None, ("✗ INVALID late", 3)),
    ],
)
def test_the_page_leads_with_what_check_decides(
    rtbench: Say, copies: Path, candidate: str, limit: str | None, expected: tuple[str, int]
) -> None:
    verdict, code = expected
    judged = ["--baseline", copies / "base"]
    options = judged if limit is None else ["--limits", limits(limit)]
    run = copies / candidate
    plain = rtbench("report", run, *options, "--json", "r.json")
    assert (plain.code, plain.err) == (0, "")
    assert banner((run / "report.html").read_text("utf-8")).startswith(verdict)
    assert rtbench("report", run, *options, "--verdict").code == code
    assert rtbench("check", run, *options, "--json", "c.json").code == code
    checked, reported = (
        json.loads(Path(name).read_text("utf-8")) for name in ("c.json", "r.json")
    )
    assert reported["judgement"] == checked


def test_invalid_run_is_told_by_the_exit_code_if_asked(rtbench: Say, copies: Path) -> None:
    assert rtbench("report", copies / "late").code == 0
    assert rtbench("report", copies / "late", "--verdict").code == 3
    assert rtbench("report", copies / "base", copies / "late", "--verdict").code == 3
    assert rtbench("report", copies / "base", copies / "same", "--verdict").code == 0


def test_figures_are_those_of_the_summary_in_every_form(rtbench: Say, copies: Path) -> None:
    run = copies / "same"
    files = ["--md", "o/r.md", "--csv", "o/r.csv", "--json", "o/r.json", "--html", "o/r.html"]
    assert rtbench("report", run, *files).code == 0
    summary = json.loads((run / "summary.json").read_text("utf-8"))
    ttfa, ends = summary["metrics"]["ttfa_ms"], summary["intervals"]["ttfa_ms"]["p95"]
    assert ends["low"] < ttfa["p95"]["value"] < ends["high"]
    assert (ends["n"], ends["sessions"]) == (400, 20)
    with Path("o/r.csv").open(encoding="utf-8", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["metric"] == "ttfa_ms")
    assert (float(row["p95"]), float(row["p95_low"])) == (ttfa["p95"]["value"], ends["low"])
    (told,) = json.loads(Path("o/r.json").read_text("utf-8"))["runs"]
    assert (told["metrics"], told["rates"]) == (summary["metrics"], summary["rates"])
    shown = f"{ttfa['p95']['value']:.0f} ({ends['low']:.0f} to {ends['high']:.0f})"
    assert shown in Path("o/r.md").read_text("utf-8")
    assert f">{ttfa['p95']['value']:.0f}<small>" in Path("o/r.html").read_text("utf-8")


def test_a_limits_interval_is_the_one_of_the_table(rtbench: Say, copies: Path) -> None:
    Path("limits.yaml").write_text("- ttfa_ms p95 < 900\n", encoding="utf-8")
    rtbench("report", copies / "same", "--limits", "limits.yaml", "--json", "r.json")
    content = json.loads(Path("r.json").read_text("utf-8"))
    (limit,) = content["judgement"]["limits"]
    ends = content["runs"][0]["intervals"]["ttfa_ms"]["p95"]
    assert (limit["low"], limit["high"]) == (ends["low"], ends["high"])


def test_stdout_is_the_document_alone(rtbench: Say, copies: Path) -> None:
    told = rtbench("report", copies / "same", "--json", "-")
    assert json.loads(told.out)["runs"][0]["run_id"] == "same"
    assert "VALID" in told.err
    assert rtbench("report", copies / "same", "--md", "-").out.startswith("### ✅ rtbench: VALID")
    assert rtbench("report", copies / "same", "--csv", "-").out.startswith("run_id,label,")
    page = rtbench("report", copies / "same", "--html", "-").out
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")


def test_markdown_of_a_judged_run_leads_with_the_verdict(rtbench: Say, copies: Path) -> None:
    rtbench("report", copies / "slow", "--baseline", copies / "base", "--md", "r.md")
    text = Path("r.md").read_text("utf-8")
    assert text.startswith("### ❌ rtbench: REGRESSION: slow against base\n")
    assert "### ✅ rtbench: VALID: slow\n" in text


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Three runs as a sweep over one option leaves them."""
    folder = tmp_path / "sweep"
    for ms in (500, 200, 1000):
        make_run(
            folder / f"x-vad-silence-ms-{ms}",
            seed=ms,
            turns=12,
            reply_ms=ms,
            options=(("vad_silence_ms", ms), ("num_users", 20)),
            plan=f"{ms:064}",
        )
    return folder


def test_a_sweep_is_one_page_beside_its_runs(rtbench: Say, sweep: Path) -> None:
    told = rtbench("report", *sorted(sweep.iterdir()), "--md", "s.md")
    assert (told.code, told.err) == (0, "")
    assert f"Comparison: {sweep / 'comparison.html'}" in told.flat
    assert max(map(len, told.out.splitlines()[:-1])) <= 80
    places = [told.flat.index(f"vad_silence_ms = {ms}") for ms in (200, 500, 1000)]
    assert places == sorted(places)
    page = (sweep / "comparison.html").read_text("utf-8")
    assert "The runs differ in" in page
    rows = [line for line in Path("s.md").read_text("utf-8").splitlines() if line[:1] == "|"]
    assert [row.split(" | ")[0] for row in rows[2:]] == [
        f"| vad_silence_ms = {ms}" for ms in (200, 500, 1000)
    ]


def test_several_with_a_baseline_are_told_from_it(rtbench: Say, runs: Path) -> None:
    told = rtbench(
        "report", runs / "slow", runs / "unlike", "--baseline", runs / "base", "--html", "c.html"
    )
    assert told.code == 0
    page = Path("c.html").read_text("utf-8")
    assert page.count("<small>reference") == 1
    assert "vad_silence_ms = 200 (base) <small>reference" in page


def test_limits_of_several_are_held_for_each(rtbench: Say, sweep: Path) -> None:
    Path("limits.yaml").write_text("- ttfa_ms p50 < 900\n", encoding="utf-8")
    options = ("--limits", "limits.yaml", "--verdict", "--json", "s.json")
    assert rtbench("report", *sorted(sweep.iterdir()), *options).code == 1
    runs = json.loads(Path("s.json").read_text("utf-8"))["runs"]
    assert [run["limits"][0]["verdict"] for run in runs] == ["PASS", "PASS", "LIMIT BROKEN"]
    assert [run["settings"]["vad_silence_ms"] for run in runs] == ["200", "500", "1000"]


def test_a_baselines_folder_can_stand_beside_runs(
    rtbench: Say, runs: Path, tmp_path: Path
) -> None:
    keep = shutil.ignore_patterns("events.parquet", "appends.parquet")
    shutil.copytree(runs / "base", tmp_path / "kept", ignore=keep)
    told = rtbench("report", tmp_path / "kept", runs / "same", "--html", "c.html")
    assert (told.code, told.err) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nosuch",), "nosuch/run.json: cannot be read"),
        ((".",), "run.json: cannot be read"),
        (("{same}", "nosuch"), "nosuch/run.json: cannot be read"),
        (("{same}", "{same}"), "is given twice"),
        (("{same}", "{base}", "{same}/../same"), "is given twice"),
        (("{same}", "--baseline", "nosuch"), "neither the folder of a run nor"),
        (("{same}", "--baseline", "{same}"), "is the run itself"),
        (("{same}", "--baseline", "{unlike}"), "--despite vad_silence_ms"),
        (("{same}", "--limits", "nosuch.yaml"), "nosuch.yaml: cannot be read"),
        (("{same}", "--limits", "typo.yaml"), "did you mean ttfa_ms?"),
        (("{same}", "--md", "{base}"), "cannot be written"),
        (("{same}", "--csv", "typo.yaml/x"), "cannot be written"),
        (("{same}", "--html", "{base}"), "cannot be written"),
        (("{same}", "{base}", "--html", "{base}"), "cannot be written"),
        (("{same}", "--md", "-", "--json", "-"), "only one of them can go to stdout"),
    ],
)
def test_problem_is_one_line_and_exit_code_2(
    rtbench: Say, copies: Path, arguments: tuple[str, ...], message: str
) -> None:
    Path("typo.yaml").write_text("- tfa_ms p95 < 900\n", encoding="utf-8")
    places = {name: copies / name for name in ("same", "base", "unlike")}
    told = rtbench("report", *(part.format(**places) for part in arguments))
    assert told.code == 2
    assert message in told.err
    assert told.err.startswith("rtbench: ")
    assert told.err.count("\n") == 1


def test_a_folder_that_cannot_be_written_to_is_named(rtbench: Say, copies: Path) -> None:
    page = copies / "same" / "report.html.tmp"
    page.mkdir()
    told = rtbench("report", copies / "same")
    assert told.code == 2
    assert "same: its files cannot be read or written" in told.err


def test_quiet_tells_the_path_alone(
    rtbench: Say, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTBENCH_QUIET", "1")
    told = rtbench("report", copies / "same", "--limits", limits(), "--html", "p.html")
    assert (told.out, told.err) == ("p.html\n", "")


def limits(sentence: str = "ttfa_ms p95 < 900") -> Path:
    path = Path("limits.yaml")
    path.write_text(f"- {sentence}\n", encoding="utf-8")
    return path


def test_help_fits_80_columns_and_has_exit_codes_and_examples(rtbench: Say) -> None:
    told = rtbench("report", "--help")
    assert told.code == 0
    assert max(map(len, told.out.splitlines())) <= 80
    assert "Exit codes: 0 fine" in told.flat
    assert told.flat.count("Example: rtbench report") == 2

"""CSV, JSON and Markdown of runs: the figures of summary.json, and nothing where there is none."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.report.comparison import ComparedRun, compare
from bench.report.data import ReportData
from bench.report.exports import COLUMNS, figures_csv, figures_json
from bench.report.markdown import comparison_markdown, run_markdown

ENDS = {"low": 700.0, "high": 900.5, "low_censored": False, "high_censored": True}
RATE = {"value": 0.25, "low": 0.1, "high": 0.5, "hits": 3, "n": 12}
NEVER = {"value": None, "low": None, "high": None, "hits": 0, "n": 0}


@pytest.fixture
def compared(run60: Path) -> ComparedRun:
    data = ReportData.load(run60)
    intervals = {"ttfa_ms": {"p50": ENDS | {"n": 49, "sessions": 10}}}
    rates = {"cut_off": RATE, "false_turn": NEVER}
    summary = {**data.summary, "intervals": intervals, "rates": rates}
    return ComparedRun(run60, data.run, summary, data.turns)


def cells(run: ComparedRun) -> dict[str, dict[str, str]]:
    table = csv.DictReader(io.StringIO(figures_csv([run])))
    return {row["metric"]: row for row in table}


def test_csv_has_a_row_for_each_metric_and_rate_of_each_run(compared: ComparedRun) -> None:
    text = figures_csv([compared, compared])
    table = list(csv.reader(io.StringIO(text)))
    assert tuple(table[0]) == COLUMNS
    each = len(compared.summary["metrics"]) + len(compared.summary["rates"])
    assert len(table) == 1 + 2 * each
    assert {len(row) for row in table} == {len(COLUMNS)}
    assert "\r" not in text


def test_csv_says_the_numbers_of_the_summary_to_the_last_digit(compared: ComparedRun) -> None:
    row, ttfa = cells(compared)["ttfa_ms"], compared.summary["metrics"]["ttfa_ms"]
    assert (row["unit"], row["better"], row["valid"]) == ("ms", "lower", "true")
    assert int(row["n"]) == ttfa["n"]
    for name in ("min", "mean", "max"):
        assert float(row[name]) == ttfa[name]
    for which in ("p50", "p95", "p99"):
        assert float(row[which]) == ttfa[which]["value"]
        assert row[f"{which}_enough"] == str(ttfa[which]["enough"]).lower()
    assert row["p99_censored"] == "true"
    assert (row["p50_low"], row["p50_high"], row["p50_high_censored"]) == (
        "700.0",
        "900.5",
        "true",
    )
    assert (row["p95_low"], row["p95_low_censored"], row["rate"]) == ("", "", "")


def test_csv_of_rates(compared: ComparedRun) -> None:
    row = cells(compared)["cut_off"]
    assert [row[k] for k in ("n", "hits", "rate", "rate_low", "rate_high", "p50")] == [
        *("12", "3", "0.25", "0.1", "0.5", ""),
    ]
    assert [cells(compared)["false_turn"][k] for k in ("n", "rate")] == ["0", ""]


def test_csv_holds_no_formula(compared: ComparedRun) -> None:
    run = ComparedRun(
        compared.folder,
        {**compared.run, "run_id": "=HYPERLINK(1)"},
        {**compared.summary, "metrics": {"@x": compared.summary["metrics"]["ttfa_ms"]}},
        compared.turns,
        ("bad",),
    )
    row = cells(run)["'@x"]
    assert row["run_id"] == "'=HYPERLINK(1)"
    assert row["valid"] == "false"


def test_json_has_what_the_summary_has(compared: ComparedRun) -> None:
    content = json.loads(figures_json(compare([compared])), parse_constant=pytest.fail)
    assert content["schema_version"] == 1
    assert (content["reference"], content["fields"], content["judgement"]) == (None, [], None)
    (run,) = content["runs"]
    for key in ("validity", "duration_s", "sessions", "turns", "metrics", "intervals", "rates"):
        assert run[key] == compared.summary[key]
    assert run["usage"] is None
    assert run["run_id"] == compared.name


def test_json_of_several_names_what_sets_them_apart(compared: ComparedRun) -> None:
    other = ComparedRun(Path("b"), {"run_id": "b", "target": "ws://b"}, {}, pd.DataFrame(), ("x",))
    content = json.loads(figures_json(compare([compared, other]), {"verdict": "PASS"}))
    assert content["fields"] == ["target"]
    assert content["reference"] == compared.name
    assert content["runs"][1]["settings"] == {"target": "ws://b"}
    assert content["runs"][1]["invalid"] == ["x"]
    assert content["runs"][1]["metrics"] is None
    assert content["judgement"] == {"verdict": "PASS"}


def test_markdown_of_a_run(compared: ComparedRun) -> None:
    text = run_markdown(compared.run, compared.summary)
    first, *lines = text.splitlines()
    assert first.startswith("### ✅ rtbench: VALID: ")
    ttfa = compared.summary["metrics"]["ttfa_ms"]
    (row,) = [line for line in lines if line.startswith("| Time to first audio, ms |")]
    assert f" {ttfa['n']} | {ttfa['p50']['value']:.0f} (700 to > 900) |" in row.replace(
        "900.5", "900"
    ).replace("> 901", "> 900")
    assert "(too few)" in row
    assert "| Turns cut off | 12 | 3 | 25.0 % (10.0 to 50.0) |" in lines
    assert "False turns" not in text
    assert len(text) < 4_000


def test_markdown_of_an_invalid_run_says_why_and_lets_nothing_out(compared: ComparedRun) -> None:
    reason = "late <b>| frames\nleft"
    summary: dict[str, Any] = {
        **compared.summary,
        "validity": {"valid": False, "reasons": [reason], "warnings": []},
    }
    text = run_markdown({**compared.run, "run_id": "a|b"}, summary)
    assert text.startswith("### ❌ rtbench: INVALID: a\\|b\n")
    assert "- late &lt;b>\\| frames left\n" in text


def test_markdown_of_a_run_without_audio(compared: ComparedRun) -> None:
    text = run_markdown(compared.run, {**compared.summary, "metrics": {}, "rates": {}})
    assert "there is no latency to report" in text
    assert "|" not in text


def test_markdown_of_several(compared: ComparedRun) -> None:
    other = ComparedRun(
        Path("b"), {"run_id": "b", "target": "ws://b"}, compared.summary, compared.turns, ("bad",)
    )
    text = comparison_markdown(compare([compared, other]))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "(~0 ms)" in table[3]
    assert table[3].endswith("❌ INVALID |")
    assert "- INVALID: target = ws://b: bad" in text


def test_markdown_folds_what_no_caller_feels(compared: ComparedRun) -> None:
    before, after = run_markdown(compared.run, compared.summary).split("<details>")
    assert "| Time to first audio, ms |" in before
    assert "| Model latency, ms |" in after
    assert "| Turns cut off |" in before
    assert "</details>" in after

"""The page of a run about which something was decided."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bench.report.data import ReportData
from bench.report.judgement import Judgement, LimitLine, Line
from bench.report.page import render_page
from bench.report.wording import ABSENT, MINUS

SHIFT = Line(
    *("ttfa_ms", "Time to first audio, ms", "p50", "380-400", "812", "790"),
    *("-2.7% (-4.0, -1.4)", "3.1%", "PASS", "not worse by as much as the tolerance"),
)
TAIL = SHIFT._replace(statistic="p95", effect="+12.0% (+8.0, +16.0)", verdict="REGRESSION")
CUT_OFF = Line(
    *("cut_off", "Turns cut off", "rate", "400", "1.0%", "never", "-", "-"),
    *("INCONCLUSIVE", "more turns will tell: 900 of each run"),
)
HELD = LimitLine(
    *("ttfa_ms p95 < 900", "400", "812", "790 to 850", "PASS", "kept"),
    *("Time to first audio, p95", "< 900 ms"),
)
BROKEN = HELD._replace(verdict="LIMIT BROKEN", bound="< 500 ms")
UNKNOWN = HELD._replace(verdict="INCONCLUSIVE", interval="-")


def judged(folder: Path, **changes: Any) -> str:
    judgement = Judgement(
        verdict="REGRESSION",
        sentence="run against main",
        reasons=("ttfa_ms p95: REGRESSION, worse",),
        notes=("the baseline had another host",),
        baseline="main <b>",
        tests=(SHIFT, TAIL, CUT_OFF),
        limits=(HELD, BROKEN, UNKNOWN),
        meaning="Effect: what it is.",
    )
    return render_page(ReportData.load(folder, judgement._replace(**changes)))


def rows(page: str, label: str) -> list[list[str]]:
    part = page[page.index(f'aria-label="{label}"') :]
    part = part[: part.index("</table>")]
    return [
        [
            " ".join(html.unescape(re.sub(r"<[^>]+>", " ", cell)).split())
            for cell in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        ]
        for row in re.findall(r"<tr>(.*?)</tr>", part, flags=re.DOTALL)
    ]


@pytest.mark.parametrize(
    ("verdict", "tone", "sign"),
    [
        ("PASS", "valid", "✓"),
        ("INCONCLUSIVE", "open", "?"),
        ("REGRESSION", "invalid", "✗"),
        ("LIMIT BROKEN", "invalid", "✗"),
        ("INVALID", "invalid", "✗"),
    ],
)
def test_the_verdict_comes_first_with_a_sign_and_its_reasons(
    run60: Path, verdict: str, tone: str, sign: str
) -> None:
    page = judged(run60, verdict=verdict)
    banner = page[page.index('<div class="banner') :]
    assert banner.startswith(f'<div class="banner {tone}" role="status">')
    text = " ".join(re.sub(r"<[^>]+>", " ", banner[: banner.index("<strong>VALID")]).split())
    assert text == (
        f"{sign} {verdict} run against main ttfa_ms p95: REGRESSION, worse "
        "To know beside it: the baseline had another host"
    )
    assert page.count('role="status"') == 1


def test_limits_are_held_broken_or_unknown(run60: Path) -> None:
    table = rows(judged(run60), "Limits")
    assert table[0] == [
        *("What is limited", "Limit", "Figure", "95 % interval", "N", "Verdict", "Why"),
    ]
    figure = "Time to first audio, p95"
    assert table[1] == [figure, "< 900 ms", "812", "790 to 850", "400", "✓ held", "kept"]
    assert [table[2][1], table[2][5]] == ["< 500 ms", "✗ broken"]
    assert [table[3][3], table[3][5]] == [ABSENT, "? unknown"]


def test_each_test_stands_with_what_it_rests_on(run60: Path) -> None:
    page = judged(run60)
    head, *body = rows(page, "Compared with the baseline")
    assert len(head) == 8
    assert [row[:3] for row in body] == [
        ["Time to first audio, ms", "p50", f"380{ABSENT}400"],
        ["Time to first audio, ms", "p95", f"380{ABSENT}400"],
        ["Turns cut off", "rate", "400"],
    ]
    assert body[0][5:8] == [f"{MINUS}2.7% ({MINUS}4.0, {MINUS}1.4)", "3.1%", "✓ PASS"]
    assert body[2][5:8] == [ABSENT, ABSENT, "? INCONCLUSIVE"]
    assert "main &lt;b&gt;" in page
    assert "Effect: what it is." in page


def test_the_table_of_metrics_tells_the_change_beside_the_figures(run60: Path) -> None:
    table = {row[0]: row for row in rows(judged(run60), "Metrics")}
    assert table["Metric"][8] == "Δ to the baseline"
    assert table["Time to first audio"][8] == (
        f"✓ PASS p50 {MINUS}2.7% ({MINUS}4.0, {MINUS}1.4) ✗ REGRESSION p95 +12.0% (+8.0, +16.0)"
    )
    assert table["Model latency"][8] == ABSENT


def test_without_a_baseline_no_column_is_empty_for_it(run60: Path) -> None:
    page = judged(run60, tests=(), baseline=None)
    assert "Δ" not in page
    assert "Compared with" not in page
    assert rows(page, "Limits")


def test_nothing_is_said_of_what_was_not_asked(run60: Path) -> None:
    page = render_page(ReportData.load(run60))
    assert 'aria-label="Limits"' not in page
    assert "Every metric" not in page
    assert page.count('role="status"') == 1


def test_intervals_stand_below_the_percentiles_that_have_enough_values(
    synthetic_run: Callable[..., Path], synthetic: ModuleType
) -> None:
    folder = synthetic_run()
    ends = {"low": 700.0, "high": 905.0, "low_censored": False, "high_censored": True}

    def add(summary: dict[str, Any]) -> None:
        summary["intervals"] = {"ttfa_ms": {"p50": ends, "p95": ends}}

    synthetic.edit_json(folder / "summary.json", add)
    page = render_page(ReportData.load(folder))
    ttfa = json.loads((folder / "summary.json").read_text())["metrics"]["ttfa_ms"]
    row = {row[0]: row for row in rows(page, "Metrics")}["Time to first audio"]
    assert row[5] == f"{ttfa['p50']['value']:.0f} 700 {ABSENT} > 905"
    assert "N < 200" in row[6]
    assert "700" not in row[6]
    assert "95 % interval, by drawing" in page


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("run: Frames left late.", "these numbers, for the reasons above."),
        ("main: Frames never left.", "these numbers:"),
    ],
)
def test_why_a_run_is_invalid_is_told_once(
    synthetic_run: Callable[..., Path], synthetic: ModuleType, reason: str, words: str
) -> None:
    folder = synthetic_run(sessions=1)
    why = {"valid": False, "reasons": ["Frames left late."], "warnings": []}
    synthetic.edit_json(folder / "summary.json", lambda summary: summary.update(validity=why))
    page = judged(folder, verdict="INVALID", reasons=(reason,))
    assert page.count("Frames left late.") == 1
    assert words in page

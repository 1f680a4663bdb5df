from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.report.data import ReportData
from bench.report.theme import Chart
from bench.report.timeline import latency_over_time


def drawn(folder: Path, *, recorded: bool = True) -> Chart:
    data = ReportData.load(folder)
    marks = data.session_marks() if recorded else None
    chart = latency_over_time(data.turns, data.latency_turns, marks, 60.0)
    assert isinstance(chart, Chart)
    return chart


def test_the_table_holds_latency_sessions_and_errors_of_each_stretch(run60: Path) -> None:
    chart = drawn(run60)
    assert chart.columns[-2:] == ["sessions open", "errors"]
    assert sum(int(row[2]) for row in chart.rows) == 49
    assert sum(int(row[-1]) for row in chart.rows) == 1  # the turn without a reply
    assert max(int(row[-2]) for row in chart.rows) == 10
    assert "At most 10 sessions open at once, 1 error or failed turn." in chart.caption


def test_without_events_the_sessions_are_unknown_not_none(run60: Path) -> None:
    chart = drawn(run60, recorded=False)
    assert {row[-2] for row in chart.rows} == {"\u2013"}
    assert sum(int(row[-1]) for row in chart.rows) == 1


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        (5, "\u00d7  6 errors and failed turns"),
        (900, "\u2014  901 errors and failed turns, at most 3"),
    ],
)
def test_many_errors_are_counted_where_crosses_would_run_together(
    run60: Path, amount: int, words: str
) -> None:
    data = ReportData.load(run60)
    seconds = np.append(np.linspace(0.5, 59.5, amount - 1), 1e-9)
    lost = pd.DataFrame({"since_start_s": seconds, "mark": "error", "session_id": "w0-00001"})
    marks = pd.concat([data.session_marks(), lost])
    chart = latency_over_time(data.turns, data.latency_turns, marks, 60.0)
    assert isinstance(chart, Chart)
    assert words in chart.svg
    assert sum(int(row[-1]) for row in chart.rows) == amount + 1


def test_an_error_at_an_unknown_instant_has_no_place_on_the_axis(run60: Path) -> None:
    data = ReportData.load(run60)
    lost = pd.DataFrame({"since_start_s": [np.nan], "mark": ["error"], "session_id": ["w9-1"]})
    marks = pd.concat([data.session_marks(), lost])
    chart = latency_over_time(data.turns, data.latency_turns, marks, 60.0)
    assert isinstance(chart, Chart)
    assert "1 error or failed turn." in chart.caption

"""A line and a table of a run under way, in 80 columns and in terminals that are smaller."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.budget import Spent
from bench.load.progress import (
    CLASS_LENGTH,
    Progress,
    error_classes,
    merged,
    percentiles,
    progress_line,
    progress_table,
)

CODES = re.compile(r"\x1b\[[0-9;]*m")
FULL = Progress(
    target="wss://speech.example/v1/realtime",
    elapsed_s=12.4,
    run_time_s=30.0,
    users=20,
    sessions=19,
    turns=12_120,
    failed=3,
    ttfa_ms=[{841: 80, 1_290: 10}, {841: 10}],
    lateness_p99_ms=0.42,
    errors={"no_reply": 2, "cut_off": 1},
    spent=Spent(0.4, 0.02),
    max_usd=1.0,
)


def plain(progress: Progress, width: int = 80) -> list[str]:
    return [CODES.sub("", line).rstrip() for line in progress_table(progress, width)]


def test_line_before_anything_happened() -> None:
    expected = "   0 s  users 0  turns 0  failed 0  ttfa p50 - p95 -  late - ms"
    assert progress_line(Progress()) == expected


def test_line_of_a_large_run_fits_80_columns() -> None:
    crowd = Progress(
        elapsed_s=3_600.0,
        users=500,
        turns=12_120,
        failed=120,
        ttfa_ms=[{841: 9_000, 1_290: 3_000}],
        lateness_p99_ms=12.34,
    )
    line = progress_line(crowd)
    assert line.endswith("ttfa p50 841 p95 1290  late 12.3 ms")
    assert len(line) <= 80


def test_line_ends_with_dollars_where_prices_are_known() -> None:
    assert progress_line(FULL).endswith("late 0.4 ms  $0.42 of $1.00")
    assert progress_line(Progress(spent=Spent(0.0, 0.0))).endswith("ms  $0.00")


def test_table_shows_every_figure() -> None:
    lines = plain(FULL)
    assert lines[0].split() == [
        *("wss://speech.example/v1/realtime", "12", "s", "of", "30", "s,", "18", "s", "left")
    ]
    names = re.split(r"  +", lines[1].strip())
    figures = re.split(r"  +", lines[3].strip())
    assert dict(zip(names, figures, strict=True)) == {
        "sessions": "19",
        "turns": "12120",
        "failed": "3",
        "ttfa p50": "841 ms",
        "ttfa p95": "1290 ms",
        "late p99": "0.4 ms",
        "spent": "$0.42 of $1.00",
    }
    assert lines[4] == "errors: no_reply 2, cut_off 1"
    assert len(lines) == 5


def test_table_of_a_run_without_end_price_or_error() -> None:
    lines = plain(Progress(target="ws://h", elapsed_s=61.0))
    assert lines[0].split() == ["ws://h", "61", "s"]
    assert "spent" not in lines[1]
    assert len(lines) == 4


def test_time_left_is_never_negative() -> None:
    assert plain(Progress(elapsed_s=31.0, run_time_s=30.0))[0].endswith("0 s left")


def test_many_kinds_of_error_are_summed_up() -> None:
    many = Progress(errors={f"kind_{n}": n for n in range(1, 8)})
    assert plain(many)[-1] == "errors: kind_7 7, kind_6 6, kind_5 5, kind_4 4, 3 more kinds"


@pytest.mark.parametrize("width", [20, 40, 79, 80, 200])
def test_table_fits_its_terminal(width: int) -> None:
    lines = plain(FULL, width)
    assert max(map(len, lines)) <= min(width, 80)
    assert len(lines) == 5


def test_classes_of_errors() -> None:
    found = error_classes(
        [
            ("TurnFailed('no_reply: nothing came')", 2),
            (ValueError("no_reply: nothing came at all"), 1),
            ('ConnectError("HTTP 429 Too Many: it\'s full")', 4),
            ("ConnectError('Connection refused')", 3),
            ("x" * 200, 1),
            (None, 1),
        ]
    )
    assert found == {
        "no_reply": 3,
        "HTTP 429 Too Many": 4,
        "Connection refused": 3,
        "x" * CLASS_LENGTH: 1,
        "None": 1,
    }


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({}, [None, None]),
        ({5: 1}, [5, 5]),
        ({1: 1, 2: 1}, [1, 2]),
        ({9: 5, 3: 95}, [3, 3]),
        ({9: 6, 3: 94}, [3, 9]),
    ],
)
def test_percentiles_are_nearest_ranks(counts: dict[int, int], found: list[int | None]) -> None:
    assert percentiles(counts, (0.5, 0.95)) == found


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_median_of_a_histogram_is_that_of_its_values(values: list[int]) -> None:
    counts = merged({value: 1} for value in values)
    (median,) = percentiles(counts, (0.5,))
    assert median == sorted(values)[(len(values) + 1) // 2 - 1]

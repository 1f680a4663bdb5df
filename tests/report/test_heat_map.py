from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.report.heat_map import (
    FEWEST,
    MOST_COLUMNS,
    MOST_ROWS,
    even_edges,
    heat_map,
    log_edges,
    shades,
    time_edges,
)
from bench.report.theme import Chart, NoChart


def turns(seconds: list[float], waits: list[float | None]) -> pd.DataFrame:
    values = np.array(waits, dtype=np.float64)
    censored = np.where(np.isnan(values), 4000.0, np.nan)
    return pd.DataFrame({"since_start_s": seconds, "ttfa_ms": values, "censored_ms": censored})


def drawn(frame: pd.DataFrame, duration_s: float) -> Chart:
    chart = heat_map(frame, duration_s)
    assert isinstance(chart, Chart)
    return chart


def whole(cell: str) -> int:
    return int(cell.replace("\u202f", ""))


@given(last_s=st.floats(0.5, 1e7), turns=st.integers(1, 10**6))
def test_columns_are_of_one_round_length_and_reach_the_end(last_s: float, turns: int) -> None:
    edges = time_edges(last_s, turns)
    assert edges[0] == 0
    assert edges[-1] >= last_s * (1 - 1e-12)
    assert 1 <= len(edges) - 1 <= MOST_COLUMNS
    assert np.ptp(np.diff(edges)) < 1e-6 * edges[1]


@given(ends=st.tuples(st.floats(-1000, 1e5), st.floats(-1000, 1e5)).map(sorted))
def test_even_rows_hold_every_wait(ends: list[float]) -> None:
    edges = even_edges(*ends)
    assert len(edges) - 1 <= MOST_ROWS
    assert edges[0] <= ends[0] + 1e-6
    assert edges[-1] >= ends[1] - 1e-6


@given(ends=st.tuples(st.floats(0.01, 1e6), st.floats(0.01, 1e6)).map(sorted))
def test_log_rows_hold_every_wait(ends: list[float]) -> None:
    edges = log_edges(*ends)
    assert len(edges) - 1 <= MOST_ROWS
    assert edges[0] <= ends[0] * (1 + 1e-9)
    assert edges[-1] >= ends[1] * (1 - 1e-9)


@given(st.integers(1, 10**6))
def test_shades_begin_at_one_turn_and_each_begins_at_more(most: int) -> None:
    begins = shades(most)
    assert begins[0] == 1
    assert begins[-1] <= most
    assert len(begins) <= 5
    assert begins == sorted(set(begins))


@settings(max_examples=20)
@given(
    st.lists(
        st.tuples(st.floats(0, 60), st.none() | st.floats(1, 1e5)), min_size=FEWEST, max_size=60
    ).filter(lambda pairs: sum(wait is not None for _, wait in pairs) >= FEWEST)
)
def test_every_turn_is_in_one_cell(pairs: list[tuple[float, float | None]]) -> None:
    seconds, waits = zip(*pairs, strict=True)
    chart = drawn(turns(list(seconds), list(waits)), 60.0)
    cells = sum(whole(cell) for row in chart.rows for cell in row[2:-1])
    silent = sum(whole(row[-1]) for row in chart.rows)
    assert cells == sum(wait is not None for wait in waits)
    assert silent == sum(wait is None for wait in waits)
    assert all(len(row) == len(chart.columns) for row in chart.rows)


def test_cells_lie_where_their_turns_were() -> None:
    frame = turns([1.0] * 30 + [55.0] * 10, [310.0] * 30 + [690.0] * 10)
    chart = drawn(frame, 60.0)
    first, last = chart.rows[0], chart.rows[-1]
    assert first[:2] == ["0", "10"]
    assert first[2] == "30"
    assert last[-2] == "10"
    assert "Most, 30 turns, waited 3" in chart.caption
    assert "between second 0 and 10." in chart.caption
    assert "no audio" not in chart.svg


def test_turns_without_audio_have_a_row_of_their_own() -> None:
    frame = turns(list(np.linspace(0, 59, 42)), [400.0] * 40 + [None] * 2)
    chart = drawn(frame, 60.0)
    assert ">no audio</text>" in chart.svg
    assert "2 turns without audio in the row on top" in chart.caption


def test_a_tail_is_drawn_on_a_log_scale() -> None:
    frame = turns(list(np.linspace(0, 59, 100)), [400.0] * 99 + [9000.0])
    assert "(log scale)" in drawn(frame, 60.0).caption
    assert "(log scale)" not in drawn(frame.head(99), 60.0).caption


def test_it_takes_the_colours_of_the_page_and_stays_small() -> None:
    random = np.random.default_rng(1)
    waits = random.lognormal(6, 0.7, 100_000).tolist()
    chart = drawn(turns(random.uniform(0, 3600, 100_000).tolist(), waits), 3600.0)
    assert "data:image" not in chart.svg
    assert "var(--blue)" in chart.svg
    assert len(chart.svg) < 200_000
    assert len(str(chart.rows)) < 100_000


@pytest.mark.parametrize("amount", [0, 1, 5, FEWEST - 1])
def test_few_turns_are_better_seen_one_by_one(amount: int) -> None:
    nothing = heat_map(turns([1.0] * amount, [500.0] * amount), 60.0)
    assert isinstance(nothing, NoChart)
    assert f"fewer than {FEWEST}" in nothing.reason

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.report.breakdown import DRAWN, middle, where_time_goes
from bench.report.theme import Chart, NoChart


def turns(utterance: list[str], parts: list[tuple[float, float, float]]) -> pd.DataFrame:
    """Turns that waited so long for each part."""
    endpointing, response, silence = np.array(parts, dtype=np.float64).T
    return pd.DataFrame(
        {
            "utterance": utterance,
            "ttfa_ms": endpointing + response,
            "response_latency_ms": response,
            "voice_to_voice_ms": endpointing + response + silence,
        }
    )


def drawn(frame: pd.DataFrame) -> Chart:
    chart = where_time_goes(frame)
    assert isinstance(chart, Chart)
    return chart


@given(st.integers(1, 10_000))
def test_the_middle_fifth_lies_around_the_median(amount: int) -> None:
    low, high = middle(amount)
    assert low <= (amount - 1) // 2
    assert high > amount // 2
    assert low == amount - high
    assert high - low <= amount / 5 + 2


def test_parts_are_means_of_the_usual_turns_and_add_up() -> None:
    parts = [(500.0, 100.0 * i, 10.0 * i) for i in range(1, 6)]
    parts += [(700.0, 1000.0, 0.0)] * 4 + [(700.0, 5000.0, 0.0)]
    chart = drawn(turns(["a"] * 5 + ["b"] * 5, parts))
    rows = {row[0]: row[1:] for row in chart.rows}
    assert list(rows) == ["Every utterance", "b", "a"]  # slowest first
    assert rows["a"] == ["5", "1", "500\u202fms", "300\u202fms", "30.0\u202fms", "830\u202fms"]
    assert rows["b"][2:] == [
        "700\u202fms",
        "1\u202f000\u202fms",
        "0\u202fms",
        "1\u202f700\u202fms",
    ]
    assert rows["Every utterance"][:2] == ["10", "2"]
    assert "Every utterance: 600 + 750 + 25.0 = 1\u202f375\u202fms." in chart.caption


def test_what_makes_the_slowest_slow_is_told_apart() -> None:
    usual, slow = (500.0, 300.0, 40.0), (500.0, 2000.0, 40.0)
    chart = drawn(turns(["a", "b"] * 20, [usual] * 38 + [slow] * 2))
    assert chart.rows[1][:3] == ["The slowest 5\u202f%", "2", "2"]
    assert chart.rows[1][4] == "2\u202f000\u202fms"
    assert chart.rows[0][4] == "300\u202fms"


def test_turns_taken_too_early_or_never_heard_are_left_out_and_counted() -> None:
    frame = turns(["a"] * 4, [(500, 300, 40), (-20, 300, 40), (500, 300, 40), (500, 300, 40)])
    frame.loc[2, "voice_to_voice_ms"] = np.nan
    frame.loc[3, ["ttfa_ms", "response_latency_ms", "voice_to_voice_ms"]] = np.nan
    chart = drawn(frame)
    assert chart.rows == [
        ["a", "1", "1", "500\u202fms", "300\u202fms", "40.0\u202fms", "840\u202fms"]
    ]
    assert "1 measured turn of which every part is known" in chart.caption
    assert "Left out: 2 turns with a part that never came." in chart.caption
    assert "Left out: 1 turn taken before the end of speech." in chart.caption


def test_many_utterances_are_drawn_as_far_as_they_can_be_read() -> None:
    names = [f"clip {i}" for i in range(25)]
    chart = drawn(turns(names, [(500.0, 300.0 + i, 40.0) for i in range(25)]))
    assert chart.svg.count(">clip ") == DRAWN
    assert ">clip 24<" in chart.svg
    assert ">clip 0<" not in chart.svg
    assert len(chart.rows) == 27
    assert "5 faster utterances are not drawn." in chart.caption


def test_parts_are_told_apart_without_colour() -> None:
    chart = drawn(turns(["a"], [(500.0, 300.0, 40.0)]))
    assert chart.svg.count("<pattern") == 2
    for word in ("endpointing", "response", "leading silence"):
        assert f">{word}</text>" in chart.svg
    for value in ("500", "300", "40.0", "840"):
        assert f">{value}</text>" in chart.svg


@pytest.mark.parametrize("name", ["a\u202eb\x00\nc", "x" * 300, "日本語の質問", "<b>&", "$x^2$"])
def test_any_name_can_be_drawn(name: str) -> None:
    chart = drawn(turns([name], [(500.0, 300.0, 40.0)]))
    assert "\u202e" not in chart.svg + chart.rows[0][0]
    assert "\n" not in chart.rows[0][0]
    assert "<b>" not in chart.svg
    assert "x" * 30 not in chart.svg


def test_without_a_reply_that_was_heard_it_says_so() -> None:
    frame = turns(["a"], [(500.0, 300.0, 40.0)])
    nothing = where_time_goes(frame.head(0))
    assert isinstance(nothing, NoChart)
    assert "no wait to divide" in nothing.reason
    assert isinstance(where_time_goes(frame.drop(columns="voice_to_voice_ms")), NoChart)

from __future__ import annotations

import numpy as np
import pytest

from bench.report.samples import Sample
from bench.report.theme import label_rows, tick
from bench.report.wording import (
    ABSENT,
    NARROW_SPACE,
    instant,
    number,
    percentile,
    printable,
    share,
    too_few,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ABSENT),
        (float("nan"), ABSENT),
        (0, "0"),
        (0.0, "0"),
        (7, "7"),
        (0.0004, "0.0004"),
        (0.0312, "0.031"),
        (0.123, "0.12"),
        (4.424, "4.42"),
        (9.996, "10.0"),
        (56.78, "56.8"),
        (99.96, "100"),
        (849.4, "849"),
        (12345.6, f"12{NARROW_SPACE}346"),
        (-2430.2, f"\u22122{NARROW_SPACE}430"),
    ],
)
def test_numbers_keep_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_plain_numbers_are_ascii() -> None:
    assert number(-12345.6, plain=True) == "-12 346"
    assert number(None, plain=True) == "-"
    assert share(1, 60, plain=True) == "1.7 %"
    assert share(1, 0) == ABSENT


def test_instants_carry_their_sign() -> None:
    assert instant(512.4) == f"+512{NARROW_SPACE}ms"
    assert instant(-12.0) == f"\u221212{NARROW_SPACE}ms"
    assert instant(0.2) == f"0{NARROW_SPACE}ms"


def test_percentiles_say_when_they_are_bounds_or_rest_on_little() -> None:
    spread = {
        "p50": {"value": 812.0, "censored": False, "enough": True},
        "p95": {"value": 10000.0, "censored": True, "enough": False},
        "p99": {"value": None, "censored": False, "enough": False},
    }
    assert percentile(spread, "p50") == "812"
    assert percentile(spread, "p95", plain=True) == "> 10 000"
    assert percentile(spread, "p99") == ABSENT
    assert too_few(spread, "p50") == ""
    assert too_few(spread, "p95") == "N < 200"
    assert too_few(spread, "p99") == ""


def test_control_characters_are_shown_not_obeyed() -> None:
    assert printable("a\x1b[31mb\x00\u202ec\ud800") == "a\\x1b[31mb\\x00\\u202ec\\ud800"
    assert printable("naïve 日本\n") == "naïve 日本\n"


def test_percentiles_rank_censored_values_last() -> None:
    values = Sample(np.arange(1.0, 20.0), censored=1)
    assert values.percentile(95) == 19.0
    assert values.percentile(96) is None
    assert values.percentile_words(96) == f">{NARROW_SPACE}19.0{NARROW_SPACE}ms"
    assert Sample(np.empty(0), censored=0).percentile_words(50) == "unknown"


def test_a_label_goes_above_every_line_it_reaches() -> None:
    assert label_rows([(0, 50), (30, 80), (60, 110), (200, 250)]) == [2, 1, 0, 0]
    assert label_rows([(0, 300), (30, 80), (60, 110)]) == [2, 1, 0]
    assert label_rows([]) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "0.001"), (10.0, "10"), (2500.0, f"2{NARROW_SPACE}500"), (-800.0, "\u2212800")],
)
def test_ticks_carry_no_needless_decimals(value: float, text: str) -> None:
    assert tick(value) == text

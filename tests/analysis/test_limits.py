from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.limits import parse_limits
from bench.problem import Problem


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("ttfa_ms p95 < 900", ("ttfa_ms", "p95", "<", 900.0)),
        ("ttfa_ms p50 <= 0.6 s", ("ttfa_ms", "p50", "<=", 600.0)),
        ("ttfa_ms median<1e3ms", ("ttfa_ms", "p50", "<", 1000.0)),
        ("delivery_factor p5 > 1", ("delivery_factor", "p5", ">", 1.0)),
        ("setup_ms mean < 500 ms", ("setup_ms", "mean", "<", 500.0)),
        ("transcript_lead_ms p50 > -200", ("transcript_lead_ms", "p50", ">", -200.0)),
        ("cut_off rate < 2%", ("cut_off", "rate", "<", 0.02)),
        ("failed rate <= 0.5 %", ("failed", "rate", "<=", 0.005)),
        ("wer mean < 10%", ("wer", "mean", "<", 0.1)),
        ("false_turn rate < 1%", ("false_turn", "rate", "<", 0.01)),
        ("no_reply rate < 0.01", ("no_reply", "rate", "<", 0.01)),
        ("session_failed rate < 1%", ("session_failed", "rate", "<", 0.01)),
    ],
)
@pytest.mark.parametrize("form", ["- {}\n", '- "{}"\n', "limits:\n  - {}  # why\n", "[{}]"])
def test_sentence(sentence: str, expected: tuple[object, ...], form: str) -> None:
    (limit,) = parse_limits(form.format(sentence), "limits.yaml")
    found = (limit.measure.name, limit.statistic, limit.operator, pytest.approx(limit.bound))
    assert found == expected
    assert limit.text == sentence
    assert limit.is_upper == ("<" in sentence)


def test_each_limit_knows_its_line() -> None:
    text = "# ours\n- ttfa_ms p95 < 900\n\n- cut_off rate < 2%\n"
    assert [limit.line for limit in parse_limits(text, "l")] == [2, 4]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"l: holds no limit"),
        ("# only words\n", r"l: holds no limit"),
        ("limits:\n", r"l, line \d: is no list"),
        ("limits: []\n", r"l: holds no limit"),
        ("- a\n- ttfa_ms p95 < 900\n", r"l, line 1: 'a': write MEASURE STATISTIC"),
        ("- ttfa_ms p95 < 900\n- ttfa p95 < 900\n", r"line 2: .*did you mean ttfa_ms\?"),
        ("- cutoff rate < 2%\n", r"did you mean cut_off\?"),
        ("- zzz p50 < 1\n", r"zzz is no measure; there are ttfa_ms"),
        ("- ttfa_ms p100 < 900\n", r"p100 is no statistic; "),
        ("- ttfa_ms p0 < 900\n", r"p0 is no statistic"),
        ("- ttfa_ms max < 900\n", r"max is no statistic"),
        ("- ttfa_ms rate < 2%\n", r"ttfa_ms is no rate"),
        ("- cut_off p95 < 2%\n", r"cut_off is a rate: write cut_off rate"),
        ("- ttfa_ms p95 < 2%\n", r"ttfa_ms is in ms, not in %"),
        ("- ttfa_ms p95 < 2 min\n", r"ttfa_ms is in ms, not in min"),
        ("- cut_off rate < 2\n", r"did you mean 2%\?"),
        ("- cut_off rate < 2 ms\n", r"a rate has no unit 'ms'"),
        ("- ttfa_ms p95 < soon\n", r"'soon' is no number"),
        ("- ttfa_ms p95 < nan\n", r"'nan' is no number"),
        ("- ttfa_ms p95 = 900\n", r"write MEASURE STATISTIC"),
        ("- ttfa_ms p95 << 900\n", r"write MEASURE"),
        ("- ttfa_ms p95 < 1e300\n", r"1e300 is more than anything can be"),
        ("- client_lag_ms p95 < 5\n", r"client_lag_ms is of a whole run"),
        ("- [ttfa_ms]\n", r"line 1: is no sentence"),
        ("- ttfa_ms: 900\n", r"line 1: is no sentence"),
        ("limit:\n- ttfa_ms p95 < 900\n", r"line 1: 'limit' is no known key"),
        ("limits:\n- ttfa_ms p95 < 900\nmore: 1\n", r"line 3: 'more' is no known key"),
        ("ttfa_ms p95 < 900\n", r"line 1: is no list"),
        ("- 'ttfa_ms\n", r"l, line \d: is no YAML"),
        ("- \x00\n", r"is no YAML"),
    ],
)
def test_mistake_is_told_with_its_line_and_mend(text: str, message: str) -> None:
    with pytest.raises(Problem) as told:
        parse_limits(text, "l")
    assert re.search(message, str(told.value)), str(told.value)
    assert "\n" not in str(told.value)


@given(st.text(max_size=60))
def test_any_text_is_limits_or_a_problem(text: str) -> None:
    with contextlib.suppress(Problem):
        assert parse_limits(text, "l")

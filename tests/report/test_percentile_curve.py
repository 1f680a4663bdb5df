from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.statistics import ENOUGH
from bench.report.percentile_curve import PERCENTILES, corners, percentile_curve
from bench.report.samples import Sample
from bench.report.theme import Chart, NoChart

SAMPLES = st.builds(
    lambda values, censored: Sample(np.sort(np.array(values)), censored),
    st.lists(st.floats(1, 1e4), min_size=2, max_size=300),
    st.integers(0, 40),
)


def turns(waits: list[float | None]) -> pd.DataFrame:
    values = np.array(waits, dtype=np.float64)
    return pd.DataFrame({"ttfa_ms": values, "voice_to_voice_ms": values + 100})


def test_a_percentile_needs_as_many_values_as_everywhere_else() -> None:
    needs = {which.name: which.needs for which in PERCENTILES}
    assert needs == {"p50": 1, "p90": 100, "p95": 200, "p99": 1000, "p99.9": 10_000}
    assert {name: needs[f"p{name}"] for name in ENOUGH} == ENOUGH


def test_a_tenth_of_the_turns_beyond_is_one_step_to_the_right() -> None:
    places = {which.name: round(which.place, 9) for which in PERCENTILES}
    assert places["p90"] == 1
    assert places["p99"] == 2
    assert places["p99.9"] == 3


@given(sample=SAMPLES)
def test_the_line_goes_through_every_percentile_that_came(sample: Sample) -> None:
    x, y = corners(sample)
    assert (np.diff(x) >= 0).all()
    assert (np.diff(y) >= 0).all()
    for which in PERCENTILES:
        value = sample.percentile(*which)
        if value is None:
            assert x[-1] < which.place
        else:
            assert x[-1] >= which.place - 1e-9
            assert y[np.searchsorted(x, which.place - 1e-9, side="right") - 1] == value


def test_what_rests_on_too_few_values_is_grey_and_said() -> None:
    chart = percentile_curve(turns(list(np.linspace(300, 900, 250))), {})
    assert isinstance(chart, Chart)
    assert "p95" in chart.caption.partition("(N = 250)")[0]
    assert "p99 1" not in chart.caption.partition("(N = 250)")[0]
    assert "p99 needs 1\u202f000, p99.9 needs 10\u202f000." in chart.caption
    assert "too few values beyond" in chart.svg
    assert "var(--axis)" in chart.svg
    assert chart.rows[0][:2] == ["Time to first audio", "250"]
    assert chart.rows[0][4].startswith("871")  # p95, which has enough
    assert chart.rows[0][5].endswith("(N < 1\u202f000)")


def test_with_values_enough_nothing_is_grey() -> None:
    chart = percentile_curve(turns(list(np.linspace(300, 900, 10_000))), {})
    assert isinstance(chart, Chart)
    assert "too few" not in chart.svg + chart.caption
    assert len(chart.svg) < 200_000


def test_turns_that_never_had_audio_end_the_line() -> None:
    metrics = {"ttfa_ms": {"censored": 30}, "voice_to_voice_ms": {"censored": 30}}
    chart = percentile_curve(turns(list(np.linspace(300, 900, 270))), metrics)
    assert isinstance(chart, Chart)
    assert "30 more never came" in chart.svg
    assert "A triangle ends a line where slower turns never had audio." in chart.caption
    assert chart.rows[0][4].startswith(">")
    assert not chart.rows[0][3].startswith(">")


def test_one_turn_has_no_curve_and_two_have_one() -> None:
    reason = percentile_curve(turns([500.0, None]), {})
    assert isinstance(reason, NoChart)
    assert "at least two" in reason.reason
    chart = percentile_curve(turns([500.0, 600.0]), {})
    assert isinstance(chart, Chart)
    assert chart.rows[0][2] == "500\u202fms"

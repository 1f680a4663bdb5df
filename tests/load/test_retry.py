from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.outcomes import OUTCOMES
from bench.load.retry import REFUSED, Retry
from bench.problem import Problem


def test_each_wait_is_longer_than_the_one_before_and_the_last_refusal_is_the_end() -> None:
    retry = Retry(attempts=4, first_s=0.5, factor=2.0, jitter=0.5)
    assert [retry.wait_s(n, 0.5) for n in (1, 2, 3, 4, 5)] == [0.5, 1.0, 2.0, None, None]


def test_one_attempt_is_no_retry() -> None:
    assert Retry(attempts=1).wait_s(1, 0.5) is None


@given(
    first_s=st.floats(0.01, 10),
    factor=st.floats(1, 4),
    jitter=st.floats(0, 1),
    draw=st.floats(0, 1),
    refusals=st.integers(1, 9),
)
def test_jitter_moves_a_wait_by_its_share_at_most(
    first_s: float, factor: float, jitter: float, draw: float, refusals: int
) -> None:
    wait_s = Retry(10, first_s, factor, jitter).wait_s(refusals, draw)
    middle_s = first_s * factor ** (refusals - 1)
    assert wait_s is not None
    assert wait_s == pytest.approx(middle_s, rel=1e-12, abs=middle_s * jitter * 1.000_001)
    if draw in {0, 1}:
        assert abs(wait_s - middle_s) == pytest.approx(middle_s * jitter)


@pytest.mark.parametrize(
    ("field", "value"),
    [("attempts", 0), ("first_s", -1.0), ("factor", 0.5), ("jitter", 1.5), ("first_s", 1e9)],
)
def test_an_impossible_policy_is_told_by_field_and_value(field: str, value: float) -> None:
    with pytest.raises(Problem, match=f"Retry: {field} {value!r} is not between"):
        Retry(**{field: value})  # type: ignore[arg-type]


def test_what_is_tried_again_are_failures_that_another_attempt_may_mend() -> None:
    assert set(OUTCOMES) >= REFUSED
    assert all(OUTCOMES[name].failed for name in REFUSED)

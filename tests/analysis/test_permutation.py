"""p-values against every exchange tried one by one."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.permutation import holm, p_values


@given(terms=st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_few_pairs_are_exchanged_in_every_way(terms):
    row = np.array([terms], dtype=float)
    reached = sum(
        np.dot(signs, terms) >= sum(terms) for signs in product((-1, 1), repeat=len(terms))
    )
    found = p_values(row, 1_000, np.random.default_rng(0))
    assert found[0] == reached / 2 ** len(terms)


def test_many_pairs_are_exchanged_at_random_and_never_give_nothing():
    terms = np.vstack([np.ones(40), np.random.default_rng(1).normal(0, 1, 40)])
    found = p_values(terms, 1_999, np.random.default_rng(0))
    assert found[0] == 1 / 2_000
    assert 0.01 < found[1] < 0.99


def test_p_values_of_nothing_are_uniform():
    rng = np.random.default_rng(2)
    found = p_values(rng.standard_t(3, (400, 30)), 999, rng)
    assert np.mean(found < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(found < 0.5) == pytest.approx(0.5, abs=0.1)


def test_rounding_does_not_tell_equal_sums_apart():
    found = p_values(np.array([[0.1, 0.2, 0.3, -0.6]]), 100, np.random.default_rng(0))
    assert found[0] == 9 / 16  # 0 is reached by + + + -, - - - +, and by half of the others


def test_holm_is_the_worked_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1, never falling.
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.9])).max() == 1

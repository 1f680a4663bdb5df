"""Turns the terms of paired sessions into p-values, by exchanging the sessions of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.analysis.sample import Floats

_CHUNK = 1_000
"""Exchanges drawn at once: memory stays small whatever the number of sessions."""


def p_values(terms: Floats, permutations: int, rng: np.random.Generator) -> Floats:
    """How rarely chance alone gives sums as large as those of `terms`, one row per test.

    `terms` has one column per pair of sessions; exchanging a pair turns the sign of its column.
    All rows see the same exchanges. Where there are no more than `permutations` exchanges in
    all, each is tried once and the p-values are exact. Else that many are drawn, and the
    observed sum counts as one of them, so that no p-value is 0 (Phipson & Smyth, "Permutation
    p-values should never be zero", Statistical Applications in Genetics and Molecular Biology 9
    (2010)).
    """
    tests, pairs = terms.shape
    observed = terms.sum(axis=1)
    # Equal sums are added up in different orders: they differ by rounding and must count.
    reached = observed - 1e-9 * np.abs(terms).sum(axis=1)
    at_least = np.zeros(tests)
    if pairs < 63 and 2**pairs <= permutations:
        codes = np.arange(2**pairs)
        for begin in range(0, len(codes), _CHUNK):
            bits = (codes[begin : begin + _CHUNK, None] >> np.arange(pairs)) & 1
            at_least += _count(bits, terms, reached)
        return np.asarray(at_least / 2**pairs)
    for begin in range(0, permutations, _CHUNK):
        drawn = rng.integers(0, 2, (min(_CHUNK, permutations - begin), pairs), dtype=np.int8)
        at_least += _count(drawn, terms, reached)
    return np.asarray((at_least + 1) / (permutations + 1))


def holm(values: Floats) -> Floats:
    """`values` made comparable with the chance of even one false alarm among them.

    Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6 (1979): holds however the tests depend on each other.
    """
    order = np.argsort(values)
    stepped = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def _count(kept: NDArray[Any], terms: Floats, reached: Floats) -> Floats:
    signs = np.where(kept, 1.0, -1.0)
    return np.asarray(np.sum(signs @ terms.T >= reached, axis=0), dtype=np.float64)

"""What common regression gates compute of two runs' values, for comparison."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

import numpy as np

from bench.analysis.shift import rank_scores


def p95(values: np.ndarray) -> float:
    return float(np.quantile(values, 0.95, method="inverted_cdf"))


def mann_whitney(first: np.ndarray, second: np.ndarray) -> float:
    """How rarely turns, taken for independent, would be so much slower by chance."""
    ranks = rank_scores(np.concatenate([first, second]))
    deviation = ranks[len(first) :].sum() / sqrt(len(first) * len(second) / len(ranks) / 12)
    return NormalDist().cdf(-deviation)

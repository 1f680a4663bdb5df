"""Turns past runs of one plan against one build into how much runs differ by themselves.

Two runs of the same build differ by more than their turns explain: another host, another hour,
another neighbour move every turn of a run together. No number of turns shows that from within
one run, so a gate against a stored baseline that ignores it calls a busy afternoon a regression.
Past runs show it: their centres scatter by what their turns explain and by what they do not.

The part between runs is found by moments, as DerSimonian & Laird, "Meta-analysis in clinical
trials", Controlled Clinical Trials 7 (1986), and drawn towards an assumption as if some runs had
shown just that (Smyth, "Linear models and empirical Bayes methods", Statistical Applications in
Genetics and Molecular Biology 3 (2004)): three quiet runs in a row do not prove a quiet host.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.analysis.sample import RATIO, Floats, Sample, fixture_medians, residual_scale

ASSUMED_NOISE = 0.01
"""Between runs, as a share, of a host of which nothing is known."""

ASSUMED_RUNS = 3
"""How many past runs the assumption weighs as much as."""

_TRIM = 0.2


def run_noise(runs: Sequence[Sample]) -> float:
    """Standard deviation between runs, as a share of the metric; ASSUMED_NOISE of fewer than 2.

    The runs must be of one plan and of builds that do not differ in speed.
    """
    known = [run.known() for run in runs if np.isfinite(run.known().values).any()]
    if len(known) < 2:
        return ASSUMED_NOISE
    values = np.concatenate([run.values for run in known])
    scale = residual_scale(values)
    residuals = np.log(values) if scale == RATIO else values.copy()
    _, fixtures = np.unique(np.concatenate([run.fixtures for run in known]), return_inverse=True)
    residuals -= fixture_medians(residuals, fixtures)[fixtures]
    parts = np.split(residuals, np.cumsum([len(run.values) for run in known])[:-1])
    centres, variances = zip(
        *(_centre(part, run) for part, run in zip(parts, known, strict=True)), strict=True
    )
    explained = float(np.mean(variances))
    freedom = len(known) - 1
    unexplained = float(np.var(centres, ddof=1)) - explained
    unit = 1.0 if scale == RATIO else abs(float(np.median(values)))
    assumed = (ASSUMED_NOISE * unit) ** 2
    variance = (ASSUMED_RUNS * assumed + freedom * max(unexplained, 0.0)) / (
        ASSUMED_RUNS + freedom
    )
    return float(np.sqrt(variance)) / unit if unit else ASSUMED_NOISE


def _centre(residuals: Floats, run: Sample) -> tuple[float, float]:
    """The middle of a run, trimmed by a fifth at either end, and its variance by sessions.

    Tukey & McLaughlin's winsorised variance, summed over sessions instead of turns.
    """
    low, high = np.quantile(residuals, [_TRIM, 1 - _TRIM], method="lower")
    held = np.clip(residuals, low, high)
    inside = residuals[(residuals >= low) & (residuals <= high)]
    _, session = np.unique(run.sessions, return_inverse=True)
    sums = np.bincount(session, held - held.mean())
    clusters = len(sums)
    size = len(residuals) * (1 - 2 * _TRIM)
    variance = float(sums @ sums) / size**2 * clusters / max(clusters - 1, 1)
    return float(inside.mean()), variance

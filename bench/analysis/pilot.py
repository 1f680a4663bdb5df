"""Turns a pilot run into how many turns a gate would need to see a given slowdown.

Nothing is assumed about the pilot's noise: its sessions are dealt into two halves, which are
compared as a gate would compare two runs. The error of that comparison holds the pilot's own
variance, tails, censoring and the likeness of turns within a session. Dealt several times, and
scaled by the root of the number of turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, log1p, sqrt
from statistics import NormalDist

import numpy as np

from bench.analysis.evidence import LEAST_SESSIONS, LEAST_TAIL, GateRules
from bench.analysis.finding import SHIFT, TAIL
from bench.analysis.power import Hurdle, detecting_error, fewest_pairs, turns_for
from bench.analysis.sample import RATIO, Sample, align, residual_scale
from bench.analysis.shift import Scores, find_shift, rank_scores, tail_scores

DEALS = 8

STATISTICS: dict[str, Scores] = {SHIFT: rank_scores, TAIL: tail_scores}


@dataclass(frozen=True, slots=True, eq=False)
class Pilot:
    """One metric of a pilot run; `run_noise` as for a gate's `Comparison`."""

    metric: str
    sample: Sample
    run_noise: float
    better: str = "lower"
    unit: str = "ms"


@dataclass(frozen=True, slots=True)
class Need:
    """Turns and sessions of each run; both None where `reason` says why no number will do."""

    metric: str
    statistic: str
    turns: int | None
    sessions: int | None
    reason: str = ""


def find_needs(
    pilots: Sequence[Pilot],
    effect: float,
    *,
    rules: GateRules | None = None,
    tests: int | None = None,
    seed: int = 0,
) -> list[Need]:
    """Turns with which a slowdown by the share `effect` is found 95 times in 100, per metric.

    One answer for the bulk and one for the tail of each. `tests` is how many tests the gate will
    make in all; without it, those of `pilots`.
    """
    rules = rules or GateRules()
    count = tests or len(STATISTICS) * len(pilots)
    return [
        _need(pilot, statistic, effect, rules=rules, tests=count, seed=seed)
        for pilot in pilots
        for statistic in STATISTICS
    ]


def _need(
    pilot: Pilot, statistic: str, effect: float, *, rules: GateRules, tests: int, seed: int
) -> Need:
    known = pilot.sample.known()
    size, sessions = len(known.values), len(np.unique(known.sessions))
    seen = known.values[np.isfinite(known.values)]
    if sessions < 2 * LEAST_SESSIONS or not len(seen):
        reason = f"{sessions} sessions with values; at least {2 * LEAST_SESSIONS} are needed"
        return Need(pilot.metric, statistic, None, None, reason)
    median = float(np.median(seen))
    scale = residual_scale(known.values)
    unit = 1.0 if scale == RATIO else abs(median)
    hurdle = Hurdle(
        floor=rules.floor.on(scale, median, pilot.unit),
        tolerance=0.0,
        alarm_z=NormalDist().inv_cdf(1 - rules.alpha / tests),
        pass_z=0.0,
        noise=2 * (pilot.run_noise * unit) ** 2,
    )
    wanted = detecting_error(hurdle, log1p(effect) if scale == RATIO else effect * unit)
    error = _error_of_halves(known, pilot.better, STATISTICS[statistic], seed)
    least = ceil(size / sessions * fewest_pairs(rules.alpha / tests))
    turns = turns_for(
        wanted,
        lambda number: error * sqrt(size / 2 / number),
        sessions // 2,
        least=max(least, LEAST_TAIL) if statistic == TAIL else least,
    )
    if turns is None:
        reason = "too near the floor, or too small against what runs differ by themselves"
        return Need(pilot.metric, statistic, None, None, reason)
    return Need(pilot.metric, statistic, turns, ceil(turns * sessions / size))


def _error_of_halves(known: Sample, better: str, scores: Scores, seed: int) -> float:
    """The error of a shift between two halves of the sessions, over several deals."""
    rng = np.random.default_rng(seed)
    _, session = np.unique(known.sessions, return_inverse=True)
    squares = []
    for _ in range(DEALS):
        place = rng.permutation(session.max() + 1)[session]
        first, second = (
            replace(known.take(place % 2 == half), sessions=place[place % 2 == half] // 2)
            for half in (0, 1)
        )
        aligned = align(first, second, better=better)
        if np.isfinite(aligned.baseline).any() and np.isfinite(aligned.candidate).any():
            squares.append(find_shift(aligned, scores, 0.95).error ** 2)
    return sqrt(float(np.mean(squares))) if squares else float("inf")

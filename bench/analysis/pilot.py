"""Turns a pilot run into how many turns a gate would need to see a given slowdown.

Nothing is assumed about the pilot's noise: its sessions are dealt into two halves, which are
compared as a gate would compare two runs. The error of that comparison holds the pilot's own
variance, tails, censoring and the likeness of turns within a session. Dealt several times, and
scaled by the root of the number of turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, log1p, sqrt
from statistics import NormalDist

import numpy as np

from bench.analysis.evidence import LEAST_SESSIONS, LEAST_TAIL, GateRules
from bench.analysis.finding import SHIFT, TAIL
from bench.analysis.power import Hurdle, detecting_error, fewest_pairs, turns_for
from bench.analysis.sample import RATIO, Sample, align, residual_scale
from bench.analysis.shift import Scores, find_shift, rank_scores, tail_scores

DEALS = 8

STATISTICS: dict[str, Scores] = {SHIFT: rank_scores, TAIL: tail_scores}


@dataclass(frozen=True, slots=True)
class Pilot:
    """What one metric of a pilot run is like, measured once for all that is asked of it.

    `errors` has, by statistic, the error of a shift between two halves of its sessions; it is
    empty where they are too few, or have no values. `median` is of the values seen, None without.
    """

    metric: str
    unit: str
    turns: int
    sessions: int
    median: float | None
    scale: str
    errors: Mapping[str, float]

    @classmethod
    def of(
        cls, metric: str, sample: Sample, *, better: str = "lower", unit: str = "ms", seed: int = 0
    ) -> Pilot:
        """By its values; the same sample and seed give the same pilot."""
        known = sample.known()
        sessions = len(np.unique(known.sessions))
        seen = known.values[np.isfinite(known.values)]
        enough = sessions >= 2 * LEAST_SESSIONS and len(seen) > 0
        return cls(
            metric,
            unit,
            turns=len(known.values),
            sessions=sessions,
            median=float(np.median(seen)) if len(seen) else None,
            scale=residual_scale(known.values),
            errors=_errors_of_halves(known, better, seed) if enough else {},
        )


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
    run_noise: Mapping[str, float],
    *,
    rules: GateRules | None = None,
    tests: int | None = None,
) -> list[Need]:
    """Turns with which a slowdown by the share `effect` is found 95 times in 100, per metric.

    One answer for the bulk and one for the tail of each. `run_noise` is, by metric, as for a
    gate's `Comparison`. `tests` is how many tests the gate will make in all; without it, those
    of `pilots`.
    """
    rules = rules or GateRules()
    count = tests or len(STATISTICS) * len(pilots)
    return [
        _need(pilot, statistic, effect, run_noise[pilot.metric], rules=rules, tests=count)
        for pilot in pilots
        for statistic in STATISTICS
    ]


def _need(
    pilot: Pilot, statistic: str, effect: float, noise: float, *, rules: GateRules, tests: int
) -> Need:
    if pilot.median is None or not pilot.errors:
        reason = f"{pilot.sessions} sessions with values; at least {2 * LEAST_SESSIONS} are needed"
        return Need(pilot.metric, statistic, None, None, reason)
    unit = 1.0 if pilot.scale == RATIO else abs(pilot.median)
    hurdle = Hurdle(
        floor=rules.floor.on(pilot.scale, pilot.median, pilot.unit),
        tolerance=0.0,
        alarm_z=NormalDist().inv_cdf(1 - rules.alpha / tests),
        pass_z=0.0,
        noise=2 * (noise * unit) ** 2,
    )
    wanted = detecting_error(hurdle, log1p(effect) if pilot.scale == RATIO else effect * unit)
    error = pilot.errors[statistic]
    least = ceil(pilot.turns / pilot.sessions * fewest_pairs(rules.alpha / tests))
    turns = turns_for(
        wanted,
        lambda number: error * sqrt(pilot.turns / 2 / number),
        pilot.sessions // 2,
        least=max(least, LEAST_TAIL) if statistic == TAIL else least,
    )
    if turns is None:
        reason = "too near the floor, or too small against what runs differ by themselves"
        return Need(pilot.metric, statistic, None, None, reason)
    return Need(pilot.metric, statistic, turns, ceil(turns * pilot.sessions / pilot.turns))


def _errors_of_halves(known: Sample, better: str, seed: int) -> dict[str, float]:
    """By statistic the error of a shift between two halves of the sessions, over several deals."""
    rng = np.random.default_rng(seed)
    _, session = np.unique(known.sessions, return_inverse=True)
    squares: dict[str, list[float]] = {statistic: [] for statistic in STATISTICS}
    for _ in range(DEALS):
        place = rng.permutation(session.max() + 1)[session]
        first, second = (
            replace(known.take(place % 2 == half), sessions=place[place % 2 == half] // 2)
            for half in (0, 1)
        )
        aligned = align(first, second, better=better)
        if np.isfinite(aligned.baseline).any() and np.isfinite(aligned.candidate).any():
            for statistic, scores in STATISTICS.items():
                squares[statistic].append(find_shift(aligned, scores, 0.95).error ** 2)
    return {
        statistic: sqrt(float(np.mean(each))) if each else inf
        for statistic, each in squares.items()
    }

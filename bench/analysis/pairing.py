"""Turns the turns of two runs, or of interleaved blocks, into what a gate compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.analysis.evidence import Comparison
from bench.analysis.history import run_noise
from bench.analysis.measures import (
    RATES,
    REFUSED,
    joined,
    measure_named,
    rate_sample,
    refusal_sample,
    turn_sample,
)
from bench.analysis.sample import Sample


@dataclass(frozen=True, slots=True, eq=False)
class RunTables:
    """What of a run is compared: the rows of turns.parquet, and `sessions` of summary.json."""

    turns: pd.DataFrame
    sessions: Mapping[str, int]

    def sample(self, name: str, side: str = "") -> Sample:
        """One measure of the run; see `measures` for which turns it is of."""
        if name == REFUSED:
            return refusal_sample(self.sessions, side)
        if name in RATES:
            return rate_sample(self.turns, name)
        return turn_sample(self.turns, name)


class Block(NamedTuple):
    """One run of an A/B: the number of its pair of blocks, and its tables."""

    pair: int
    tables: RunTables


def noise_of(runs: Sequence[RunTables], names: Sequence[str]) -> dict[str, float]:
    """By metric, what `runs` of one plan and of like builds differ by themselves."""
    return {
        name: run_noise([run.sample(name) for run in runs]) for name in names if not is_rate(name)
    }


def comparisons_of_runs(
    baseline: RunTables,
    candidate: RunTables,
    names: Sequence[str],
    noise: Mapping[str, float],
) -> list[Comparison]:
    """One per measure of `names` that either run has values of; session i with session i.

    Sessions that did not open are compared as soon as the candidate has one.
    """
    refused = candidate.sessions.get("failed", 0) > 0
    pairs = [
        (name, baseline.sample(name, "baseline"), candidate.sample(name, "candidate"))
        for name in _with_refusals(names, refused=refused)
    ]
    return _comparisons(pairs, noise)


def comparisons_of_blocks(
    blocks: tuple[Sequence[Block], Sequence[Block]], names: Sequence[str]
) -> list[Comparison]:
    """The same of two interleaved builds, whose pairs of blocks are what is exchanged."""
    refused = any(block.tables.sessions.get("failed", 0) for block in blocks[1])
    pairs = []
    for name in _with_refusals(names, refused=refused):
        first, second = (
            joined([b.tables.sample(name) for b in side], [b.pair for b in side])
            for side in blocks
        )
        pairs.append((name, first, second))
    return _comparisons(pairs, {})


def _comparisons(
    pairs: Sequence[tuple[str, Sample, Sample]], noise: Mapping[str, float]
) -> list[Comparison]:
    found = []
    for name, first, second in pairs:
        measure = measure_named(name)
        assert measure is not None
        if not any(np.isfinite(side.known().values).any() for side in (first, second)):
            continue  # a metric that this plan does not have, such as endpointing by the client
        found.append(
            Comparison(
                name,
                first,
                second,
                run_noise=noise.get(name, 0.0),
                better=measure.better,
                unit=measure.unit,
                is_rate=measure.is_rate,
            )
        )
    return found


def _with_refusals(names: Sequence[str], *, refused: bool) -> list[str]:
    return [*names, *([REFUSED] if refused and REFUSED not in names else [])]


def is_rate(name: str) -> bool:
    """Whether that is the name of a rate."""
    measure = measure_named(name)
    return measure is not None and measure.is_rate


def turns_per_minute(tables: RunTables, duration_s: float, name: str) -> float | None:
    """Values of a metric that a minute of the run gave; None of a run without any."""
    values: Any = tables.sample(name).known().values
    return len(values) / duration_s * 60 if len(values) and duration_s > 0 else None

"""Turns the rows of turns.parquet into the samples that a gate and limits are about.

Latencies are of measured turns that were not cut off. Rates are those of summary.json: hits among
the measured and cold turns that each applies to. Cold ones too, since a session whose first turn
fails has no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.metrics import METRICS
from bench.analysis.moments import SILENCE
from bench.analysis.outcomes import NOT_THE_TARGETS, OUTCOMES
from bench.analysis.sample import Floats, Sample
from bench.analysis.turn import COLD, MEASURED

REFUSED = "session_failed"
"""The rate of sessions that did not open."""

_ENDINGS = tuple(
    name for name, outcome in OUTCOMES.items() if outcome.failed and name not in METRICS
)
"""Outcomes whose share of turns may be limited or compared, though no metric is about them."""

RATES = (*(metric.name for metric in METRICS.values() if metric.is_rate), *_ENDINGS, REFUSED)
"""Every rate by name."""

NEEDED = (
    *("session_id", "utterance", "kind", "expects", "outcome", "turn_class"),
    *("cut_off", "censored_ms"),
    *(metric.name for metric in METRICS.values() if metric.is_rate and metric.name != "cut_off"),
)
"""Columns of turns.parquet without which nothing can be compared."""

GATED = (
    "ttfa_ms",
    "voice_to_voice_ms",
    "endpointing_delay_ms",
    "response_latency_ms",
    "cut_off",
    "failed",
)
"""What a gate compares unless told otherwise: all that a caller waits for, and all turns lost.

Each further metric takes power from these, and one more that cannot be told holds up a pass.
"""


@dataclass(frozen=True, slots=True)
class Measure:
    """What may be compared or limited: a metric of turns or sessions, or a rate."""

    name: str
    label: str
    unit: str
    """Empty for a rate, which is a share."""
    better: str
    """`lower`, `higher` or `none`."""
    is_rate: bool
    scope: str
    """`turn`, `session` or `run`."""


def measure_named(name: str) -> Measure | None:
    """The measure of that name; None where METRICS and RATES have none."""
    if name == REFUSED:
        return Measure(name, "Sessions refused", "", "lower", is_rate=True, scope="session")
    if name in _ENDINGS:
        return Measure(name, f"Turns: {name}", "", "lower", is_rate=True, scope="turn")
    metric = METRICS.get(name)
    if metric is None:
        return None
    unit = "" if metric.is_rate else metric.unit
    return Measure(name, metric.label, unit, metric.better, metric.is_rate, metric.scope)


def turn_sample(turns: pd.DataFrame, name: str) -> Sample:
    """One turn metric of a run, by session and utterance; nothing known where the run lacks it.

    A failed turn that waited for its reply in vain is censored in every metric that ends with
    something of the reply, as far as its utterance has values of that metric at all.
    """
    rows = _timed(turns)
    sessions = rows["session_id"].to_numpy(dtype=str)
    fixtures = rows["utterance"].to_numpy(dtype=str)
    if name not in rows:
        return Sample.of(np.full(len(rows), np.nan), sessions, fixtures)
    values = rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
    vain = rows["censored_ms"].notna().to_numpy(dtype=bool) & np.isnan(values)
    return Sample.of(values, sessions, fixtures, _censored(name, vain, values, fixtures))


def instants_s(turns: pd.DataFrame) -> Floats:
    """When in the run each turn of a `turn_sample` was, nan where its file does not say."""
    rows = _timed(turns)
    if "since_start_s" not in rows:
        return np.full(len(rows), np.nan)
    return rows["since_start_s"].to_numpy(dtype=np.float64, na_value=np.nan)


def _timed(turns: pd.DataFrame) -> pd.DataFrame:
    return turns[(turns["turn_class"] == MEASURED) & ~turns["cut_off"].astype(bool)]


def _censored(
    name: str, vain: NDArray[np.bool_], values: Floats, fixtures: NDArray[Any]
) -> NDArray[np.bool_]:
    """Which values never came, of the turns that got no audio although they waited for it."""
    if METRICS[name].bound is None:
        return np.zeros_like(vain)
    if name == "ttfa_ms":
        return vain
    # A turn that the client ends has no endpointing, and misses none when it fails.
    return np.asarray(vain & np.isin(fixtures, fixtures[~np.isnan(values)]))


def rate_sample(turns: pd.DataFrame, name: str) -> Sample:
    """1 for each turn that `name` (of RATES, but REFUSED) hit, 0 for each that it could have.

    Nothing is known of a turn that it does not apply to.
    """
    rows = turns[turns["turn_class"].isin([MEASURED, COLD])]
    return Sample.of(
        _hits(rows, name),
        rows["session_id"].to_numpy(dtype=str),
        rows["utterance"].to_numpy(dtype=str),
    )


def _hits(rows: pd.DataFrame, name: str) -> Floats:
    if name in METRICS and name != "cut_off":
        return rows[name].to_numpy(dtype=np.float64, na_value=np.nan)
    applies = ~rows["outcome"].isin(NOT_THE_TARGETS)
    if name == "cut_off":  # which turns.parquet tells of every turn, also where nobody spoke
        applies &= (rows["kind"] == "speech") & (rows["expects"] != SILENCE)
        hits = rows["cut_off"].astype(bool)
    else:
        hits = rows["outcome"] == name
    return np.where(applies.to_numpy(dtype=bool), hits.to_numpy(dtype=np.float64), np.nan)


def refusal_sample(sessions: Mapping[str, int], side: str) -> Sample:
    """1 for each session that failed to open, by `sessions` of summary.json.

    No session is the fellow of one of another `side`: their numbers tell only how many.
    """
    failed, started = sessions.get("failed", 0), sessions.get("started", 0)
    names = [f"{side}-{number}" for number in range(started)]
    return Sample.of(np.arange(started) < failed, np.asarray(names, dtype=str))


def joined(samples: list[Sample], sessions: list[Any]) -> Sample:
    """All of `samples`, each of one session, named as in `sessions`: blocks of an A/B."""
    return Sample.of(
        np.concatenate([sample.values for sample in samples]),
        np.repeat(sessions, [len(sample.values) for sample in samples]),
        np.concatenate([sample.fixtures.astype(str) for sample in samples]),
        np.concatenate([sample.censored for sample in samples]),
    )

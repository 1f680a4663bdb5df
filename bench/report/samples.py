"""Values of a metric over turns, with the ones only known to be larger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.statistics import ENOUGH, distribution, nearest_rank
from bench.report.wording import NARROW_SPACE, metric_words, number, quantity


class Sample(NamedTuple):
    """Values in ascending order, and how many more are only known to be larger (censored).

    `bounds` are percents whose percentile is censored, with what it is known to exceed.
    """

    values: NDArray[np.float64]
    censored: int
    bounds: Mapping[int, float] = {}

    @property
    def asked(self) -> int:
        """How many values there would be if every one had come."""
        return len(self.values) + self.censored

    def percentile(self, part: int, whole: int = 100) -> float | None:
        """Nearest rank with censored values last; None when it falls on one, or on nothing.

        The 95th is 95 of 100, the 99.9th 999 of 1,000: as a fraction it would round wrong.
        """
        rank = max(1, nearest_rank(part, self.asked, whole))
        return float(self.values[rank - 1]) if rank <= len(self.values) else None

    def percentile_words(self, part: int, whole: int = 100) -> str:
        """The percentile in milliseconds, `>` what it is known to exceed when it is censored."""
        value = self.percentile(part, whole)
        if value is not None:
            return quantity(value)
        below = [bound for percent, bound in self.bounds.items() if percent * whole <= part * 100]
        least = max([*self.values[-1:].tolist(), *below], default=None)
        return "unknown" if least is None else f">{NARROW_SPACE}{quantity(least)}"

    def legend(self, metric: str) -> str:
        """What a line of these values of `metric` is called in a figure, with their number."""
        silent = f", {number(self.censored)} more never came" if self.censored else ""
        return f"{metric_words(metric).label}, N = {number(len(self.values))}{silent}"


def sample(turns: pd.DataFrame, metric: str, spread: Mapping[str, Any] | None) -> Sample:
    """The values of `metric` over `turns`; its Distribution of summary.json knows the censored."""
    values = np.sort(turns[metric].dropna().to_numpy(dtype=np.float64))
    if not spread:
        return Sample(values, 0)
    known = {percent: spread.get(f"p{percent}") or {} for percent in ENOUGH}
    return Sample(
        values,
        spread.get("censored") or 0,
        {
            percent: entry["value"]
            for percent, entry in known.items()
            if entry.get("censored") and entry.get("value") is not None
        },
    )


def samples_of(
    turns: pd.DataFrame, metrics: Iterable[str], spreads: Mapping[str, Any]
) -> dict[str, Sample]:
    """Those of `metrics` that came at least once; `spreads` has the Distribution of each."""
    found = {name: sample(turns, name, spreads.get(name)) for name in metrics if name in turns}
    return {name: values for name, values in found.items() if len(values.values)}


def ttfa(turns: pd.DataFrame) -> Sample:
    """Time to first audio over `turns`; one that ended without audio is censored."""
    silent = turns.loc[turns["ttfa_ms"].isna(), "censored_ms"].dropna()
    return sample(turns, "ttfa_ms", distribution(turns["ttfa_ms"].dropna(), silent).to_json())

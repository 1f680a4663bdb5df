"""Turns the marks of sessions into how many were open when, as numbers and as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bench.report import theme
from bench.report.heat_map import time_edges
from bench.report.wording import count, number

COLUMNS = 1_440
"""Columns of pixels in which sessions are drawn; a long run has many times as many steps."""

CROSSES = 100
"""Errors beyond which their crosses would run together: then a line counts them."""

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class Occupancy(NamedTuple):
    """Sessions open from each of `seconds` on, ascending; before the first none was."""

    seconds: Floats
    active: Counts

    @classmethod
    def of(cls, marks: pd.DataFrame) -> Occupancy:
        """From ReportData.session_marks."""
        steps = marks[marks["mark"] != "error"].sort_values("since_start_s", kind="stable")
        return cls(
            steps["since_start_s"].to_numpy(dtype=np.float64),
            np.cumsum(np.where(steps["mark"] == "opened", 1, -1)),
        )

    @property
    def peak(self) -> int:
        """Most sessions open at once."""
        return int(self.active.max()) if len(self.active) else 0

    def most(self, begin_s: float, end_s: float) -> int:
        """Most sessions open at once from `begin_s` until before `end_s`."""
        first = int(np.searchsorted(self.seconds, begin_s, side="right"))
        last = max(first, int(np.searchsorted(self.seconds, end_s)))
        return int(np.append(0, self.active)[first : last + 1].max())

    def corners(self, last_s: float) -> tuple[Floats, Counts]:
        """Corners from 0 to `last_s` of the steps, one for each column at most.

        Of more steps than the figure has columns, each column shows the most open in it.
        """
        if len(self.seconds) <= COLUMNS:
            seconds = np.concatenate([[0.0], self.seconds, [last_s]])
            return seconds, np.append(0, [*self.active, self.active[-1]])
        edges = np.linspace(0, last_s, COLUMNS + 1)
        before = np.append(0, self.active)
        most = np.maximum.reduceat(before, np.searchsorted(self.seconds, edges))
        return edges, most


def draw_occupancy(
    axes: Axes, occupancy: Occupancy, error_s: Sequence[float], last_s: float
) -> None:
    """Sessions open as steps; over them errors and failed turns as crosses, or their number."""
    peak = max(occupancy.peak, 1)
    if occupancy.peak:
        axes.fill_between(*occupancy.corners(last_s), step="post", color=theme.PALE, linewidth=0)
    axes.set_ylim(0, peak * 1.15)
    axes.set_yticks([0, peak], ["0", number(peak)])
    if error_s:
        words = count(len(error_s), "error or failed turn", "errors and failed turns")
        if len(error_s) > CROSSES:
            words = f"\u2014  {words}, {_draw_amounts(axes, error_s, last_s, peak)}"
        else:
            _draw_crosses(axes, error_s, peak)
            words = f"\u00d7  {words}"
        axes.set_title(words, loc="right", fontsize=10, color=theme.RED, pad=8)


def _draw_crosses(axes: Axes, error_s: Sequence[float], peak: int) -> None:
    axes.plot(
        error_s,
        [0.55 * peak] * len(error_s),
        linestyle="none",
        marker="x",
        markersize=7,
        markeredgewidth=1.8,
        color=theme.RED,
        clip_on=False,
    )


def _draw_amounts(axes: Axes, error_s: Sequence[float], last_s: float, peak: int) -> str:
    """How many fell into each stretch of time, as tall as the sessions; what the top means."""
    edges = time_edges(last_s, len(error_s))
    amounts = np.histogram(np.clip(error_s, 0, edges[-1]), edges)[0]
    most = int(amounts.max())
    axes.stairs(amounts * (peak / most), edges, color=theme.RED, linewidth=1.4)
    return f"at most {number(most)} in {theme.tick(float(edges[1]))} s"

"""Turns the marks of sessions into how many were open when, as numbers and as a drawing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from bench.report import theme

COLUMNS = 1_440
"""Columns of pixels in which sessions are drawn; a long run has many times as many steps."""

RASTERISE_ABOVE = 2000
"""Marks above which they are drawn as pixels, to keep the page small."""

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
    """Sessions open as steps, and errors as crosses over them."""
    peak = max(occupancy.peak, 1)
    if occupancy.peak:
        axes.fill_between(*occupancy.corners(last_s), step="post", color=theme.PALE, linewidth=0)
    if error_s:
        axes.plot(
            error_s,
            [0.55 * peak] * len(error_s),
            linestyle="none",
            marker="x",
            markersize=7,
            markeredgewidth=1.8,
            color=theme.RED,
            clip_on=False,
            rasterized=len(error_s) > RASTERISE_ABOVE,
        )
    axes.set_ylim(0, peak * 1.15)
    axes.set_yticks([0, peak])

"""One row of a waterfall: its name, bars, ticks and the words beside them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from bench.report import theme

PATCH = {"facecolor": theme.PAPER, "edgecolor": "none", "linewidth": 0, "pad": 1}
"""Paper behind a text, so that guides do not strike it through."""


class Lane(NamedTuple):
    """One row of the figure and how wide a millisecond is in it."""

    axes: Axes
    row: float
    per_ms: float
    low: float
    high: float

    def name(self, text: str, small: str = "") -> None:
        """The lane's name left of it, `small` under the name."""
        shift = 5.5 if small else 0
        common: dict[str, Any] = {
            "xycoords": ("axes fraction", "data"),
            "textcoords": "offset points",
            "ha": "right",
            "va": "center",
            "annotation_clip": False,
        }
        self.axes.annotate(text, (0, self.row), xytext=(-10, shift), **common)
        if small:
            self.axes.annotate(
                small, (0, self.row), xytext=(-10, -6.5), fontsize=9, color=theme.MUTED, **common
            )

    def bar(
        self, start: float, end: float, colour: str, *, thick: float = 0.5, hatch: str = ""
    ) -> None:
        """A bar from `start` to `end` ms, at least a hairline wide, cut at the figure's edges."""
        start, end = max(start, self.low), min(end, self.high)
        if end < start:
            return
        self.axes.barh(
            self.row,
            max(end - start, 1.5 / self.per_ms),
            left=start,
            height=thick,
            color="none" if hatch else colour,
            edgecolor=colour,
            linewidth=0.8 if hatch else 0,
            hatch=hatch or None,
        )

    def ticks(self, at: Any, heights: Any, colour: str, width: float) -> None:
        """Upright strokes from the lane's floor, `heights` as parts of the lane."""
        gaps = np.full(len(at), np.nan)
        x = np.column_stack([at, at, gaps]).ravel()
        y = np.column_stack([np.zeros(len(at)), np.asarray(heights), gaps]).ravel()
        y = self.row + 0.38 - 0.76 * y
        inside = np.isnan(x) | ((x >= self.low) & (x <= self.high))
        x = np.where(inside, x, np.nan)
        self.axes.plot(x, y, color=colour, linewidth=width, solid_capstyle="butt")

    def say(self, at: float, text: str, *, side: str, colour: str = theme.INK) -> None:
        """`text` right or left of an instant, turned to the other side where it has no room."""
        need = theme.text_width(text) + 8
        room_right = (self.high - at) * self.per_ms
        room_left = (at - self.low) * self.per_ms
        if side == "right" and room_right < need <= room_left:
            side = "left"
        elif side == "left" and room_left < need <= room_right:
            side = "right"
        self.axes.annotate(
            text,
            (min(max(at, self.low), self.high), self.row),
            xytext=(5 if side == "right" else -5, 0),
            textcoords="offset points",
            ha="left" if side == "right" else "right",
            va="center",
            color=colour,
            bbox=PATCH,
        )

"""Turns the waits of turns into a curve of latency by percentile that spreads out the tail."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator
from numpy.typing import NDArray

from bench.analysis.statistics import ENOUGH
from bench.report import theme
from bench.report.samples import Sample, samples_of
from bench.report.theme import Chart, NoChart
from bench.report.wording import metric_words, number

BEYOND = ENOUGH[99] // 100
"""Values that must lie beyond a percentile before it says more than this run's few worst."""

Floats = NDArray[np.float64]


def tail(share: float) -> float:
    """The axis: a step of one is a tenth of the turns beyond (90 %, 99 %, 99.9 %)."""
    return -math.log10(1 - share)


class Percentile(NamedTuple):
    """`part` of `whole` values are no larger."""

    part: int
    whole: int

    @property
    def name(self) -> str:
        """As tables say it: `p95`."""
        return f"p{self.number}"

    @property
    def number(self) -> str:
        """As people say it: `95`, `99.9`."""
        return f"{100 * self.part / self.whole:g}"

    @property
    def needs(self) -> int:
        """Values it needs; a median needs one."""
        beyond = self.whole - self.part
        return 1 if beyond >= self.part else BEYOND * self.whole // beyond

    @property
    def place(self) -> float:
        """Where it lies on the axis."""
        return tail(self.part / self.whole)


PERCENTILES = tuple(
    Percentile(*each) for each in ((50, 100), (90, 100), (95, 100), (99, 100), (999, 1000))
)

_LINES: dict[str, tuple[str, Any, float]] = {
    # metric: colour, dashes, width; the dashes tell them apart without colour
    "ttfa_ms": (theme.BLUE, "solid", 2.2),
    "voice_to_voice_ms": (theme.PURPLE, (0, (6, 2)), 2.0),
}
_RIGHT = PERCENTILES[-1].place
_CORNERS = 900


def percentile_curve(latency_turns: pd.DataFrame, metrics: dict[str, Any]) -> Chart | NoChart:
    """Latency against percentile for both waits, grey where too few values lie beyond.

    `metrics` are the Distributions of summary.json: they know how many values are censored.
    """
    title = "How slow the slow turns are"
    samples = samples_of(latency_turns, _LINES, metrics)
    samples = {name: values for name, values in samples.items() if len(values.values) > 1}
    if not samples:
        return NoChart(title, "Percentiles need at least two measured turns with audio.")
    with theme.canvas(300) as drawing:
        axes = drawing.subplots(
            gridspec_kw={"left": 0.085, "right": 0.965, "top": 0.755, "bottom": 0.14}
        )
        drawn = [_draw(axes, name, values) for name, values in samples.items()]
        if not all(drawn):
            axes.plot([], [], color=theme.AXIS, linewidth=1, label="too few values beyond")
        _scale(axes, list(samples.values()))
        theme.axis_titles(axes, x="percentile of turns, the tail spread out", y="ms")
        drawing.legend(
            loc="upper left",
            bbox_to_anchor=(0.075, 1.0),
            borderpad=0,
            labelspacing=0.25,
            handlelength=3.2,
        )
        svg = theme.to_svg(drawing, "percentiles", title)
    return Chart(
        "percentiles",
        title,
        _caption(samples),
        svg,
        ["metric", "N", *(which.name for which in PERCENTILES)],
        [
            [
                metric_words(name).label,
                number(len(values.values)),
                *(cell(values, which) for which in PERCENTILES),
            ]
            for name, values in samples.items()
        ],
    )


def _caption(samples: dict[str, Sample]) -> str:
    words = [
        f"{metric_words(name).label}: "
        + ", ".join(
            f"{which.name} {values.percentile_words(*which)}"
            for which in PERCENTILES
            if values.asked >= which.needs
        )
        + f" (N = {number(len(values.values))})."
        for name, values in samples.items()
    ]
    most = max(values.asked for values in samples.values())
    few = [f"{w.name} needs {number(w.needs)}" for w in PERCENTILES if most < w.needs]
    if few:
        words.append(f"Thin and grey: too few values lie beyond to lean on; {', '.join(few)}.")
    if any(values.censored for values in samples.values()):
        words.append("A triangle ends a line where slower turns never had audio.")
    return " ".join(words)


def cell(values: Sample, which: Percentile) -> str:
    """A percentile in milliseconds, and how many values it needs where there are too few."""
    few = f" (N < {number(which.needs)})" if values.asked < which.needs else ""
    return values.percentile_words(*which) + few


def _draw(axes: Axes, name: str, values: Sample) -> bool:
    """One line; whether there are values enough for all of it."""
    colour, dashes, width = _LINES[name]
    x, y = corners(values)
    sure = max(tail(0.5), math.log10(values.asked / BEYOND))
    look: dict[str, Any] = {"drawstyle": "steps-post", "linestyle": dashes}
    for low, high, ink, thick in (
        (0.0, sure, colour, width),
        (sure, _RIGHT, theme.AXIS, 1.0),
    ):
        if low < min(high, x[-1]):
            part = _between(x, y, low, min(high, float(x[-1])))
            axes.plot(*part, color=ink, linewidth=thick, **look)
    axes.plot([], [], color=colour, linewidth=width, linestyle=dashes, label=values.legend(name))
    if x[-1] < _RIGHT:
        axes.plot(x[-1], y[-1], marker="^", markersize=7, color=theme.RED, linestyle="none")
    return sure >= _RIGHT


def corners(values: Sample) -> tuple[Floats, Floats]:
    """Corners of the steps from the left edge to the right, or to where values never came."""
    places = [*np.linspace(0, _RIGHT, _CORNERS), *(which.place for which in PERCENTILES)]
    # 0.95 * 20 is 19.000000000000004 as floats, one rank too many when rounded up.
    ranks = np.ceil((1 - 10 ** -np.array(places)) * values.asked - 1e-9).astype(np.int64)
    ranks = np.unique(np.clip(ranks, 1, len(values.values)))
    begins = -np.log10(1 - (ranks - 1) / values.asked)
    end = min(tail(len(values.values) / values.asked), _RIGHT) if values.censored else _RIGHT
    kept = begins < end
    heights = values.values[ranks - 1][kept]
    return np.append(begins[kept], end), np.append(heights, heights[-1])


def _between(x: Floats, y: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """The part of a line of steps from `low` to `high`."""
    inside = (x > low) & (x < high)
    ends = y[np.searchsorted(x, [low, high], side="right") - 1]
    return (
        np.concatenate([[low], x[inside], [high]]),
        np.concatenate([ends[:1], y[inside], ends[1:]]),
    )


def _scale(axes: Axes, samples: list[Sample]) -> None:
    low = min(float(values.values[0]) for values in samples)
    high = max(float(corners(values)[1][-1]) for values in samples)
    middle = max(float(np.median(values.values)) for values in samples)
    if low > 0 and high > 8 * middle:
        axes.set_yscale("log")
        axes.set_ylim(low * 0.8, high * 1.3)
        theme.log_ticks(axes.yaxis, low * 0.8, high * 1.3)
    else:
        axes.set_ylim(min(0.0, low), max(high, 1.0) * 1.1)
        theme.thousands(axes.yaxis)
    axes.set_xlim(0, _RIGHT)
    axes.xaxis.set_major_locator(FixedLocator([which.place for which in PERCENTILES]))
    axes.xaxis.set_major_formatter(FixedFormatter([which.number for which in PERCENTILES]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid()
    axes.set_axisbelow(True)

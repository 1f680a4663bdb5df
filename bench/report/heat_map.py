"""Turns the waits of turns into a map of time and latency: how many turns each cell holds."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from numpy.typing import NDArray

from bench.report import theme
from bench.report.theme import Chart, NoChart
from bench.report.wording import count, metric_words, number

FEWEST = 20
"""Measured turns with audio from which cells say more than the points of the figure above."""

MOST_COLUMNS, MOST_ROWS = 60, 24
TURNS_PER_COLUMN = 8
"""Turns that a column of the map should hold at least, on average."""

_SHADES = (0.22, 0.38, 0.57, 0.78, 1.0)
"""How much of the colour a cell has: one hue on the page's own paper, light or dark."""

_NICE_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
_DAY_S = 86_400
_PER_DECADE = 10
_NAME: dict[str, Any] = {"fontsize": 10, "color": theme.MUTED, "pad": 8}

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class _Map(NamedTuple):
    """Turns by cell: `cells[column, row]`, and `silent[column]` of those without audio."""

    time_s: Floats
    wait_ms: Floats
    log: bool
    cells: Counts
    silent: Counts


def heat_map(latency_turns: pd.DataFrame, duration_s: float) -> Chart | NoChart:
    """Turns by the second their speech ended and by ttfa; those without audio in a row on top."""
    title = "How many turns waited how long, and when"
    placed = latency_turns.dropna(subset=["since_start_s"])
    heard = placed.dropna(subset=["ttfa_ms"])
    if len(heard) < FEWEST:
        return NoChart(
            title,
            f"{count(len(heard), 'measured turn')} with audio: a map of fewer than {FEWEST} would "
            "show less than their points over time.",
        )
    drawn = _count(placed, heard, duration_s)
    most = max(int(drawn.cells.max()), int(drawn.silent.max()))
    begins = shades(most)
    with theme.canvas(320) as drawing:
        place = {"left": 0.085, "right": 0.985, "top": 0.815, "bottom": 0.13}
        if drawn.silent.any():
            top, axes = drawing.subplots(
                2, sharex=True, gridspec_kw={"height_ratios": [1, 13], "hspace": 0.06, **place}
            )
            _paint(top, drawn.silent[:, None], drawn.time_s, np.array([0.0, 1.0]), begins)
            top.set_ylim(0, 1)
            top.set_yticks([0.5], ["no audio"])
            top.tick_params(length=0, bottom=False)
            for spine in top.spines.values():
                spine.set_visible(False)
        else:
            top = axes = drawing.subplots(gridspec_kw=place)
        _paint(axes, drawn.cells, drawn.time_s, drawn.wait_ms, begins)
        axes.set_xlim(0, drawn.time_s[-1])
        theme.thousands(axes.xaxis)
        if drawn.log:
            axes.set_yscale("log")
        axes.set_ylim(drawn.wait_ms[0], drawn.wait_ms[-1])
        if drawn.log:
            theme.log_ticks(axes.yaxis, drawn.wait_ms[0], drawn.wait_ms[-1])
        else:
            theme.thousands(axes.yaxis)
        theme.axis_titles(axes, x="seconds since start")
        top.set_title(f"{metric_words('ttfa_ms').label}, ms", loc="left", **_NAME)
        drawing.legend(
            handles=_scale(begins, most),
            title="turns in a cell:",
            loc="upper left",
            bbox_to_anchor=(0.075, 1.0),
            ncols=len(begins),
            alignment="left",
            borderpad=0,
            columnspacing=1.4,
            handletextpad=0.5,
        ).get_title().set_color(theme.MUTED)
        svg = theme.to_svg(drawing, "heat-map", title)
    return Chart(
        "heat-map",
        title,
        _caption(drawn, len(heard)),
        svg,
        ["from s", "to s", *_spans(drawn.wait_ms, "ms"), "no audio"],
        [
            [theme.tick(drawn.time_s[i]), theme.tick(drawn.time_s[i + 1])]
            + [number(int(amount)) for amount in (*row, drawn.silent[i])]
            for i, row in enumerate(drawn.cells)
        ],
    )


def _count(placed: pd.DataFrame, heard: pd.DataFrame, duration_s: float) -> _Map:
    silent_s = placed.loc[
        placed["ttfa_ms"].isna() & placed["censored_ms"].notna(), "since_start_s"
    ].to_numpy(np.float64)
    second, wait = (heard[name].to_numpy(np.float64) for name in ("since_start_s", "ttfa_ms"))
    last_s = max(duration_s, float(placed["since_start_s"].max()), 1.0)
    time_s = time_edges(last_s, len(heard))
    low, high = float(wait.min()), float(wait.max())
    log = low > 0 and high > 8 * float(np.median(wait))
    wait_ms = log_edges(low, high) if log else even_edges(low, high)
    # Edges are rounded, and no turn may fall beside the map for that.
    wait = np.clip(wait, wait_ms[0], wait_ms[-1])
    second, silent_s = (np.clip(each, 0, time_s[-1]) for each in (second, silent_s))
    cells = np.histogram2d(second, wait, (time_s, wait_ms))[0]
    silent = np.histogram(silent_s, time_s)[0]
    return _Map(time_s, wait_ms, log, cells.astype(np.int64), silent.astype(np.int64))


def time_edges(last_s: float, turns: int) -> Floats:
    """Columns of one round length from 0 to `last_s` or beyond, seconds."""
    columns = min(max(turns // TURNS_PER_COLUMN, 6), MOST_COLUMNS)
    least = last_s / columns
    days = math.ceil(least / _DAY_S) * _DAY_S
    width = next((nice for nice in _NICE_S if nice >= least), days)
    return width * np.arange(math.ceil(last_s / width) + 1, dtype=np.float64)


def even_edges(low: float, high: float) -> Floats:
    """At most MOST_ROWS rows of one round height that hold `low` and `high`."""
    least = max(high - low, 1e-3) / (MOST_ROWS - 2)
    decade = 10.0 ** math.floor(math.log10(least))
    height = next(step * decade for step in (1, 2, 2.5, 5, 10) if step * decade >= least)
    first = math.floor(low / height)
    return height * np.arange(first, max(math.floor(high / height), first) + 2, dtype=np.float64)


def log_edges(low: float, high: float) -> Floats:
    """Rows of a tenth of a decade, or as many tenths as MOST_ROWS asks, that hold both."""
    first, last = math.floor(_PER_DECADE * math.log10(low)), _PER_DECADE * math.log10(high)
    step = max(1, math.ceil((last - first) / (MOST_ROWS - 1)))
    rows = math.floor((last - first) / step) + 1
    return 10.0 ** ((first + step * np.arange(rows + 1)) / _PER_DECADE)


def shades(most: int) -> list[int]:
    """From how many turns on each shade begins, the palest first; at most as many as there are."""
    begins = [1]
    while (step := begins[-1] * (2, 2.5, 2)[(len(begins) - 1) % 3]) <= most:
        begins.append(int(step))
    spread = np.linspace(0, len(begins) - 1, min(len(_SHADES), len(begins)))
    return [begins[round(place)] for place in spread]


def _shade(index: int, amount: int) -> float:
    """The last shade is full, whatever their number."""
    return _SHADES[index - amount]


def _paint(axes: Axes, cells: Counts, x: Floats, y: Floats, begins: list[int]) -> None:
    """All cells of a shade as one path: they take the page's colours and stay small."""
    shade_of = np.searchsorted(begins, cells, side="right") - 1
    for index in range(len(begins)):
        columns, rows = np.nonzero(shade_of == index)
        if not len(columns):
            continue
        left, right, low, high = x[columns], x[columns + 1], y[rows], y[rows + 1]
        corners = np.stack(
            [
                np.column_stack(corner)
                for corner in ((left, low), (right, low), (right, high), (left, high), (left, low))
            ],
            axis=1,
        )
        codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY]
        path = Path(corners.reshape(-1, 2), np.tile(codes, len(columns)))
        alpha = _shade(index, len(begins))
        axes.add_patch(PathPatch(path, facecolor=theme.BLUE, alpha=alpha, linewidth=0))


def _scale(begins: list[int], most: int) -> list[Patch]:
    ends = [*(begin - 1 for begin in begins[1:]), most]
    return [
        Patch(
            facecolor=theme.BLUE,
            alpha=_shade(index, len(begins)),
            linewidth=0,
            label=number(begin) if begin == end else f"{number(begin)} \u2013 {number(end)}",
        )
        for index, (begin, end) in enumerate(zip(begins, ends, strict=True))
    ]


def _spans(edges: Floats, unit: str) -> list[str]:
    words = [number(float(edge)) for edge in edges]
    return [f"{low} \u2013 {high} {unit}" for low, high in itertools.pairwise(words)]


def _caption(drawn: _Map, heard: int) -> str:
    columns, rows = drawn.cells.shape
    column, row = np.unravel_index(int(drawn.cells.argmax()), drawn.cells.shape)
    fullest = int(drawn.cells[column, row])
    words = (
        f"{count(heard, 'measured turn')} with audio in {count(columns, 'column')} of "
        f"{theme.tick(float(drawn.time_s[1]))} s and {count(rows, 'row')} of latency"
        f"{' (log scale)' if drawn.log else ''}; darker or brighter is more. Most, "
        f"{count(fullest, 'turn')}, waited {_spans(drawn.wait_ms, 'ms')[row]} between second "
        f"{theme.tick(float(drawn.time_s[column]))} and "
        f"{theme.tick(float(drawn.time_s[column + 1]))}."
    )
    silent = int(drawn.silent.sum())
    if silent:
        words += f" {count(silent, 'turn')} without audio in the row on top."
    return words

"""Turns compared runs into figures: headline figures in rows, and a small curve for each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bench.analysis.statistics import ecdf
from bench.report import theme
from bench.report.comparison import MOST_IN_LABEL, ComparedRun, Comparison
from bench.report.headlines import HEADLINES, RATE, Figure, Headline
from bench.report.samples import Sample, ttfa
from bench.report.theme import Chart, NoChart
from bench.report.wording import number, printable, quantity

_PANELS: tuple[tuple[str, tuple[Headline, ...]], ...] = (
    ("Time to first audio", HEADLINES[:2]),
    ("Endpointing", (Headline("endpointing_delay_ms", "p50"),)),
    ("Response", (Headline("response_latency_ms", "p50"),)),
    ("Turns cut off", (Headline("cut_off", RATE),)),
)
_MARKERS: dict[str, tuple[str, str, str]] = {
    # statistic: sign in words, marker, colour; the marker tells them apart without colour
    "p50": ("●", "o", theme.BLUE),
    "p95": ("◆", "D", theme.ORANGE),
    RATE: ("■", "s", theme.PURPLE),
}
_ROW, _HEAD, _FOOT, _LEFT = 24.0, 46.0, 32.0, 196.0
_CELL, _COLUMNS = 132.0, 3
_CORNERS = 240
_PERCENTS = (5, 25, 50, 75, 90, 95, 99)


def headline_rows(comparison: Comparison) -> Chart | NoChart:
    """A row for each run: its headline figures with their intervals, on axes of their own."""
    title = "What the runs differ by"
    runs = comparison.runs
    panels = [
        (heading, headlines)
        for heading, headlines in _PANELS
        if any(run.figure(each).value is not None for run in runs for each in headlines)
    ]
    if not panels:
        return NoChart(title, "No run has a figure to show.")
    height = _HEAD + _FOOT + _ROW * len(runs)
    with theme.canvas(height) as drawing:
        grid = {
            "left": _LEFT / theme.WIDTH,
            "right": 0.985,
            "top": 1 - _HEAD / height,
            "bottom": _FOOT / height,
            "wspace": 0.14,
        }
        row = drawing.subplots(1, len(panels), sharey=True, squeeze=False, gridspec_kw=grid)[0]
        for axes, (heading, headlines) in zip(row, panels, strict=True):
            _panel(axes, comparison, heading, headlines)
        row[0].set_ylim(len(runs) - 0.4, -0.6)
        row[0].set_yticks(range(len(runs)), _names(runs, _LEFT - 12))
        row[0].tick_params(axis="y", labelcolor=theme.INK)
        svg = theme.to_svg(drawing, "headlines", title)
    shown = [each for _, headlines in panels for each in headlines]
    return Chart(
        "headlines",
        title,
        _headline_caption(comparison),
        svg,
        ["run", *(f"{each.label}, {each.unit}" for each in shown)],
        [
            [printable(run.label), *(_with_interval(run.figure(each)) for each in shown)]
            for run in runs
        ],
    )


def _panel(
    axes: Axes, comparison: Comparison, heading: str, headlines: Sequence[Headline]
) -> None:
    for headline in headlines:
        _, marker, colour = _MARKERS[headline.statistic]
        reference = comparison.reference.figure(headline)
        if reference.value is not None:
            axes.axvline(
                reference.value, color=theme.AXIS, linewidth=0.8, linestyle=(0, (2, 3)), zorder=0
            )
        for place, run in enumerate(comparison.runs):
            found = run.figure(headline)
            if found.value is None:
                continue
            if found.enough and found.low is not None and found.high is not None:
                ends = [found.low, found.high]
                axes.plot(ends, [place, place], color=colour, linewidth=2, solid_capstyle="butt")
            is_firm = found.enough and not run.invalid
            axes.plot(
                [found.value],
                [place],
                marker=">" if found.is_censored else marker,
                markersize=6,
                color=colour,
                markerfacecolor=colour if is_firm else theme.PAPER,
                linestyle="none",
            )
    signs = " ".join(f"{_MARKERS[each.statistic][0]} {each.statistic}" for each in headlines)
    axes.set_title(
        f"{heading}\n{signs}, {headlines[0].unit}",
        loc="left",
        fontsize=10,
        color=theme.MUTED,
        pad=8,
    )
    theme.thousands(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
    if headlines[0].statistic == RATE:
        axes.set_xlim(left=0, right=max(axes.get_xlim()[1], 1.0))
    else:
        axes.margins(x=0.08)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)


def _headline_caption(comparison: Comparison) -> str:
    parts = []
    ttfa_p50, ttfa_p95 = HEADLINES[:2]
    for run in comparison.runs:
        p50, p95 = (run.figure(each).words() for each in (ttfa_p50, ttfa_p95))
        cut_off = run.figure(Headline("cut_off", RATE))
        cut = "" if cut_off.value is None else f", {quantity(cut_off.value, '%')} cut off"
        parts.append(f"{run.label}: first audio p50 {p50}, p95 {p95} ms{cut}.")
    return (
        f"{' '.join(parts)} Lines are 95 % intervals; an empty sign rests on too few values or "
        f"on an invalid run; the dotted line is {comparison.reference.label}."
    )


def _with_interval(found: Figure) -> str:
    ends = found.interval_words()
    return f"{found.words()} ({ends})" if ends else found.words()


def curves(comparison: Comparison) -> Chart | NoChart:
    """A small curve for each run: the share of its turns that got audio within x, on like axes."""
    title = "How the wait is distributed in each run"
    waits = [(run, _wait(run)) for run in comparison.runs]
    drawn = [(run, wait) for run, wait in waits if len(wait.values) > 1]
    if not drawn:
        return NoChart(title, "A distribution needs at least two measured turns with audio.")
    reference = next((wait for run, wait in drawn if run is comparison.reference), None)
    near = min(0.0, *(float(wait.values[0]) for _, wait in drawn))
    far = max(near + 1, 1.05 * max(float(np.quantile(w.values, 0.99)) for _, w in drawn))
    lines = math.ceil(len(drawn) / _COLUMNS)
    columns = min(len(drawn), _COLUMNS)
    height = lines * _CELL + 8
    with theme.canvas(height) as drawing:
        grid = drawing.subplots(
            lines,
            columns,
            squeeze=False,
            gridspec_kw={
                "left": 0.05,
                "right": 0.985,
                "top": 1 - 38 / height,
                "bottom": 24 / height,
                "wspace": 0.16,
                "hspace": 0.85,
            },
        )
        cells = list(grid.flat)
        names = _names([run for run, _ in drawn], theme.WIDTH / columns - 30)
        for axes, name, (run, wait) in zip(cells, names, drawn, strict=False):
            if reference is not None and run is not comparison.reference:
                _curve(axes, reference, (near, far), theme.AXIS, dotted=True)
            _curve(axes, wait, (near, far), theme.BLUE)
            _frame(axes, near, far)
            axes.set_title(
                f"{name}\n{_figures(wait)}",
                loc="left",
                fontsize=10,
                color=theme.INK,
                pad=6,
            )
        for axes in cells[len(drawn) :]:
            axes.remove()
        svg = theme.to_svg(drawing, "curves", title)
    beyond = sum(int(np.count_nonzero(wait.values > far)) for _, wait in drawn)
    silent = [run.label for run, wait in waits if len(wait.values) < 2]
    caption = (
        "Share of turns, %, whose first audio came within so many ms of the end of speech; "
        f"dotted: {comparison.reference.label}."
        + (f" {number(beyond)} values lie right of the frame." if beyond else "")
        + (f" Without a curve, for want of values: {', '.join(silent)}." if silent else "")
    )
    return Chart(
        "curves",
        title,
        caption,
        svg,
        ["run", "N", *(f"p{percent}" for percent in _PERCENTS)],
        [
            [
                printable(run.label),
                number(wait.asked),
                *(wait.percentile_words(percent) for percent in _PERCENTS),
            ]
            for run, wait in waits
        ],
    )


def _wait(run: ComparedRun) -> Sample:
    if run.turns.empty:
        return Sample(np.empty(0), 0)
    cut_off = run.turns["cut_off"].fillna(value=False).astype(bool)
    return ttfa(run.turns[(run.turns["turn_class"] == "measured") & ~cut_off])


def _figures(wait: Sample) -> str:
    p50, p95 = (wait.percentile_words(percent) for percent in (50, 95))
    return f"N = {number(wait.asked)}, p50 {p50}, p95 {p95}"


def _curve(
    axes: Axes, wait: Sample, ends: tuple[float, float], colour: str, *, dotted: bool = False
) -> None:
    axes.plot(
        *_steps(wait, *ends),
        drawstyle="steps-post",
        color=colour,
        linewidth=1.2 if dotted else 2,
        linestyle=(0, (2, 2)) if dotted else "solid",
    )


def _steps(wait: Sample, near: float, far: float) -> tuple[NDArray[Any], NDArray[Any]]:
    x, shares = ecdf(wait.values, wait.censored)
    kept = np.unique(np.linspace(0, len(x) - 1, _CORNERS).astype(int))
    percents = 100 * shares[kept]
    return (
        np.concatenate([[near], x[kept], [max(far, x[-1])]]),
        np.concatenate([[0.0], percents, percents[-1:]]),
    )


def _frame(axes: Axes, near: float, far: float) -> None:
    axes.set_xlim(near, far)
    axes.set_ylim(0, 101)
    axes.set_yticks([0, 50, 95])
    theme.thousands(axes.xaxis)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.grid()
    axes.set_axisbelow(True)


def _names(runs: Sequence[ComparedRun], wide: float) -> list[str]:
    """Each run's label in so much room, marked where the run is invalid.

    Where one is too long for it, all have the values of their settings instead, if few.
    """
    most = max(int(wide / theme.text_width("x")), 20)
    words = [_marked(run, run.label) for run in runs]
    if max(map(len, words)) > most and all(1 < len(r.settings) <= MOST_IN_LABEL for r in runs):
        words = [_marked(run, ", ".join(run.settings)) for run in runs]
    return [each if len(each) <= most else f"{each[: most - 1]}…" for each in words]


def _marked(run: ComparedRun, label: str) -> str:
    return f"{'INVALID: ' if run.invalid else ''}{printable(label)}"

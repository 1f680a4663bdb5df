"""The run over time: every turn's wait, and below it the sessions open and the errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from bench.report import theme
from bench.report.occupancy import Occupancy, draw_occupancy
from bench.report.samples import Sample, ttfa
from bench.report.theme import Chart, NoChart
from bench.report.wording import count, failed_outcome, metric_words, number, quantity

RASTERISE_ABOVE = 2000
"""Points above which a scatter is drawn as pixels, to keep the page small."""

LINE_NEEDS, BAND_NEEDS = 5, 20
"""Turns a stretch of time needs for its p50 line, and for its band up to p95."""


class _Turns(NamedTuple):
    """Turns with a place on the time axis, by how they are drawn."""

    heard: pd.DataFrame
    silent: pd.DataFrame
    aside: pd.DataFrame


class _Stretch(NamedTuple):
    start_s: float
    end_s: float
    wait: Sample


def latency_over_time(
    turns: pd.DataFrame,
    latency_turns: pd.DataFrame,
    marks: pd.DataFrame | None,
    duration_s: float,
) -> Chart | NoChart:
    """Every turn's ttfa by the second its speech ended, with sessions open and errors below.

    `latency_turns` are those of `turns` that count; `marks` is ReportData.session_marks,
    None where the folder holds no events (a baseline).
    """
    title = "Time to first audio over the run"
    placed = latency_turns.dropna(subset=["since_start_s"])
    drawn = _Turns(
        heard=placed.dropna(subset=["ttfa_ms"]),
        silent=placed[placed["ttfa_ms"].isna() & placed["censored_ms"].notna()],
        aside=turns[(turns["turn_class"] != "measured") & turns["ttfa_ms"].notna()],
    )
    if drawn.heard.empty:
        return NoChart(title, "No measured turn got any audio, so there is no latency to draw.")
    recorded = marks is not None
    if marks is None:
        marks = pd.DataFrame({"since_start_s": [], "mark": [], "session_id": []})
    failed = turns[turns["outcome"].map(failed_outcome).astype(bool)]
    error_s = [
        *marks.loc[marks["mark"] == "error", "since_start_s"].dropna(),
        *failed["since_start_s"].dropna(),
    ]
    last_s = max(duration_s, float(turns["since_start_s"].max()), *error_s, 1.0)
    stretches = _stretches(placed, last_s)
    occupancy = Occupancy.of(marks)

    with theme.canvas(340) as drawing:
        place = {"left": 0.085, "right": 0.985, "top": 0.84, "bottom": 0.125}
        upper, lower = drawing.subplots(
            2, sharex=True, gridspec_kw={"height_ratios": [4, 1], "hspace": 0.32, **place}
        )
        _draw_stretches(upper, stretches)
        _draw_turns(upper, drawn)
        theme.axis_titles(upper, x="", y=f"{metric_words('ttfa_ms').label}, ms")
        drawing.legend(
            *upper.get_legend_handles_labels(),
            loc="upper left",
            bbox_to_anchor=(0.075, 1.0),
            ncols=5,
            columnspacing=1.4,
            handletextpad=0.4,
            borderpad=0,
        )
        draw_occupancy(lower, occupancy, error_s, last_s)
        lower.set_xlim(0, last_s)
        theme.thousands(lower.xaxis)
        theme.axis_titles(lower, x="seconds since start", y="sessions open")
        svg = theme.to_svg(drawing, "over-time", title)

    return Chart(
        "over-time",
        title,
        _caption(drawn, ttfa(placed), last_s, occupancy.peak if recorded else None, len(error_s)),
        svg,
        ["from s", "to s", "turns", "no audio", "p50", "p95", "sessions open", "errors"],
        _rows(stretches, occupancy if recorded else None, error_s),
    )


def _rows(
    stretches: Sequence[_Stretch], occupancy: Occupancy | None, error_s: Sequence[float]
) -> list[list[str]]:
    """Each stretch as the figure shows it: most sessions open at once, errors and failed turns."""
    edges = [*(stretch.start_s for stretch in stretches), np.inf]
    errors = np.histogram(error_s, edges)[0].tolist()
    return [
        [
            number(stretch.start_s),
            number(stretch.end_s),
            number(stretch.wait.asked),
            number(stretch.wait.censored),
            _percentile(stretch, 50, LINE_NEEDS),
            _percentile(stretch, 95, BAND_NEEDS),
            number(occupancy and occupancy.most(stretch.start_s, stretch.end_s)),
            number(amount),
        ]
        for stretch, amount in zip(stretches, errors, strict=True)
    ]


def _percentile(stretch: _Stretch, percent: int, needed: int) -> str:
    enough = stretch.wait.asked >= needed
    return stretch.wait.percentile_words(percent) if enough else "too few"


def _caption(drawn: _Turns, wait: Sample, last_s: float, peak: int | None, errors: int) -> str:
    crosses = count(errors, "error or failed turn", "errors and failed turns")
    below = f"At most {count(peak or 0, 'session')} open at once, {crosses}."
    if peak is None:
        below = f"Sessions and errors are not recorded here; {count(errors, 'failed turn')}."
    return (
        f"{count(len(drawn.heard), 'measured turn')} with audio in {quantity(last_s, 's')}: "
        f"p50 {wait.percentile_words(50)}, p95 {wait.percentile_words(95)}, "
        f"slowest {quantity(float(wait.values[-1]))}; "
        f"{count(wait.censored, 'turn')} without audio{', along the top' * bool(wait.censored)}. "
        f"{below} The line is p50 of a stretch of time, the broken line its p95; fewer than "
        f"{LINE_NEEDS} turns give no line, fewer than {BAND_NEEDS} no band."
    )


def _stretches(turns: pd.DataFrame, last_s: float) -> list[_Stretch]:
    """The run cut into stretches of equally many turns, at least BAND_NEEDS where possible."""
    ordered = turns.sort_values("since_start_s", kind="stable")
    seconds = ordered["since_start_s"].to_numpy(dtype=np.float64)
    amount = min(40, max(1, len(ordered) // BAND_NEEDS))
    parts = np.array_split(np.arange(len(ordered)), amount)
    borders = [(seconds[part[0] - 1] + seconds[part[0]]) / 2 for part in parts[1:]]
    edges = [0.0, *map(float, borders), last_s]
    return [
        _Stretch(edges[i], edges[i + 1], ttfa(ordered.iloc[part])) for i, part in enumerate(parts)
    ]


def _draw_stretches(axes: Axes, stretches: Sequence[_Stretch]) -> None:
    """A line at p50, a broken one at p95, both over the points, and a band between them."""
    look: dict[str, Any] = {"color": theme.INK, "zorder": 4}
    for start_s, end_s, wait in stretches:
        p50, p95 = wait.percentile(50), wait.percentile(95)
        if wait.asked < LINE_NEEDS or p50 is None:
            continue
        if wait.asked >= BAND_NEEDS:
            top = float(wait.values[-1]) if p95 is None else p95
            axes.fill_between([start_s, end_s], p50, top, color=theme.BAND, linewidth=0)
            if p95 is not None:
                axes.plot(
                    [start_s, end_s], [p95] * 2, linewidth=1.1, linestyle=(0, (3, 1.5)), **look
                )
        axes.plot([start_s, end_s], [p50] * 2, linewidth=1.6, **look)
    axes.plot([], [], linewidth=1.6, label="p50", **look)
    axes.plot([], [], linewidth=1.1, linestyle=(0, (3, 1.5)), label="p95", **look)


def _draw_turns(axes: Axes, drawn: _Turns) -> None:
    pixels = len(drawn.heard) > RASTERISE_ABOVE
    label = f"turn, N = {number(len(drawn.heard))}"
    colour = theme.RASTER if pixels else theme.BLUE
    look: dict[str, Any] = {"linestyle": "none", "marker": "o", "markeredgewidth": 0}
    if pixels:
        axes.plot([], [], color=colour, markersize=4.5, label=label, **look)
    axes.plot(
        drawn.heard["since_start_s"],
        drawn.heard["ttfa_ms"],
        markersize=2.5 if pixels else 4.5,
        color=colour,
        alpha=0.35 if pixels else 0.75,
        rasterized=pixels,
        zorder=3,
        label="_" if pixels else label,
        **look,
    )
    if len(drawn.aside):
        axes.plot(
            drawn.aside["since_start_s"],
            drawn.aside["ttfa_ms"],
            linestyle="none",
            marker="D",
            markersize=3.5,
            markerfacecolor="none",
            markeredgecolor=theme.AXIS,
            rasterized=len(drawn.aside) > RASTERISE_ABOVE,
            label=f"{_left_out(drawn.aside)}, {number(len(drawn.aside))}",
        )
    low = float(drawn.heard["ttfa_ms"].min())
    high = max(float(part["ttfa_ms"].max()) for part in (drawn.heard, drawn.aside) if len(part))
    if low > 0 and high > 8 * float(drawn.heard["ttfa_ms"].median()):
        axes.set_yscale("log")
        high *= 2 if len(drawn.silent) else 1.3
        axes.set_ylim(low * 0.7, high)
        theme.log_ticks(axes.yaxis, low * 0.7, high)
    else:
        axes.set_ylim(min(0.0, low), max(high, 1.0) * (1.25 if len(drawn.silent) else 1.15))
        theme.thousands(axes.yaxis)
    if len(drawn.silent):
        _draw_silent(axes, drawn.silent)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _left_out(aside: pd.DataFrame) -> str:
    unreviewed = (aside["turn_class"] == "unreviewed").any()
    return "cold, warm-up, unreviewed" if unreviewed else "cold or warm-up"


def _draw_silent(axes: Axes, silent: pd.DataFrame) -> None:
    """Turns without audio along the top: how much higher they belong, nobody knows."""
    axes.plot(
        silent["since_start_s"],
        [0.94] * len(silent),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="^",
        markersize=7,
        color=theme.RED,
        rasterized=len(silent) > RASTERISE_ABOVE,
        label=f"no audio, {number(len(silent))}",
    )

"""Distributions as figures: the wait of the turns, and the lateness of the frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from bench.analysis.statistics import ecdf
from bench.report import theme
from bench.report.data import LATENESS_EDGES_MS, Lateness
from bench.report.percentile_curve import Percentile, cell
from bench.report.samples import Sample, samples_of
from bench.report.theme import Chart, NoChart
from bench.report.wording import count, metric_words, number, percentile, quantity, share

_LINES: dict[str, tuple[str, Any, float]] = {
    # metric: colour, dashes, width; the dashes tell them apart without colour
    "ttfa_ms": (theme.BLUE, "solid", 2.2),
    "endpointing_delay_ms": (theme.ORANGE, (0, (6, 2)), 1.8),
    "response_latency_ms": (theme.GREEN, (0, (1.5, 1.5)), 2.0),
}
_PERCENTILES = tuple(Percentile(part, 100) for part in (5, 25, 50, 75, 90, 95, 99))


def distributions(latency_turns: pd.DataFrame, metrics: dict[str, Any]) -> Chart | NoChart:
    """Share of turns no slower than x (ECDF), for ttfa and its two parts.

    `metrics` are the Distributions of summary.json: they know how many values are censored.
    """
    title = "How the wait is distributed"
    samples = samples_of(latency_turns, _LINES, metrics)
    if max((len(values.values) for values in samples.values()), default=0) < 2:
        return NoChart(title, "A distribution needs at least two measured turns with audio.")
    every = np.concatenate([values.values for values in samples.values()])
    far = float(every.max()) * 1.04
    log = float(every.min()) > 0 and far > 25 * float(np.median(every))
    with theme.canvas(310) as drawing:
        axes = drawing.subplots(
            gridspec_kw={"left": 0.055, "right": 0.985, "top": 0.765, "bottom": 0.13}
        )
        near = float(every.min()) if log else min(0.0, float(every.min()))
        for name, values in samples.items():
            colour, dashes, width = _LINES[name]
            x, y = _steps(values, near, far)
            axes.plot(
                x,
                y,
                drawstyle="steps-post",
                color=colour,
                linestyle=dashes,
                linewidth=width,
                label=values.legend(name),
            )
        axes.set_xlim(near, far)
        if log:
            axes.set_xscale("log")
            theme.log_ticks(axes.xaxis, near, far)
        else:
            theme.thousands(axes.xaxis)
        axes.set_ylim(0, 101)
        axes.set_yticks([0, 25, 50, 75, 95])
        axes.grid()
        axes.set_axisbelow(True)
        theme.axis_titles(axes, x="ms", y="share of turns no slower, %")
        drawing.legend(
            loc="upper left",
            bbox_to_anchor=(0.045, 1.0),
            borderpad=0,
            labelspacing=0.25,
            handlelength=3.2,
        )
        svg = theme.to_svg(drawing, "distribution", title)
    caption = " ".join(
        f"{metric_words(name).label}: half within {values.percentile_words(50)}, "
        f"95 % within {cell(values, Percentile(95, 100))}, N = {number(len(values.values))}."
        for name, values in samples.items()
    )
    if any(values.censored for values in samples.values()):
        caption += " Values that never came count: they keep a curve below 100 %."
    return Chart(
        "distribution",
        title,
        caption,
        svg,
        ["metric", "N", *(which.name for which in _PERCENTILES)],
        [
            [
                metric_words(name).label,
                number(len(s.values)),
                *(cell(s, which) for which in _PERCENTILES),
            ]
            for name, s in samples.items()
        ],
    )


def _steps(values: Sample, near: float, far: float) -> tuple[Any, Any]:
    """Corners of the curve, at most some 1,200 of them, from the left edge to the right."""
    x, shares = ecdf(values.values, values.censored)
    kept = np.unique(np.linspace(0, len(x) - 1, 1200).astype(int))
    percents = 100 * shares[kept]
    return (
        np.concatenate([[near], x[kept], [far]]),
        np.concatenate([[0.0], percents, percents[-1:]]),
    )


def pacing(lateness: Lateness, summarised: dict[str, Any], limit_ms: float) -> Chart | NoChart:
    """How late frames were sent, log scales both ways, with the limit that decides validity.

    `summarised` is pacing.lateness_ms of summary.json: its percentiles are marked.
    """
    title = "How late each frame of audio was sent"
    counts = lateness.counts
    total = int(counts.sum())
    if not total:
        return NoChart(title, "No frame of audio was sent, so there is no lateness to draw.")
    edges = LATENESS_EDGES_MS
    held = np.nonzero(counts)[0]
    first = min(int(held[0]), int(np.searchsorted(edges, 0.01)))
    # Room for a label right of the last line.
    last = min(max(int(held[-1]), int(np.searchsorted(edges, limit_ms))) + 9, len(edges) - 1)
    with theme.canvas(270) as drawing:
        axes = drawing.subplots(
            gridspec_kw={"left": 0.085, "right": 0.985, "top": 0.72, "bottom": 0.145}
        )
        axes.bar(
            edges[:-1],
            counts,
            width=np.diff(edges) * 0.9,
            align="edge",
            color=theme.BLUE,
            linewidth=0,
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlim(edges[first], edges[last])
        axes.set_ylim(0.7, counts.max() * 1.6)
        theme.log_ticks(axes.xaxis, edges[first], edges[last])
        theme.log_ticks(axes.yaxis, 1, counts.max() * 1.6, steps=(1,))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        marked = {name: summarised[name]["value"] for name in ("p50", "p95", "p99")}
        marked["max"] = summarised["max"]
        _mark(axes, {k: v for k, v in marked.items() if v is not None}, limit_ms)
        theme.axis_titles(axes, x="pacing lateness, ms (log scale)")
        drawing.text(0.01, 0.975, "frames (log scale)", color=theme.MUTED, va="top")
        svg = theme.to_svg(drawing, "pacing", title)
    over = int(counts[np.searchsorted(edges, limit_ms * 0.999) :].sum())
    caption = (
        f"{count(total, 'frame')} sent: p50 {percentile(summarised, 'p50')}, "
        f"p95 {percentile(summarised, 'p95')}, p99 {percentile(summarised, 'p99')}, "
        f"latest {quantity(summarised.get('max'))}. "
        f"{number(over)} ({share(over, total)}) later than {theme.tick(limit_ms)} ms, "
        f"the limit for p99; {number(lateness.never_sent)} due and never sent."
    )
    return Chart(
        "pacing",
        title,
        caption,
        svg,
        ["from ms", "to ms", "frames", "share"],
        [
            [number(edges[i]), number(edges[i + 1]), number(frames), share(frames, total)]
            for i, frames in enumerate(counts.tolist())
            if frames
        ],
    )


def _mark(axes: Any, values: dict[str, float], limit_ms: float) -> None:
    """Upright lines with their names above the axes, in as many rows as they need."""
    lines = [(value, f"{name} {quantity(value)}", theme.INK) for name, value in values.items()]
    lines.append((limit_ms, f"limit for p99 {theme.tick(limit_ms)} ms", theme.RED))
    low, high = np.log10(axes.get_xlim())
    bounds = axes.get_position()
    wide = bounds.width * theme.WIDTH
    lines = sorted((min(max(v, 10**low), 10**high), text, colour) for v, text, colour in lines)
    spans = []
    for value, text, _ in lines:
        x = (np.log10(value) - low) / (high - low) * wide
        spans.append((x, x + theme.text_width(text)))
    for (value, text, colour), row in zip(lines, theme.label_rows(spans), strict=True):
        height = 1.06 + 0.085 * row
        axes.plot(
            [value, value],
            [0, height + 0.05],
            transform=axes.get_xaxis_transform(),
            color=colour,
            linewidth=1,
            linestyle=(0, (4, 2)) if colour == theme.RED else "solid",
            clip_on=False,
        )
        axes.annotate(
            text,
            (value, height),
            xycoords=axes.get_xaxis_transform(),
            xytext=(3, 0),
            textcoords="offset points",
            color=colour,
        )

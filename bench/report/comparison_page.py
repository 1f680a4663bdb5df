"""Turns compared runs into one HTML page: a table, small figures, and what sets them apart."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

import bench
from bench.report import wording
from bench.report.comparison import ComparedRun, Comparison
from bench.report.comparison_figures import curves, headline_rows
from bench.report.fragment import fragment
from bench.report.headlines import HEADLINES, Headline
from bench.report.page import render_document
from bench.report.result import limit_words, readable
from bench.report.theme import Chart


class Cell(NamedTuple):
    """A headline of one run, in words."""

    value: str
    interval: str
    change: str
    is_few: bool


def render_comparison(comparison: Comparison) -> str:
    """The whole page; the same runs give the same bytes."""
    return render_document(
        f"{wording.count(len(comparison.runs), 'run')} side by side",
        bench.__version__,
        [
            ("result", "Side by side", _table(comparison)),
            ("figures", "Figures", _figures(comparison)),
            ("runs", "The runs", _runs(comparison)),
        ],
    )


def shown_headlines(comparison: Comparison) -> list[Headline]:
    """The headlines that any of the runs has a value of."""
    return [
        headline
        for headline in HEADLINES
        if any(run.figure(headline).value is not None for run in comparison.runs)
    ]


def _table(comparison: Comparison) -> Markup:
    headlines = shown_headlines(comparison)
    limits = [
        [run.limits[place] if place < len(run.limits) else None for run in comparison.runs]
        for place in range(max((len(run.limits) for run in comparison.runs), default=0))
    ]
    return fragment(
        "sections/side_by_side.html",
        comparison=comparison,
        headlines=headlines,
        rows=[
            (run, [_cell(comparison, run, headline) for headline in headlines])
            for run in comparison.runs
        ],
        invalid=[run for run in comparison.runs if run.invalid],
        limits=limits,
        limit_words=limit_words,
    )


def _cell(comparison: Comparison, run: ComparedRun, headline: Headline) -> Cell:
    found = run.figure(headline)
    change = comparison.change(run, headline)
    return Cell(
        found.words(),
        found.interval_words(),
        "" if change is None else change.words(headline.unit),
        not found.enough,
    )


def _figures(comparison: Comparison) -> Markup:
    charts = [headline_rows(comparison), curves(comparison)]
    return fragment("figures.html", charts=[(isinstance(chart, Chart), chart) for chart in charts])


def _runs(comparison: Comparison) -> Markup:
    return fragment(
        "sections/compared_runs.html",
        comparison=comparison,
        facts=[
            (
                run.name,
                str(run.folder),
                run.run.get("target"),
                readable(run.run.get("started_at")),
                (run.run.get("environment") or {}).get("host"),
                run.run.get("rtbench_version"),
            )
            for run in comparison.runs
        ],
    )

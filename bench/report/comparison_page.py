"""Turns compared runs into one HTML page: a table, small figures, and what sets them apart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from markupsafe import Markup

import bench
from bench.report import wording
from bench.report.comparison import ComparedRun, Comparison
from bench.report.comparison_figures import curves, headline_rows
from bench.report.fragment import fragment
from bench.report.headlines import Headline
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


def _table(comparison: Comparison) -> Markup:
    headlines = comparison.headlines
    limits = next(([line.limit for line in r.limits] for r in comparison.runs if r.limits), [])
    return fragment(
        "sections/side_by_side.html",
        comparison=comparison,
        groups=_groups(headlines),
        rows=[
            (run, [_cell(comparison, run, headline) for headline in headlines])
            for run in comparison.runs
        ],
        invalid=[run for run in comparison.runs if run.invalid],
        limits=limits,
        limit_words=limit_words,
    )


def _groups(headlines: Sequence[Headline]) -> list[tuple[str, str, list[str]]]:
    """Of each metric its label, its unit and which of its statistics are shown."""
    return [
        (wording.metric_words(metric).label, each[0].unit, [one.statistic for one in each])
        for metric, each in (
            (metric, list(found)) for metric, found in groupby(headlines, lambda one: one.metric)
        )
    ]


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

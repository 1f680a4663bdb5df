"""Turns the latencies of a run into the sections about them: when, how spread, where, of what."""

from __future__ import annotations

from markupsafe import Markup

from bench.report import wording
from bench.report.breakdown import where_time_goes
from bench.report.data import ReportData
from bench.report.figures import distributions
from bench.report.fragment import figures, fragment
from bench.report.heat_map import heat_map
from bench.report.percentile_curve import percentile_curve
from bench.report.settings import by_setting
from bench.report.timeline import latency_over_time

_WAITS = (
    "ttfa_ms",
    "voice_to_voice_ms",
    "endpointing_delay_ms",
    "response_latency_ms",
)


def over_time(data: ReportData) -> Markup:
    """Latency turn by turn over the run, and how many turns waited how long when."""
    marks = data.session_marks() if data.has("events.parquet") else None
    duration_s = data.summary.get("duration_s") or 0.0
    return figures(
        [
            latency_over_time(data.turns, data.latency_turns, marks, duration_s),
            heat_map(data.latency_turns, duration_s),
        ]
    )


def distribution(data: ReportData) -> Markup:
    """How ttfa and its two parts are distributed, and how slow the slow turns are."""
    turns, metrics = data.latency_turns, data.summary["metrics"]
    return figures([distributions(turns, metrics), percentile_curve(turns, metrics)])


def breakdown(data: ReportData) -> Markup:
    """Where the time goes, for all turns and by utterance."""
    return figures([where_time_goes(data.latency_turns)])


def utterances(data: ReportData) -> Markup:
    """Latency by utterance: a slow fixture is no slow server."""
    table = data.summary["by_utterance"]
    names = [n for n in _WAITS if any(n in row["metrics"] for row in table.values())]
    return fragment(
        "sections/utterances.html",
        rows=sorted(table.items()),
        metrics=[wording.metric_words(name) for name in names],
    )


def settings(data: ReportData) -> Markup:
    """Latency by what turns were held with, where they differ in it."""
    recorded = data.has("events.parquet")
    options = data.run.get("options") or {}
    found = by_setting(data.turns, data.settings(), options, _WAITS) if recorded else None
    return fragment(
        "sections/settings.html",
        found=found,
        started=len(data.turns),
        metrics=[wording.metric_words(name) for name in _WAITS if name in data.turns],
    )

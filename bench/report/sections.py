"""The sections of the page: each turns a run's data into one piece of HTML."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

from markupsafe import Markup

from bench.analysis.metrics import METRICS
from bench.analysis.summary import ERRORS
from bench.analysis.validity import CLIENT_LAG_LIMIT_MS, LATENESS_LIMIT_MS
from bench.report import wording
from bench.report.data import ReportData
from bench.report.errors import error_classes, when
from bench.report.figures import pacing
from bench.report.fragment import figures, fragment
from bench.report.instrument import held_back, tables
from bench.report.latency import breakdown, distribution, over_time, settings, utterances
from bench.report.result import headline, metrics
from bench.report.single_turns import waterfalls
from bench.report.theme import Chart, NoChart

_LATENESS = "From the instant a frame was due to when it was offered to the socket."
_CLIENT_LAG = "From an event's arrival in the kernel to when our code saw it."


class Section(NamedTuple):
    """A part of the page: its anchor, its heading, and what fills it."""

    anchor: str
    title: str
    render: Callable[[ReportData], Markup]


def errors(data: ReportData) -> Markup:
    """How turns ended, what went wrong, and where to look."""
    summary = data.summary
    listed = summary["errors"]
    return fragment(
        "sections/errors.html",
        outcomes=wording.in_outcome_order(summary["turns"]["outcomes"]),
        turns=summary["turns"],
        sessions=summary["sessions"],
        when=when(data.turns),
        errors=error_classes(listed, data.turns),
        cut_short=len(listed) if len(listed) >= ERRORS else None,
        unattributed=summary["unattributed"],
    )


def instrument(data: ReportData) -> Markup:
    """Whether rtbench itself kept up: a late microphone would blame the server."""
    summary = data.summary
    lateness = summary["pacing"]["lateness_ms"]
    chart: Chart | NoChart
    if data.has("appends.parquet"):
        chart = pacing(data.lateness(), lateness, LATENESS_LIMIT_MS)
    else:
        reason = "This folder holds no appends (a baseline), only the percentiles above."
        chart = NoChart("How late each frame of audio was sent", reason)
    return fragment(
        "sections/instrument.html",
        pacing=summary["pacing"],
        lags=[
            ("Pacing lateness", lateness, LATENESS_LIMIT_MS, _LATENESS),
            ("Client lag", summary["client_lag_ms"], CLIENT_LAG_LIMIT_MS, _CLIENT_LAG),
        ],
        held_back=held_back(summary["pacing"]),
        tables=tables(data.run),
        figures=figures([chart]),
    )


def configuration(data: ReportData) -> Markup:
    """What was asked, what the words mean, and how to do it again."""
    run = data.run
    known = list(wording.in_table_order(set(METRICS) | set(data.summary["metrics"])))
    return fragment(
        "sections/configuration.html",
        definitions=[wording.metric_words(name) for name in known],
        options=_flat(run.get("options") or {}),
        environment=_flat(run.get("environment") or {}),
        utterances=sorted((run.get("utterances") or {}).items()),
        facts=[
            ("Run", run.get("run_id")),
            ("rtbench", run.get("rtbench_version")),
            ("Summary by rtbench", data.summary.get("rtbench_version")),
            ("Schema version", run.get("schema_version")),
        ],
        hashes=[("Plan, SHA-256", run.get("plan_sha256"))],
        command=_command(run),
        folder=data.folder.name,
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as (`a.b.c`, value)."""
    rows: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        elif value is not None:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((f"{prefix}{name}", text))
    return rows


def _command(run: dict[str, Any]) -> str | None:
    """The command line that was typed, when the run kept it."""
    typed = run.get("command") or (run.get("environment") or {}).get("command")
    return shlex.join(map(str, typed)) if isinstance(typed, list) else typed


SECTIONS: list[Section] = [
    Section("result", "Result", headline),
    Section("metrics", "Metrics", metrics),
    Section("over-time", "Over time", over_time),
    Section("distribution", "Distribution", distribution),
    Section("breakdown", "Where the time goes", breakdown),
    Section("utterances", "By utterance", utterances),
    Section("settings", "By setting", settings),
    Section("turns", "Turns, step by step", waterfalls),
    Section("errors", "Outcomes and errors", errors),
    Section("instrument", "The instrument itself", instrument),
    Section("configuration", "Configuration and definitions", configuration),
]
"""Everything on the page, in order; a new section is one entry here."""

"""The sections of the page: each turns a run's data into one piece of HTML."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, NamedTuple

import jinja2
import pandas as pd
from markupsafe import Markup

from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.validity import CLIENT_LAG_LIMIT_MS, LATENESS_LIMIT_MS
from bench.report import wording
from bench.report.data import ReportData
from bench.report.figures import distributions, pacing
from bench.report.instrument import held_back, tables
from bench.report.telling_turns import telling_turns
from bench.report.theme import Chart, NoChart, tick
from bench.report.timeline import latency_over_time
from bench.report.waterfall import waterfall

_UTTERANCE_METRICS = (
    "ttfa_ms",
    "voice_to_voice_ms",
    "endpointing_delay_ms",
    "response_latency_ms",
)

_LATENESS = "From the instant a frame was due to when it was offered to the socket."
_CLIENT_LAG = "From an event's arrival in the kernel to when our code saw it."

_HTML = jinja2.Environment(
    loader=jinja2.PackageLoader("bench.report", "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)
_HTML.filters |= {
    "number": wording.number,
    "quantity": wording.quantity,
    "share": wording.share,
    "tick": tick,
    "printable": wording.printable,
}
_HTML.globals |= {
    "count": wording.count,
    "metric_words": wording.metric_words,
    "outcome_words": wording.outcome_words,
    "percentile": wording.percentile,
    "too_few": wording.too_few,
}


def fragment(template: str, **values: Any) -> Markup:
    """HTML of one template; every value that is no Markup is escaped."""
    return Markup(_HTML.get_template(template).render(**values))  # noqa: S704 - autoescaped


class Section(NamedTuple):
    """A part of the page: its anchor, its heading, and what fills it."""

    anchor: str
    title: str
    render: Callable[[ReportData], Markup]


def headline(data: ReportData) -> Markup:
    """Verdict on the run itself, its facts, and the numbers that callers feel."""
    summary, run = data.summary, data.run
    options = run.get("options") or {}
    users = options.get("users", options.get("num_users"))
    scenario = run.get("scenario") or {}
    facts = [
        ("Target", run.get("target")),
        ("Dialect", run.get("dialect")),
        ("Model", run.get("model")),
        ("Scenario", ", ".join(map(str, scenario.get("classes") or scenario.get("files") or []))),
        ("Users", users),
        ("Started", _readable(run.get("started_at"))),
        ("Duration", wording.quantity(summary.get("duration_s"), "s")),
        ("Sessions", _sessions(summary["sessions"])),
        ("Turns", _turns(summary["turns"])),
    ]
    heads = []
    for name in ("ttfa_ms", "voice_to_voice_ms"):
        distribution = summary["metrics"].get(name)
        if distribution and distribution["n"]:
            heads.append((wording.metric_words(name), distribution))
    return fragment(
        "sections/headline.html",
        validity=summary["validity"],
        facts=[(name, value) for name, value in facts if value not in {None, ""}],
        heads=heads,
        turns=summary["turns"],
        failed=_failed(summary),
    )


def _readable(started_at: object) -> str:
    """An ISO instant as people write it: `2025-03-01 12:00:00 UTC`."""
    text = str(started_at or "")
    day, divider, time = text.partition("T")
    if not divider:
        return text
    clock = time.removesuffix("Z").removesuffix("+00:00").partition(".")[0]
    return f"{day} {clock} UTC"


def _sessions(sessions: dict[str, int]) -> str:
    words = f"{wording.number(sessions['started'])} started"
    if sessions["opened"] != sessions["started"]:
        words += f", {wording.number(sessions['opened'])} opened"
    if sessions["failed"]:
        words += f", {wording.number(sessions['failed'])} failed"
    return words


def _turns(turns: dict[str, Any]) -> str:
    words = f"{wording.number(turns['started'])} started"
    outcomes = ", ".join(
        f"{wording.number(amount)} {name}" for name, amount in _ordered_outcomes(turns)
    )
    return f"{words}: {outcomes}" if outcomes else words


def _ordered_outcomes(turns: dict[str, Any]) -> list[tuple[str, int]]:
    order = {name: index for index, name in enumerate(OUTCOMES)}
    found = [(name, amount) for name, amount in turns["outcomes"].items() if amount]
    return sorted(found, key=lambda item: (order.get(item[0], len(order)), item[0]))


def _failed(summary: dict[str, Any]) -> int:
    outcomes = summary["turns"]["outcomes"].items()
    return sum(amount for name, amount in outcomes if wording.outcome_words(name).failed)


def metrics(data: ReportData) -> Markup:
    """Every metric of the summary with its spread, and every rate with those it could hit."""
    table, rates = data.summary["metrics"], data.summary.get("rates") or {}
    return fragment(
        "sections/metrics.html",
        rows=[(wording.metric_words(n), table[n]) for n in wording.in_table_order(table)],
        rates=[(wording.metric_words(n), rates[n]) for n in wording.in_table_order(rates)],
        turns=data.summary["turns"],
    )


def over_time(data: ReportData) -> Markup:
    """Latency turn by turn over the run."""
    marks = data.session_marks() if data.has("events.parquet") else None
    chart = latency_over_time(
        data.turns, data.latency_turns, marks, data.summary.get("duration_s") or 0.0
    )
    return _figures([chart])


def distribution(data: ReportData) -> Markup:
    """How ttfa and its two parts are distributed."""
    return _figures([distributions(data.latency_turns, data.summary["metrics"])])


def waterfalls(data: ReportData) -> Markup:
    """The median and the worst turn step by step, and the worst of those that went wrong."""
    chosen = telling_turns(data)
    if not chosen:
        reason = "No turn got audio and none failed, so there is nothing to take apart."
        return _figures([NoChart("Single turns", reason)])
    if not (data.has("events.parquet") and data.has("appends.parquet")):
        reason = "This folder holds no events and appends (a baseline), only what came of them."
        return _figures([NoChart("Single turns", reason)])
    records = data.turn_records(pd.DataFrame([turn for _, turn in chosen]))
    return _figures(
        [
            waterfall(record, f"waterfall-{index}", title)
            for index, ((title, _), record) in enumerate(zip(chosen, records, strict=True))
        ]
    )


def utterances(data: ReportData) -> Markup:
    """Latency by utterance: a slow fixture is no slow server."""
    table = data.summary["by_utterance"]
    names = [n for n in _UTTERANCE_METRICS if any(n in row["metrics"] for row in table.values())]
    return fragment(
        "sections/utterances.html",
        rows=sorted(table.items()),
        metrics=[wording.metric_words(name) for name in names],
    )


def errors(data: ReportData) -> Markup:
    """How turns ended, what went wrong, and where to look."""
    summary = data.summary
    return fragment(
        "sections/errors.html",
        outcomes=[(wording.outcome_words(n), c) for n, c in _ordered_outcomes(summary["turns"])],
        turns=summary["turns"],
        sessions=summary["sessions"],
        errors=summary["errors"],
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
        figures=_figures([chart]),
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


def _figures(charts: list[Chart | NoChart]) -> Markup:
    return fragment(
        "figures.html",
        charts=[(isinstance(chart, Chart), chart) for chart in charts],
    )


SECTIONS: list[Section] = [
    Section("result", "Result", headline),
    Section("metrics", "Metrics", metrics),
    Section("over-time", "Over time", over_time),
    Section("distribution", "Distribution", distribution),
    Section("turns", "Turns, step by step", waterfalls),
    Section("utterances", "By utterance", utterances),
    Section("errors", "Outcomes and errors", errors),
    Section("instrument", "The instrument itself", instrument),
    Section("configuration", "Configuration and definitions", configuration),
]
"""Everything on the page, in order; a new section is one entry here."""

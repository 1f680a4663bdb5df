"""Turns runs into a short summary in Markdown, as a comment on a pull request shows it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.comparison import Comparison
from bench.report.headlines import HEADLINES, Headline, figure
from bench.report.wording import (
    in_outcome_order,
    in_table_order,
    interval,
    metric_words,
    number,
    percentile,
    printable,
    quantity,
    too_few,
)

VALID, INVALID = "✅", "❌"

_PERCENTILES = ("p50", "p95")

_FELT = tuple(dict.fromkeys(each.metric for each in HEADLINES))
"""Metrics and rates that stand before all others, which a reader may unfold."""


def run_markdown(run: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    """Whether one run is to be trusted, its metrics with intervals, and what went wrong."""
    validity = summary["validity"]
    mark, word = (VALID, "VALID") if validity["valid"] else (INVALID, "INVALID")
    name = cell(str(run.get("run_id") or "run"))
    lines = [f"### {mark} rtbench: {word}: {name}", ""]
    lines += [f"- {cell(reason)}" for reason in validity["reasons"]]
    lines += [f"- _{cell(warning)}_" for warning in validity.get("warnings") or ()]
    lines += ["", *_metrics(summary, felt=True), *_rates(summary, felt=True)]
    others = [*_metrics(summary, felt=False), *_rates(summary, felt=False)]
    if others:
        lines += ["<details><summary>All other metrics</summary>", "", *others, "</details>", ""]
    lines.append(_facts(run, summary))
    return _joined(lines)


def comparison_markdown(comparison: Comparison) -> str:
    """A row for each run; changes are told from the reference."""
    headlines = comparison.headlines
    invalid = [run for run in comparison.runs if run.invalid]
    mark = INVALID if invalid else VALID
    lines = [f"### {mark} rtbench: {len(comparison.runs)} runs side by side", ""]
    lines += [f"- INVALID: {cell(run.label)}: {cell(run.why_invalid)}" for run in invalid]
    heads = ["Run", *(f"{each.label}, {each.unit}" for each in headlines), "Turns", "Validity"]
    rows = []
    for run in comparison.runs:
        turns = (run.summary.get("turns") or {}).get("measured")
        rows.append(
            [
                run.label,
                *(_compared(comparison, run, each) for each in headlines),
                number(turns, plain=True),
                f"{INVALID} INVALID" if run.invalid else "valid",
            ]
        )
    lines += ["", *table(heads, rows), *_limits(comparison), ""]
    lines.append(
        f"Changes are told from {cell(comparison.reference.label)}; ~ where the 95 % intervals "
        "meet, so that it may be chance."
    )
    return _joined(lines)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a table and an empty one; numbers, all columns but the first, to the right."""
    rule = "|".join("---" if place == 0 else "--:" for place in range(len(heads)))
    body = [f"| {' | '.join(map(cell, row))} |" for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{rule}|", *body, ""]


def cell(text: str) -> str:
    """Text from anywhere that neither ends a cell nor begins a tag."""
    plain = printable(text).replace("\n", " ")
    return plain.replace("|", "\\|").replace("<", "&lt;") if "`" not in plain else plain


def _metrics(summary: Mapping[str, Any], *, felt: bool) -> list[str]:
    metrics, intervals = summary["metrics"], summary.get("intervals") or {}
    rows = []
    for name in in_table_order(metrics):
        spread, words = metrics[name], metric_words(name)
        if not spread["n"] or (name in _FELT) != felt:
            continue
        label = f"{words.label}, {words.unit}" if words.unit else words.label
        cells = [_percentile(spread, intervals.get(name) or {}, which) for which in _PERCENTILES]
        rows.append([label, number(spread["n"], plain=True), *cells])
    if not rows:
        nothing = "No measured turn got any audio: there is no latency to report."
        return [nothing, ""] if felt else []
    return table(["Metric", "N", "p50 (95 % interval)", "p95 (95 % interval)"], rows)


def _percentile(spread: dict[str, Any], intervals: Mapping[str, Any], which: str) -> str:
    value = percentile(spread, which, plain=True)
    if too_few(spread, which):
        return f"{value} (too few)"
    ends = interval(intervals.get(which), plain=True)
    return f"{value} ({ends})" if ends else value


def _rates(summary: Mapping[str, Any], *, felt: bool) -> list[str]:
    rates = summary.get("rates") or {}
    rows = [
        [metric_words(name).label, str(rate["n"]), f"{rate['hits']}", _share(rate)]
        for name, rate in ((name, rates[name]) for name in in_table_order(rates))
        if rate["n"] and (name in _FELT) == felt
    ]
    return table(["Rate", "Of turns", "Hits", "Share (95 % interval)"], rows) if rows else []


def _share(rate: Mapping[str, Any]) -> str:
    value, low, high = (f"{100 * rate[key]:.1f}" for key in ("value", "low", "high"))
    return f"{value} % ({low} to {high})"


def _facts(run: Mapping[str, Any], summary: Mapping[str, Any]) -> str:
    sessions, turns = summary["sessions"], summary["turns"]
    outcomes = ", ".join(
        f"{number(amount, plain=True)} {cell(words.name)}"
        for words, amount in in_outcome_order(turns["outcomes"])
    )
    started, failed = (number(sessions[key], plain=True) for key in ("started", "failed"))
    return (
        f"{cell(str(run.get('target')))}, {cell(str(run.get('model')))}: "
        f"{quantity(summary['duration_s'], 's', plain=True)}, "
        f"{started} sessions ({failed} failed), "
        f"{number(turns['started'], plain=True)} turns ({outcomes or 'none'})"
    )


def _compared(comparison: Comparison, run: Any, headline: Headline) -> str:
    found = figure(run.summary, headline)
    change = comparison.change(run, headline)
    words = found.words(plain=True)
    few = "" if found.enough else "*"
    return f"{words}{few}" + (
        "" if change is None else f" ({change.words(headline.unit, plain=True)})"
    )


def _limits(comparison: Comparison) -> list[str]:
    return [
        f"- {cell(run.label)}: {line.verdict}: `{line.limit}`, {line.value}"
        for run in comparison.runs
        for line in run.limits
        if line.verdict != "PASS"
    ]


def _joined(lines: Sequence[str]) -> str:
    """No two empty lines in a row, one line break at the end."""
    kept = [line for place, line in enumerate(lines) if line or (place and lines[place - 1])]
    return "\n".join(kept).rstrip() + "\n"

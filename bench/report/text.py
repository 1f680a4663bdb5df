"""A run's summary as a table for a terminal, or for a log when stdout is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis.finding import PASS
from bench.report.comparison import Comparison
from bench.report.headlines import HEADLINES, RATE, Figure, Headline
from bench.report.wording import (
    in_table_order,
    metric_words,
    number,
    percentile,
    printable,
    quantity,
    share,
    too_few,
)

_WIDTH = 80


def print_summary(
    run: dict[str, Any],
    summary: dict[str, Any],
    report_path: Path | None = None,
    console: Console | None = None,
) -> None:
    """Validity, sessions, turns, metrics and pacing in at most 80 columns.

    A percentile with too few values is dimmed and carries a `*`. Only `report_path`, last, may
    be longer than a line: it stays in one piece.
    """
    console = console or Console(highlight=False)
    width = min(console.width, _WIDTH)
    for line in (_validity(summary["validity"]), *_facts(run, summary)):
        console.print(line, width=width)
    table = summary["metrics"]
    shown = [name for name in in_table_order(table) if table[name]["n"]]
    if shown:
        console.print()
        console.print(_metrics({name: table[name] for name in shown}), width=width)
        if any(too_few(table[name], which) for name in shown for which in ("p95", "p99")):
            note = "* too few values to lean on: p95 needs 200, p99 needs 1 000"
            console.print(Text(note, style="dim"), width=width)
    if "ttfa_ms" not in shown:
        console.print("No measured turn got any audio: there is no latency to report.")
    if report_path is not None:
        console.print()
        console.print(Text(f"Report: {printable(report_path)}"), soft_wrap=True)


def _validity(validity: dict[str, Any]) -> Text:
    valid = validity["valid"]
    line = Text("VALID" if valid else "INVALID", style="bold green" if valid else "bold red")
    for reason in validity["reasons"]:
        line.append(f"\n  - {printable(reason)}", style="not bold default")
    for warning in validity.get("warnings", []):
        line.append(f"\n  worth a look: {printable(warning)}", style="not bold default")
    return line


def _facts(run: dict[str, Any], summary: dict[str, Any]) -> list[Text]:
    sessions, turns = summary["sessions"], summary["turns"]
    outcomes = ", ".join(
        f"{_plain(amount)} {printable(name)}"
        for name, amount in turns["outcomes"].items()
        if amount
    )
    pacing = summary["pacing"]
    due, sent = pacing["frames_due"], pacing["frames_sent"]
    late = percentile(pacing["lateness_ms"], "p99", plain=True)
    started, opened, failed = (_plain(sessions[key]) for key in ("started", "opened", "failed"))
    rates = summary.get("rates") or {}
    rows = [
        ("Target", f"{run.get('target')} ({run.get('dialect')}, {run.get('model')})"),
        ("Duration", quantity(summary["duration_s"], "s", plain=True)),
        ("Sessions", f"{started} started, {opened} opened, {failed} failed"),
        ("Turns", f"{_plain(turns['started'])} started: {outcomes or 'none'}"),
        ("Cut off", _cut_off(rates.get("cut_off") or {"hits": 0, "n": 0})),
        ("Pacing", f"p99 {late} ms late; {_plain(sent)} of {_plain(due)} frames sent"),
    ]
    mishaps = _mishaps(rates)
    if mishaps:
        rows.insert(5, ("Mishaps", mishaps))
    held = pacing.get("held_back") or {"frames": 0}
    if held["frames"]:
        p99 = percentile(held["held_ms"], "p99", plain=True)
        frames, whose = _plain(held["frames"]), _plain(held["sessions"])
        words = f"{frames} frames of {whose} sessions by the target, p99 {p99} ms"
        rows.append(("Held back", words))
    unreviewed = turns.get("unreviewed")
    if unreviewed:
        clips = "its clip's label awaits" if unreviewed == 1 else "their clips' labels await"
        noun = "turn" if unreviewed == 1 else "turns"
        rows.insert(5, ("Left out", f"{_plain(unreviewed)} {noun}: {clips} review"))
    return [Text(f"{name:<9} {printable(value)}") for name, value in rows]


def _cut_off(rate: dict[str, Any]) -> str:
    """Of the turns that could be, as limits and the gate count them."""
    hits, n = rate["hits"], rate["n"]
    return f"{_plain(hits)} of {_plain(n)} ({share(hits, n, plain=True)})" if n else "-"


def _mishaps(rates: dict[str, dict[str, Any]]) -> str:
    """Rates above zero, but that of turns cut off, which has a line of its own."""
    return ", ".join(
        f"{metric_words(name).label.lower()} {_plain(rates[name]['hits'])} of "
        f"{_plain(rates[name]['n'])}"
        for name in in_table_order(rates)
        if rates[name]["hits"] and name != "cut_off"
    )


def _plain(amount: int) -> str:
    return number(amount, plain=True)


def _metrics(metrics: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Metric", overflow="ellipsis", no_wrap=True, max_width=30)
    for heading in ("N", "p50", "p95", "p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, spread in metrics.items():
        words = metric_words(name)
        unit = words.unit.replace("\u00d7", "x")
        label = f"{words.label}, {unit}" if unit else words.label
        cells = [_cell(spread, which) for which in ("p50", "p95", "p99")]
        table.add_row(Text(printable(label)), number(spread["n"], plain=True), *cells)
    return table


def _cell(spread: dict[str, Any], which: str) -> Text:
    text = percentile(spread, which, plain=True)
    return Text(f"{text}*", style="dim") if too_few(spread, which) else Text(f"{text} ")


def print_comparison(
    comparison: Comparison, page: Path | None = None, console: Console | None = None
) -> None:
    """A line for each run in at most 80 columns, and what is wrong with invalid ones."""
    console = console or Console(highlight=False)
    width = min(console.width, _WIDTH)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("Run", overflow="fold", ratio=1)
    for heading in ("turns", "ttfa p50", "p95", "cut off", "failed"):
        table.add_column(heading, justify="right", no_wrap=True)
    for run in comparison.runs:
        cells = [_figure(run.figure(each), each) for each in _COMPARED]
        turns = (run.summary.get("turns") or {}).get("measured")
        name = Text(printable(run.label), style="bold red" if run.invalid else "")
        if run.invalid:
            name.append(" INVALID")
        table.add_row(name, number(turns, plain=True), *cells)
    console.print(table, width=width)
    for run in comparison.runs:
        if run.invalid:
            text = f"INVALID: {printable(run.label)}: {printable(run.why_invalid)}"
            console.print(Text(text, style="red"), width=width)
        for limit in run.limits:
            if limit.verdict != PASS:
                text = f"{printable(run.label)}: {limit.limit}: {limit.verdict}, {limit.value}"
                console.print(Text(text), width=width)
    if page is not None:
        console.print()
        console.print(Text(f"Comparison: {printable(page)}"), soft_wrap=True)


_COMPARED = (*HEADLINES[:2], *HEADLINES[-2:])


def _figure(found: Figure, headline: Headline) -> Text:
    text = found.words(plain=True)
    if found.value is not None and headline.statistic == RATE:
        text += "%"
    return Text(text) if found.enough else Text(f"{text}*", style="dim")

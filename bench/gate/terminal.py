"""Turns a decision into tables for a terminal, or for a log when stdout is none."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis.decision import Decision
from bench.analysis.finding import INCONCLUSIVE, INVALID, PASS
from bench.gate.lines import MEANING, headline, limit_line, line_of, open_lines
from bench.quiet import is_quiet
from bench.report.wording import printable

_WIDTH = 80
_STYLES = {PASS: "green", INCONCLUSIVE: "yellow", INVALID: "bold red"}


def print_decision(decision: Decision, console: Console | None = None) -> None:
    """The verdict, tables of tests and limits, and why what is open is open: 80 columns.

    Where quiet is asked for, a verdict other than PASS alone.
    """
    console = console or Console(highlight=False)
    width = min(console.width, _WIDTH)

    def say(text: str, style: str = "") -> None:
        console.print(Text(printable(text), style=style), width=width)

    if is_quiet() and decision.verdict == PASS:
        return
    say(headline(decision), _style(decision.verdict))
    for reason in decision.invalid:
        say(f"  - {reason}")
    if is_quiet():
        return
    if decision.gate is not None and decision.gate.findings:
        console.print()
        console.print(_tests(decision), width=width)
        say(MEANING, "dim")
    if decision.limits:
        console.print()
        console.print(_limits(decision), width=width)
    lines = open_lines(decision)
    if lines:
        console.print()
    for line in lines:
        say(line)
    for note in decision.notes:
        say(f"note: {note}", "dim")


def _tests(decision: Decision) -> Table:
    table = _table("Metric", "of", "N", "base", "cand.", "effect", "detect.", "verdict", left=2)
    assert decision.gate is not None
    for finding in decision.gate.findings:
        line = line_of(finding)
        cells = (line.n, line.baseline, line.candidate, line.effect, line.detectable)
        name = line.metric.removesuffix("_ms")
        table.add_row(name, line.statistic, *cells, Text(line.verdict, _style(line.verdict)))
    return table


def _limits(decision: Decision) -> Table:
    table = _table("Limit", "N", "figure", "95 % interval", "verdict", left=1)
    for found in decision.limits:
        line = limit_line(found)
        verdict = Text(line.verdict, _style(line.verdict))
        table.add_row(Text(printable(line.limit)), line.n, line.value, line.interval, verdict)
    return table


def _table(*headings: str, left: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for place, heading in enumerate(headings):
        is_text = place < left or heading == "verdict"
        table.add_column(
            heading,
            justify="left" if is_text else "right",
            no_wrap=place > 0,  # a long name is what may be folded
            overflow="fold",
        )
    return table


def _style(verdict: str) -> str:
    return _STYLES.get(verdict, "red")

"""Turns a decision into a summary in Markdown, as pull requests and job pages show it. Pure."""

from __future__ import annotations

from bench.analysis.decision import Decision
from bench.analysis.finding import INCONCLUSIVE, PASS
from bench.gate.lines import MEANING, headline, limit_line, line_of, open_lines
from bench.report.wording import printable

_MARKS = {PASS: "✅", INCONCLUSIVE: "❔"}


def markdown(decision: Decision) -> str:
    """A heading with the verdict, tables, and what is open; ends with a line break."""
    lines = [f"### {_mark(decision.verdict)} rtbench: {_cell(headline(decision))}", ""]
    lines += [f"- {_cell(reason)}" for reason in decision.invalid]
    if decision.gate is not None and decision.gate.findings:
        heads = ("Metric", "of", "N", "Baseline", "Candidate", "Effect", "Detectable", "Verdict")
        lines += _table(
            heads,
            [
                (
                    *(line.label, line.statistic, line.n, line.baseline, line.candidate),
                    *(line.effect, line.detectable, f"{_mark(line.verdict)} {line.verdict}"),
                )
                for line in map(line_of, decision.gate.findings)
            ],
        )
        lines += [MEANING, ""]
    if decision.limits:
        lines += _table(
            ("Limit", "N", "Figure", "95 % interval", "Verdict"),
            [
                (
                    *(f"`{row.limit}`", row.n, row.value, row.interval),
                    f"{_mark(row.verdict)} {row.verdict}",
                )
                for row in map(limit_line, decision.limits)
            ],
        )
    lines += [f"- {_cell(line)}" for line in open_lines(decision)]
    lines += [f"- _{_cell(note)}_" for note in decision.notes]
    return "\n".join(lines).rstrip() + "\n"


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    rule = "|".join("---" if place == 0 else "--:" for place in range(len(heads)))
    body = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(heads)} |", f"|{rule}|", *body, ""]


def _cell(text: str) -> str:
    plain = printable(text).replace("\n", " ")
    return plain.replace("|", "\\|").replace("<", "&lt;") if "`" not in plain else plain


def _mark(verdict: str) -> str:
    return _MARKS.get(verdict, "❌")

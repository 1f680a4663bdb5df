"""Turns a decision into a summary in Markdown, as pull requests and job pages show it. Pure."""

from __future__ import annotations

from bench.analysis.decision import Decision
from bench.analysis.finding import INCONCLUSIVE, PASS
from bench.gate.lines import MEANING, headline, limit_line, line_of, open_lines
from bench.report.markdown import cell, table

_MARKS = {PASS: "✅", INCONCLUSIVE: "❔"}


def markdown(decision: Decision) -> str:
    """A heading with the verdict, tables, and what is open; ends with a line break."""
    lines = [f"### {_mark(decision.verdict)} rtbench: {cell(headline(decision))}", ""]
    lines += [f"- {cell(reason)}" for reason in decision.invalid]
    if decision.gate is not None and decision.gate.findings:
        heads = ("Metric", "of", "N", "Baseline", "Candidate", "Effect", "Detectable", "Verdict")
        lines += table(
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
        lines += table(
            ("Limit", "N", "Figure", "95 % interval", "Verdict"),
            [
                (
                    *(f"`{row.limit}`", row.n, row.value, row.interval),
                    f"{_mark(row.verdict)} {row.verdict}",
                )
                for row in map(limit_line, decision.limits)
            ],
        )
    lines += [f"- {cell(line)}" for line in open_lines(decision)]
    lines += [f"- _{cell(note)}_" for note in decision.notes]
    return "\n".join(lines).rstrip() + "\n"


def _mark(verdict: str) -> str:
    return _MARKS.get(verdict, "❌")

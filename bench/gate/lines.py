"""Turns findings into the words and numbers of a row, the same for every output. Pure."""

from __future__ import annotations

import math

from bench.analysis.decision import Decision
from bench.analysis.finding import INCONCLUSIVE, PASS, RATE, REGRESSION, SHIFT, Finding
from bench.analysis.holding import LimitFinding
from bench.analysis.limits import Limit
from bench.analysis.measures import measure_named
from bench.analysis.sample import RATIO
from bench.report.judgement import Judgement, LimitLine, Line
from bench.report.wording import number

STATISTICS = {SHIFT: "p50", "tail": "p95", RATE: "rate"}
"""What of either run stands beside a test: what a reader can look up."""

MEANING = (
    "Effect: the change with its 95 % bounds. Detectable: the smallest change for the worse "
    "that these runs show 9 times in 10."
)


def line_of(finding: Finding) -> Line:
    """A row of the table of tests."""
    measure = measure_named(finding.metric)
    label = finding.metric if measure is None else measure.label
    unit = "" if measure is None or not measure.unit else f", {measure.unit}"
    smallest, largest = sorted((finding.n_baseline, finding.n_candidate))
    rate = finding.statistic == RATE
    return Line(
        finding.metric,
        label + unit,
        STATISTICS.get(finding.statistic, finding.statistic),
        str(smallest) if smallest == largest else f"{smallest}-{largest}",
        _figure(finding.baseline, rate=rate),
        _figure(finding.candidate, rate=rate),
        _effect(finding),
        "-" if finding.detectable is None else _change(finding, finding.detectable),
        finding.verdict,
        _reason(finding.reason, finding.verdict, finding.turns_needed),
    )


def limit_line(found: LimitFinding) -> LimitLine:
    """A row of the table of limits."""
    rate = found.limit.measure.is_rate
    ends = [_figure(end, rate=rate) for end in (found.low, found.high)]
    high = "never" if found.high is None else ends[1]
    value = _figure(found.value, rate=rate)
    return LimitLine(
        found.limit.text,
        str(found.n),
        f"> {value}" if found.censored else value,
        "-" if ends == ["-", "-"] else f"{ends[0]} to {high}",
        found.verdict,
        _reason(found.reason, found.verdict, found.turns_needed),
        _limited(found.limit),
        _bound(found.limit),
    )


def _limited(limit: Limit) -> str:
    """`Time to first audio, p95`; a rate has no statistic to name."""
    label = limit.measure.label
    return label if limit.measure.is_rate else f"{label}, {limit.statistic}"


def _bound(limit: Limit) -> str:
    measure = limit.measure
    if measure.is_rate:
        return f"{limit.operator} {100 * limit.bound:g}%"
    return f"{limit.operator} {limit.bound:g} {measure.unit}".rstrip()


def judgement_of(decision: Decision) -> Judgement:
    """All that a page shows of a decision."""
    gate = decision.gate
    return Judgement(
        decision.verdict,
        _sentence(decision),
        decision.invalid or _reasons(decision),
        decision.notes,
        decision.baseline,
        tuple(map(line_of, gate.findings if gate is not None else ())),
        tuple(map(limit_line, decision.limits)),
        MEANING,
    )


def _reasons(decision: Decision) -> tuple[str, ...]:
    """What did not pass, with the figures that say so."""
    tests = () if decision.gate is None else decision.gate.findings
    lines = []
    for line in map(line_of, tests):
        test = f"{line.label}, {line.statistic}"
        if line.verdict == REGRESSION:
            lines.append(f"{test}: {line.baseline} became {line.candidate}, {line.effect}")
        elif line.verdict != PASS:
            lines.append(f"{test}: {line.verdict}, {line.reason}")
    lines += [
        f"{row.limit}: {row.verdict}, {row.value} ({row.interval})"
        for row in map(limit_line, decision.limits)
        if row.verdict != PASS
    ]
    return tuple(lines)


def headline(decision: Decision) -> str:
    """One sentence: the verdict, of what, and what would settle it."""
    return f"{decision.verdict}: {_sentence(decision)}"


def _sentence(decision: Decision) -> str:
    against = f" against {decision.baseline}" if decision.baseline else ""
    text = f"{decision.candidate}{against}"
    if decision.verdict == INCONCLUSIVE and decision.turns_needed is not None:
        text += f"; {number(decision.turns_needed, plain=True)} turns of each run would tell"
    return text


def _reason(reason: str, verdict: str, turns_needed: int | None) -> str:
    if verdict != INCONCLUSIVE or turns_needed is None:
        return reason
    return f"{reason}: {number(turns_needed, plain=True)} of each run"


def _effect(finding: Finding) -> str:
    if finding.effect is None or finding.low is None or finding.high is None:
        return "-"
    low, high = (_change(finding, end, signed=True) for end in (finding.low, finding.high))
    bounds = f"({low.removesuffix('%')}, {high.removesuffix('%')})"
    return f"{_change(finding, finding.effect, signed=True)} {bounds}"


def _change(finding: Finding, size: float, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    if not math.isfinite(size):
        return "never" if size > 0 else "-never"
    if finding.scale == RATIO or finding.statistic == RATE:
        return f"{100 * size:{sign}.1f}%"
    return f"{size:{sign}.0f}" if abs(size) >= 9.5 else f"{size:{sign}.2g}"


def _figure(value: float | None, *, rate: bool) -> str:
    if value is None:
        return "-"
    if not math.isfinite(value):
        return "never"
    return f"{100 * value:.1f}%" if rate else number(value, plain=True)


def open_lines(decision: Decision) -> list[str]:
    """What did not pass and why, a sentence each."""
    lines = []
    if decision.gate is not None:
        for finding in decision.gate.findings:
            if finding.verdict != PASS:
                line = line_of(finding)
                lines.append(f"{line.metric} {line.statistic}: {line.verdict}, {line.reason}")
    for found in decision.limits:
        if found.verdict != PASS:
            row = limit_line(found)
            lines.append(f"{row.limit}: {row.verdict}, {row.reason}")
    return lines

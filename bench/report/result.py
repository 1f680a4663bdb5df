"""Turns a run's summary, and what was decided about it, into the first sections of its page."""

from __future__ import annotations

from typing import Any, NamedTuple

from markupsafe import Markup

from bench.analysis.finding import INCONCLUSIVE, PASS
from bench.report import wording
from bench.report.data import ReportData
from bench.report.fragment import fragment
from bench.report.judgement import Judgement, Line

_HEADS = ("ttfa_ms", "voice_to_voice_ms")


class Mark(NamedTuple):
    """How a verdict looks: a class of the style sheet, and a sign for those who see no colour."""

    tone: str
    sign: str


class LimitWords(NamedTuple):
    """What became of a limit."""

    word: str
    mark: Mark


_GOOD, _OPEN, _BAD = Mark("valid", "✓"), Mark("open", "?"), Mark("invalid", "✗")


def mark(verdict: str) -> Mark:
    """How to show a verdict."""
    return {PASS: _GOOD, INCONCLUSIVE: _OPEN}.get(verdict, _BAD)


def limit_words(verdict: str) -> LimitWords:
    """Held, broken or unknown."""
    word = {PASS: "held", INCONCLUSIVE: "unknown"}.get(verdict, "broken")
    return LimitWords(word, mark(verdict))


def headline(data: ReportData) -> Markup:
    """What was decided, whether the run itself is to be trusted, and what callers feel."""
    summary, run, judgement = data.summary, data.run, data.judgement
    options = run.get("options") or {}
    scenario = run.get("scenario") or {}
    facts = [
        ("Target", run.get("target")),
        ("Dialect", run.get("dialect")),
        ("Model", run.get("model")),
        ("Scenario", ", ".join(map(str, scenario.get("classes") or scenario.get("files") or []))),
        ("Users", options.get("users", options.get("num_users"))),
        ("Started", readable(run.get("started_at"))),
        ("Duration", wording.quantity(summary.get("duration_s"), "s")),
        ("Sessions", _sessions(summary["sessions"])),
        ("Turns", _turns(summary["turns"])),
    ]
    table, intervals = summary["metrics"], summary.get("intervals") or {}
    heads = [
        (wording.metric_words(name), table[name], intervals.get(name) or {})
        for name in _HEADS
        if (table.get(name) or {}).get("n")
    ]
    return fragment(
        "sections/headline.html",
        judgement=judgement,
        mark=None if judgement is None else mark(judgement.verdict),
        validity=summary["validity"],
        facts=[(name, value) for name, value in facts if value not in {None, ""}],
        heads=heads,
        turns=summary["turns"],
        failed=failed_turns(summary),
    )


def readable(started_at: object) -> str:
    """An ISO instant as people write it: `2025-03-01 12:00:00 UTC`."""
    text = str(started_at or "")
    day, divider, time = text.partition("T")
    if not divider:
        return text
    clock = time.removesuffix("Z").removesuffix("+00:00").partition(".")[0]
    return f"{day} {clock} UTC"


def failed_turns(summary: dict[str, Any]) -> int:
    """How many turns came to an outcome that counts as failed."""
    outcomes = wording.in_outcome_order(summary["turns"]["outcomes"])
    return sum(amount for words, amount in outcomes if words.failed)


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
        f"{wording.number(amount)} {each.name}"
        for each, amount in wording.in_outcome_order(turns["outcomes"])
    )
    return f"{words}: {outcomes}" if outcomes else words


def metrics(data: ReportData) -> Markup:
    """Limits, the comparison with a baseline, every metric with its spread, and every rate."""
    summary, judgement = data.summary, data.judgement
    table, rates = summary["metrics"], summary.get("rates") or {}
    intervals = summary.get("intervals") or {}
    return fragment(
        "sections/metrics.html",
        rows=[
            (
                wording.metric_words(name),
                table[name],
                intervals.get(name) or {},
                _tests(judgement, name),
            )
            for name in wording.in_table_order(table)
        ],
        rates=[
            (wording.metric_words(name), rates[name], _tests(judgement, name))
            for name in wording.in_table_order(rates)
        ],
        has_intervals=bool(intervals),
        judgement=judgement,
        mark=mark,
        limit_words=limit_words,
    )


def _tests(judgement: Judgement | None, name: str) -> list[Line]:
    return [] if judgement is None else judgement.tests_of(name)

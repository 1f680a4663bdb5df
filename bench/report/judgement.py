"""Holds what was decided about a run, in words: a page shows it and decides nothing."""

from __future__ import annotations

from typing import NamedTuple


class Line(NamedTuple):
    """One test of a metric against a baseline, in words fit for a terminal."""

    metric: str
    label: str
    statistic: str
    """`p50`, `p95` or `rate`: what of either run stands beside the test."""
    n: str
    baseline: str
    candidate: str
    effect: str
    detectable: str
    verdict: str
    reason: str


class LimitLine(NamedTuple):
    """One limit, in words fit for a terminal."""

    limit: str
    """The sentence as it was written."""
    n: str
    value: str
    interval: str
    verdict: str
    reason: str
    figure: str
    """What is limited: `Time to first audio, p95`."""
    bound: str
    """`< 900 ms`."""


class Judgement(NamedTuple):
    """A verdict and all rows that it rests on.

    `reasons` say what did not pass, or why a run cannot be judged; `baseline` is the name of the
    run that was compared with, None where there was none.
    """

    verdict: str
    sentence: str
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    baseline: str | None
    tests: tuple[Line, ...]
    limits: tuple[LimitLine, ...]
    meaning: str
    """What effect and detectable mean, for those who read tables of tests."""

    def tests_of(self, metric: str) -> list[Line]:
        """Those of one metric."""
        return [line for line in self.tests if line.metric == metric]

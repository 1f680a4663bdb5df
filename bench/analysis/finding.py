"""Turns what a gate found into one verdict per test and one of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

PASS = "PASS"  # noqa: S105 - a verdict
REGRESSION = "REGRESSION"
INCONCLUSIVE = "INCONCLUSIVE"
INVALID = "INVALID"
"""Decided outside, from the runs' own validity."""

SHIFT = "shift"
TAIL = "tail"
RATE = "rate"


@dataclass(frozen=True, slots=True)
class Finding:
    """One test of one metric, and all that its verdict rests on.

    `effect` with its bounds `low` and `high` (one-sided, each at the gate's confidence) is the
    change from baseline to candidate in the metric's own direction: on the `scale` `ratio` a
    share of the baseline (0.1: 10 % more), on `difference` in the metric's unit, for rates the
    difference of shares. Where there was too little to compare all three are None. `floor`,
    `tolerance` and `detectable` are sizes of a change for the worse on the same scale.
    `p_value` is adjusted for all tests of the gate. `baseline` and `candidate` are what a reader
    can look up: medians, 95th percentiles or rates; infinite if censored. `turns_needed` is of
    each run; None where nothing needs settling or turns cannot settle it: then `reason` says so.
    """

    metric: str
    statistic: str
    better: str
    scale: str
    verdict: str
    reason: str
    baseline: float | None
    candidate: float | None
    n_baseline: int
    n_candidate: int
    sessions: int
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    floor: float | None = None
    tolerance: float | None = None
    detectable: float | None = None
    turns_needed: int | None = None
    improved: bool = False
    """The whole interval lies on the better side of no change."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """The verdict of all tests; `turns_needed` is of each run, the largest any test asks for.

    `turns_needed` is None where there is nothing to settle or some test cannot be settled by
    turns.
    """

    verdict: str
    findings: tuple[Finding, ...]
    turns_needed: int | None
    confidence: float
    alpha: float
    confirmed: bool = False
    """A fresh run was asked whether it repeats the regressions."""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready but for infinite values, which stand for censored percentiles."""
        return asdict(self)


def weigh(
    findings: Sequence[Finding], *, confidence: float, alpha: float, confirmed: bool = False
) -> GateResult:
    """One regression makes a regression; without one, a pass needs every test to pass."""
    verdicts = {finding.verdict for finding in findings}
    open_ones = [finding for finding in findings if finding.verdict == INCONCLUSIVE]
    if REGRESSION in verdicts:
        verdict = REGRESSION
    elif open_ones or not findings:
        verdict = INCONCLUSIVE
    else:
        verdict = PASS
    settled = turns_to_settle([finding.turns_needed for finding in open_ones])
    return GateResult(verdict, tuple(findings), settled, confidence, alpha, confirmed)


def turns_to_settle(needed: Sequence[int | None]) -> int | None:
    """Turns that settle all that is open; None where nothing is, or turns cannot."""
    known = [turns for turns in needed if turns is not None]
    return max(known) if known and len(known) == len(needed) else None

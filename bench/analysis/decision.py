"""Turns findings of a gate, limits and the runs' own validity into one verdict and exit code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

from bench.analysis.finding import (
    INCONCLUSIVE,
    INVALID,
    PASS,
    REGRESSION,
    GateResult,
    turns_to_settle,
)
from bench.analysis.holding import BROKEN, LimitFinding

DECISION_VERSION = 1
"""Of what `to_json` gives."""

EXIT_CODES: Mapping[str, int] = {PASS: 0, REGRESSION: 1, BROKEN: 1, INVALID: 3, INCONCLUSIVE: 0}
EXIT_INCONCLUSIVE = 5
"""Under --strict."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done about a candidate, and all that it rests on.

    `invalid` says which run cannot be judged and why: then nothing else was looked at. `gate` is
    None where nothing was compared. `run_noise` has, by metric, what runs were taken to differ
    by themselves; `notes` what a reader should know beside it.
    """

    candidate: str
    baseline: str | None = None
    invalid: tuple[str, ...] = ()
    gate: GateResult | None = None
    limits: tuple[LimitFinding, ...] = ()
    notes: tuple[str, ...] = ()
    run_noise: Mapping[str, float] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """INVALID before anything else; what is bad before what is unknown."""
        if self.invalid:
            return INVALID
        gate = self.gate.verdict if self.gate is not None else PASS
        found = {gate, *(each.verdict for each in self.limits)}
        return next((v for v in (REGRESSION, BROKEN, INCONCLUSIVE) if v in found), PASS)

    @property
    def turns_needed(self) -> int | None:
        """Of each run, to settle all that is open; None where nothing is, or turns cannot."""
        needed: list[int | None] = [
            each.turns_needed for each in self.limits if each.verdict == INCONCLUSIVE
        ]
        if self.gate is not None and any(f.verdict == INCONCLUSIVE for f in self.gate.findings):
            needed.append(self.gate.turns_needed)
        return turns_to_settle(needed)

    def exit_code(self, *, strict: bool = False) -> int:
        """0 pass, 1 regression or limit broken, 3 invalid, 5 inconclusive if `strict`, else 0."""
        if strict and self.verdict == INCONCLUSIVE:
            return EXIT_INCONCLUSIVE
        return EXIT_CODES[self.verdict]

    def to_json(self, *, strict: bool = False) -> dict[str, Any]:
        """JSON-ready, as bench/README.md describes it: missing is null, infinite "inf"."""
        content: dict[str, Any] = {
            "schema_version": DECISION_VERSION,
            "verdict": self.verdict,
            "exit_code": self.exit_code(strict=strict),
            "turns_needed": self.turns_needed,
            "candidate": self.candidate,
            "baseline": self.baseline,
            "invalid": list(self.invalid),
            "notes": list(self.notes),
            "run_noise": dict(self.run_noise),
            "gate": None if self.gate is None else self.gate.to_json(),
            "limits": [_limit_json(each) for each in self.limits],
        }
        plain = _plain(content)
        assert isinstance(plain, dict)
        return plain


def _limit_json(found: LimitFinding) -> dict[str, Any]:
    limit = asdict(found.limit)
    limit["measure"] = found.limit.measure.name
    return {**asdict(found), "limit": limit}


def _plain(value: object) -> object:
    """Without what JSON has no word for: an infinite value is a percentile that never came."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    if isinstance(value, float) and not isfinite(value):
        return None if value != value else ("inf" if value > 0 else "-inf")  # noqa: PLR0124
    return value

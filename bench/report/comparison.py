"""Turns several runs into one comparison: each named by what sets it apart, in a telling order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.analysis.likeness import fields_apart
from bench.report.headlines import HEADLINES, Change, Figure, Headline, change, figure
from bench.report.judgement import LimitLine
from bench.report.wording import count

MOST_IN_LABEL = 3
"""Fields that a label may have; beyond that a run's own name says more."""

_LONGEST = 60


@dataclass(frozen=True, slots=True, eq=False)
class ComparedRun:
    """One run: run.json, summary.json and turns.parquet, the last two empty if unreadable.

    `invalid` says why its figures are not to be used. `limits` say what became of each limit.
    `label` and `settings`, by field, are given by `compare`.
    """

    folder: Path
    run: Mapping[str, Any]
    summary: Mapping[str, Any]
    turns: pd.DataFrame
    invalid: tuple[str, ...] = ()
    limits: tuple[LimitLine, ...] = ()
    label: str = ""
    settings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it was called when it was made."""
        return str(self.run.get("run_id") or self.folder.name)

    @property
    def why_invalid(self) -> str:
        """The first of the reasons, and how many more there are; empty of a valid run."""
        if not self.invalid:
            return ""
        more = len(self.invalid) - 1
        return self.invalid[0] + (f" (and {count(more, 'more reason')})" if more else "")

    def figure(self, headline: Headline) -> Figure:
        """One headline of it."""
        return figure(self.summary, headline)


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Runs in the order in which they are shown, one of which is what changes are told from.

    `fields` are those in which the runs differ, as `ComparedRun.settings` has them.
    """

    runs: tuple[ComparedRun, ...]
    reference: ComparedRun
    fields: tuple[str, ...]

    @property
    def headlines(self) -> list[Headline]:
        """Those that any of the runs has a value of."""
        return [
            each for each in HEADLINES if any(r.figure(each).value is not None for r in self.runs)
        ]

    def change(self, run: ComparedRun, headline: Headline) -> Change | None:
        """From the reference; None of the reference itself and of what is not known."""
        if run is self.reference:
            return None
        return change(run.figure(headline), self.reference.figure(headline))


def compare(runs: Sequence[ComparedRun]) -> Comparison:
    """Name and order runs; the first of them is the reference.

    They are ordered by the fields that are numbers in all of them, else as they come.
    """
    apart = fields_apart([each.run for each in runs])
    labels = _labels(runs, apart)
    named = [
        replace(
            each,
            label=label,
            settings=tuple(shown(values[place]) for values in apart.values()),
        )
        for place, (each, label) in enumerate(zip(runs, labels, strict=True))
    ]
    numeric = [values for values in apart.values() if all(map(_is_number, values))]
    order = sorted(range(len(named)), key=lambda place: tuple(values[place] for values in numeric))
    return Comparison(tuple(named[place] for place in order), named[0], tuple(apart))


def _labels(runs: Sequence[ComparedRun], apart: Mapping[str, Sequence[Any]]) -> list[str]:
    if not 0 < len(apart) <= MOST_IN_LABEL:
        labels = [each.name for each in runs]
    else:
        labels = [
            ", ".join(f"{field} = {shown(values[place])}" for field, values in apart.items())
            for place in range(len(runs))
        ]
    twice = {label for label, times in Counter(labels).items() if times > 1}
    return [
        f"{label} ({each.name})" if label in twice and label != each.name else label
        for label, each in zip(labels, runs, strict=True)
    ]


def shown(value: object) -> str:
    """A setting as a reader knows it."""
    if value in (None, "", []):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

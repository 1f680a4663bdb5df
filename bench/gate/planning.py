"""Turns a pilot run into the turns, minutes and dollars that finding a slowdown would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.analysis.measures import GATED
from bench.analysis.metrics import METRICS
from bench.analysis.pairing import RunTables, is_rate, noise_of, turns_per_minute
from bench.analysis.pilot import Need, Pilot, find_needs
from bench.gate.lines import STATISTICS
from bench.gate.reading import ReadRun
from bench.problem import Problem
from bench.report.wording import number

PLAN_VERSION = 1
_WIDTH = 80


@dataclass(frozen=True, slots=True)
class Effort:
    """What one test needs: `need` of either run, and both runs' minutes and dollars.

    Minutes are at the pilot's pace. None where no number of turns will do, or nothing is known.
    """

    need: Need
    minutes: float | None
    dollars: float | None


@dataclass(frozen=True, slots=True)
class Prospect:
    """One way of comparing, and what each of its tests would need."""

    title: str
    efforts: tuple[Effort, ...]


def parse_share(text: str) -> float:
    """The share that `10%` or `0.1` means.

    Raises:
        Problem: it is neither, or not between 0 and 1000 %.
    """
    digits = text.strip().removesuffix("%")
    try:
        share = float(digits) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        raise Problem(f"--detect {text!r}: is no share; write 10% or 0.1") from None
    if not 0 < share <= 10:
        raise Problem(f"--detect {text!r}: must lie above 0% and be at most 1000%")
    return share


def plan_efforts(
    pilot: ReadRun, history: Sequence[ReadRun], effect: float, names: Sequence[str] = GATED
) -> list[Prospect]:
    """Needs of interleaved blocks, and of a stored baseline with what runs differ by.

    Raises:
        Problem: the pilot has no values of any of `names`.
    """
    tables = pilot.tables
    rates = [name for name in names if is_rate(name)]
    values = [
        name
        for name in names
        if name not in rates and np.isfinite(tables.sample(name).known().values).any()
    ]
    if not values:
        raise Problem(f"{pilot.path}: has no values of {', '.join(names)}; nothing to plan with")
    noise = noise_of([run.tables for run in (pilot, *history)], values)
    tests = 2 * len(values) + len(rates)
    seen = f"seen on {len(history) + 1} runs" if history else "assumed: 1 % between runs"
    pilots = [
        Pilot.of(metric.name, tables.sample(metric.name), better=metric.better, unit=metric.unit)
        for metric in map(METRICS.__getitem__, values)
    ]
    prospects = []
    for title, known in (
        ("interleaved blocks (rtbench ab)", dict.fromkeys(values, 0.0)),
        (f"a stored baseline (noise {seen})", noise),
    ):
        needs = find_needs(pilots, effect, known, tests=tests)
        prospects.append(Prospect(title, tuple(_effort(pilot, need) for need in needs)))
    return prospects


def _effort(pilot: ReadRun, need: Need) -> Effort:
    if need.turns is None:
        return Effort(need, None, None)
    pace = turns_per_minute(pilot.tables, float(pilot.summary.get("duration_s") or 0), need.metric)
    cost = _dollars_per_turn(pilot.tables)
    return Effort(
        need,
        None if pace is None else 2 * need.turns / pace,
        None if cost is None else 2 * need.turns * cost,
    )


def _dollars_per_turn(tables: RunTables) -> float | None:
    """By whichever metric of turns is in dollars; cold turns cost as much and are not counted."""
    for name, metric in METRICS.items():
        if metric.unit in {"$", "USD"} and metric.scope == "turn":
            known = tables.sample(name).known().values
            if len(known):
                return float(np.mean(known[np.isfinite(known)]))
    return None


def plan_json(effect: float, prospects: Sequence[Prospect]) -> dict[str, Any]:
    """As `rtbench plan --json` writes it; turns and sessions are of each run."""
    ways = [
        {
            "title": prospect.title,
            "efforts": [
                asdict(effort.need) | {"minutes": effort.minutes, "dollars": effort.dollars}
                for effort in prospect.efforts
            ],
        }
        for prospect in prospects
    ]
    return {"schema_version": PLAN_VERSION, "detect": effect, "ways": ways}


def print_plan(
    pilot: ReadRun, effect: float, prospects: Sequence[Prospect], console: Console | None = None
) -> None:
    """A table per way of comparing, in 80 columns."""
    console = console or Console(highlight=False)
    width = min(console.width, _WIDTH)
    users = (pilot.run.get("options") or {}).get("num_users")
    console.print(
        Text(
            f"To find a slowdown by {100 * effect:g}% 95 times in 100. Turns and sessions are of "
            f"each run; minutes and dollars of both, at the pilot's pace with {users} users."
        ),
        width=width,
    )
    for prospect in prospects:
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
        for place, heading in enumerate(("Metric", "of", "turns", "sessions", "minutes", "$")):
            table.add_column(heading, justify="left" if place < 2 else "right", no_wrap=True)
        for effort in prospect.efforts:
            need = effort.need
            cells = [
                number(value, plain=True)
                for value in (need.turns, need.sessions, effort.minutes, effort.dollars)
            ]
            table.add_row(need.metric, STATISTICS[need.statistic], *cells)
        console.print()
        console.print(Text(f"By {prospect.title}:", style="bold"), width=width)
        console.print(table, width=width)
        reasons = sorted({e.need.reason for e in prospect.efforts if e.need.reason})
        for reason in reasons:
            console.print(Text(f"  -: {reason}", style="dim"), width=width)

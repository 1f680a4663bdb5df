"""Turns the figures of a run under way into a line for a log or a table for a terminal."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from bench.analysis.budget import Spent
from bench.analysis.estimate import dollars

WIDTH = 80
ERRORS_SHOWN = 4
CLASS_LENGTH = 40

_QUOTED = re.compile(r"\w+\((['\"])(.*)\1,?\)", re.DOTALL)
"""What `repr` makes of an exception with one message, as Locust's workers tell of theirs."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands. Missing is None.

    `ttfa_ms` has histograms of turns by whole milliseconds, to be added up, `errors` failures by
    class. It is for the eye: reports are made from the record.
    """

    target: str = ""
    elapsed_s: float = 0.0
    run_time_s: float | None = None
    users: int = 0
    sessions: int | None = None
    turns: int = 0
    failed: int = 0
    ttfa_ms: Sequence[Mapping[int, int]] = ()
    lateness_p99_ms: float | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    spent: Spent | None = None
    max_usd: float | None = None


def progress_line(progress: Progress) -> str:
    """One line of at most 80 columns at usual magnitudes, but for the dollars at its end."""
    p50, p95 = percentiles(merged(progress.ttfa_ms), (0.5, 0.95))
    line = (
        f"{progress.elapsed_s:4.0f} s  users {progress.users}"
        f"  turns {progress.turns}  failed {progress.failed}"
        f"  ttfa p50 {_shown(p50)} p95 {_shown(p95)}"
        f"  late {_shown(progress.lateness_p99_ms, 1)} ms"
    )
    return line if progress.spent is None else f"{line}  {_spent(progress)}"


def progress_table(progress: Progress, width: int = WIDTH) -> list[str]:
    """Lines of a table, with escape codes for a terminal where the environment allows them."""
    console = Console(
        file=io.StringIO(), width=min(width, WIDTH), force_terminal=True, highlight=False
    )
    with console.capture() as capture:
        console.print(Group(_heading(progress), _figures(progress), *_errors(progress)))
    return capture.get().splitlines()


def _heading(progress: Progress) -> Table:
    grid = Table.grid(expand=True)
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, justify="right")
    elapsed = f"{progress.elapsed_s:.0f} s"
    if progress.run_time_s is not None:
        left_s = max(progress.run_time_s - progress.elapsed_s, 0.0)
        elapsed += f" of {progress.run_time_s:.0f} s, {left_s:.0f} s left"
    grid.add_row(Text(progress.target, style="bold"), elapsed)
    return grid


def _figures(progress: Progress) -> Table:
    p50, p95 = percentiles(merged(progress.ttfa_ms), (0.5, 0.95))
    cells = {
        "sessions": _shown(progress.sessions),
        "turns": str(progress.turns),
        "failed": str(progress.failed),
        "ttfa p50": _shown(p50, unit=" ms"),
        "ttfa p95": _shown(p95, unit=" ms"),
        "late p99": _shown(progress.lateness_p99_ms, 1, unit=" ms"),
    }
    if progress.spent is not None:
        cells["spent"] = _spent(progress)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=True)
    for name in cells:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_row(*cells.values())
    return table


def _errors(progress: Progress) -> list[Text]:
    counted = Counter(progress.errors).most_common()
    if not counted:
        return []
    told = [f"{name} {count}" for name, count in counted[:ERRORS_SHOWN]]
    if len(counted) > ERRORS_SHOWN:
        told.append(f"{len(counted) - ERRORS_SHOWN} more kinds")
    return [Text(f"errors: {', '.join(told)}", no_wrap=True, overflow="ellipsis")]


def _spent(progress: Progress) -> str:
    assert progress.spent is not None
    spent = dollars(progress.spent.usd)
    return spent if progress.max_usd is None else f"{spent} of {dollars(progress.max_usd)}"


def error_classes(failures: Iterable[tuple[object, int]]) -> dict[str, int]:
    """Failures by class, from what Locust keeps of each: an exception or its `repr`, and a count.

    A turn's class is its outcome, which its message begins with; of others it is the message.
    """
    counts: Counter[str] = Counter()
    for error, count in failures:
        text = error if isinstance(error, str) else repr(error)
        quoted = _QUOTED.fullmatch(text)
        message = quoted[2] if quoted else text
        counts[message.partition(":")[0][:CLASS_LENGTH]] += count
    return dict(counts)


def percentiles(counts: Mapping[int, int], shares: Sequence[float]) -> list[int | None]:
    """Nearest ranks over a histogram, for shares in rising order; None of nothing."""
    total = sum(counts.values())
    found: list[int | None] = []
    seen = 0
    for value in sorted(counts):
        seen += counts[value]
        while len(found) < len(shares) and seen >= shares[len(found)] * total:
            found.append(value)
    return found + [None] * (len(shares) - len(found))


def merged(histograms: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Histograms added up."""
    counts: Counter[int] = Counter()
    for histogram in histograms:
        counts.update(histogram)
    return dict(counts)


def _shown(value: float | None, digits: int = 0, unit: str = "") -> str:
    return "-" if value is None else f"{value:.{digits}f}{unit}"

"""How numbers, units and strings from outside are written for people."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.statistics import ENOUGH

NARROW_SPACE = "\u202f"
MINUS = "\u2212"
ABSENT = "\u2013"


class MetricWords(NamedTuple):
    """What a reader is told of a metric; bare for one this version does not know."""

    name: str
    label: str
    unit: str
    better: str
    meaning: str
    source: str


class OutcomeWords(NamedTuple):
    """What a reader is told of an outcome; bare for one this version does not know."""

    name: str
    meaning: str
    look_at: str
    failed: bool


def metric_words(name: str) -> MetricWords:
    """Label, unit, meaning and source of the metric called `name`."""
    metric = METRICS.get(name)
    if metric is None:
        unit = "ms" if name.endswith("_ms") else ""
        return MetricWords(name, name, unit, "", "Not known to this version of rtbench.", "")
    return MetricWords(
        name, metric.label, metric.unit, metric.better, metric.meaning, metric.source
    )


def outcome_words(name: str) -> OutcomeWords:
    """Meaning of the outcome called `name`, and what to look at when there are some."""
    outcome = OUTCOMES.get(name)
    if outcome is None:
        return OutcomeWords(name, "Not known to this version of rtbench.", "", failed=True)
    return OutcomeWords(name, outcome.meaning, outcome.look_at, outcome.failed)


def failed_outcome(name: object) -> bool:
    """Whether a turn that came to this got no whole reply, by the target's doing."""
    return outcome_words(str(name)).failed


def in_table_order(names: Iterable[str]) -> list[str]:
    """Metric names in the order tables show them, unknown ones last by name."""
    order = {name: index for index, name in enumerate(METRICS)}
    return sorted(names, key=lambda name: (order.get(name, len(order)), name))


def in_outcome_order(outcomes: Mapping[str, int]) -> list[tuple[OutcomeWords, int]]:
    """Each outcome that turns came to, and how many did; unknown ones last."""
    order = {name: index for index, name in enumerate(OUTCOMES)}
    names = sorted(outcomes, key=lambda name: (order.get(name, len(order)), name))
    return [(outcome_words(name), outcomes[name]) for name in names if outcomes[name]]


def number(value: float | None, *, plain: bool = False) -> str:
    """A number with three significant digits or more, thousands set apart.

    `plain` keeps to ASCII, for a terminal.
    """
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-" if plain else ABSENT
    size = abs(value)
    if isinstance(value, int) or float(value) == 0 or size >= 99.95:
        text = f"{size:,.0f}"
    elif size >= 9.995:
        text = f"{size:,.1f}"
    elif size >= 0.0995:
        text = f"{size:.2f}"
    else:
        text = f"{size:.3f}" if size >= 0.0005 else f"{size:.1g}"
    text = text.replace(",", " " if plain else NARROW_SPACE)
    sign = ("-" if plain else MINUS) if value < 0 else ""
    return sign + text


def quantity(value: float | None, unit: str = "ms", *, plain: bool = False) -> str:
    """A number and its unit, held together."""
    text = number(value, plain=plain)
    if not unit or value is None:
        return text
    return f"{text}{' ' if plain else NARROW_SPACE}{unit}"


def instant(value_ms: float) -> str:
    """Milliseconds from the end of speech, always with a sign."""
    sign = "+" if round(value_ms) > 0 else ""
    return f"{sign}{number(round(value_ms))}{NARROW_SPACE}ms"


def share(part: int, whole: int, *, plain: bool = False) -> str:
    """`part` of `whole` as a percentage."""
    if not whole:
        return "-" if plain else ABSENT
    return f"{100 * part / whole:.1f}{' ' if plain else NARROW_SPACE}%"


def percentile(distribution: dict[str, Any], which: str, *, plain: bool = False) -> str:
    """A percentile's number; `> 10 000` when its rank falls on a censored value."""
    entry = distribution.get(which) or {}
    text = number(entry.get("value"), plain=plain)
    gap = " " if plain else NARROW_SPACE
    return f">{gap}{text}" if entry.get("censored") and entry.get("value") is not None else text


def too_few(distribution: dict[str, Any], which: str) -> str:
    """`N < 200` when a percentile rests on too few values, else empty."""
    entry = distribution.get(which) or {}
    if entry.get("value") is None or entry.get("enough", True):
        return ""
    return f"N < {number(ENOUGH[int(which[1:])])}"


def interval(ends: dict[str, Any] | None, *, plain: bool = False) -> str:
    """Both ends of an interval of summary.json; empty where there is none."""
    if not ends or ends["low"] is None or ends["high"] is None:
        return ""
    gap = " " if plain else NARROW_SPACE
    low, high = (
        f">{gap}{number(ends[end], plain=plain)}"
        if ends[f"{end}_censored"]
        else number(ends[end], plain=plain)
        for end in ("low", "high")
    )
    return f"{low} to {high}" if plain else f"{low} {ABSENT} {high}"


def typeset(text: str) -> str:
    """Words and numbers made for a terminal, with the minus and the dash of a page."""
    if text == "-":
        return ABSENT
    text = re.sub(r"(?<=\d)-(?=\d)", ABSENT, text)
    return re.sub(r"(?<![\w.])-(?=\d|never)", MINUS, text)


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """`1 turn`, `2 turns`."""
    return f"{number(amount)} {singular if amount == 1 else plural or singular + 's'}"


def printable(text: object) -> str:
    """A string from outside with control and unpaired characters made visible."""
    return "".join(
        character
        if character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs", "Cf"}
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in str(text)
    )

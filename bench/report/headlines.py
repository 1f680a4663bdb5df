"""Turns a summary into its headline figures, each with an interval, and into their changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bench.report.wording import ABSENT, metric_words, number, quantity

RATE = "rate"


class Headline(NamedTuple):
    """A figure that runs are compared by: a percentile of a metric, or a rate."""

    metric: str
    statistic: str
    """`p50`, `p95` or `rate`."""

    @property
    def label(self) -> str:
        """As a heading has it."""
        words = metric_words(self.metric)
        return words.label if self.statistic == RATE else f"{words.label}, {self.statistic}"

    @property
    def unit(self) -> str:
        """Of its numbers; rates are shown as percentages."""
        return "%" if self.statistic == RATE else metric_words(self.metric).unit


HEADLINES = (
    Headline("ttfa_ms", "p50"),
    Headline("ttfa_ms", "p95"),
    Headline("voice_to_voice_ms", "p50"),
    Headline("voice_to_voice_ms", "p95"),
    Headline("endpointing_delay_ms", "p50"),
    Headline("response_latency_ms", "p50"),
    Headline("cut_off", RATE),
    Headline("failed", RATE),
)


class Figure(NamedTuple):
    """One number of one run; everything is None or 0 where the run does not have it.

    In the metric's unit, rates in percent. Read `value` and the ends as "more than" where they
    are censored; not `enough`: it rests on too few values to lean on.
    """

    value: float | None = None
    n: int = 0
    low: float | None = None
    high: float | None = None
    is_censored: bool = False
    high_censored: bool = False
    enough: bool = True

    def words(self, *, plain: bool = False) -> str:
        """The number, `> 900` where it is only known to be more."""
        text = number(self.value, plain=plain)
        return f"> {text}" if self.is_censored and self.value is not None else text

    def interval_words(self, *, plain: bool = False) -> str:
        """Both ends, empty where there is no interval to lean on."""
        if self.low is None or self.high is None or not self.enough:
            return ""
        low, high = (number(end, plain=plain) for end in (self.low, self.high))
        to = " to " if plain else f" {ABSENT} "
        return f"{low}{to}{'> ' if self.high_censored else ''}{high}"


def figure(summary: Mapping[str, Any], headline: Headline) -> Figure:
    """What a summary.json says of one headline."""
    name, statistic = headline
    if statistic == RATE:
        rate = (summary.get("rates") or {}).get(name)
        if not rate or rate["value"] is None:
            return Figure()
        value, low, high = (100 * rate[key] for key in ("value", "low", "high"))
        return Figure(value, rate["n"], low, high)
    spread = (summary.get("metrics") or {}).get(name)
    if not spread or spread[statistic]["value"] is None:
        return Figure()
    percentile = spread[statistic]
    ends = ((summary.get("intervals") or {}).get(name) or {}).get(statistic) or {}
    return Figure(
        percentile["value"],
        spread["n"],
        ends.get("low"),
        ends.get("high"),
        percentile["censored"],
        bool(ends.get("high_censored")),
        percentile["enough"],
    )


class Change(NamedTuple):
    """By how much a figure differs from another; `is_clear` when their intervals lie apart."""

    size: float
    is_clear: bool

    def words(self, unit: str, *, plain: bool = False) -> str:
        """`+12 ms`, with `~` before it where it may be chance."""
        about = "" if self.is_clear else ("~" if plain else "≈ ")
        sign = "+" if self.size > 0 else ""
        points = "points" if unit == "%" else unit
        return f"{about}{sign}{quantity(self.size, points, plain=plain)}"


def change(found: Figure, reference: Figure) -> Change | None:
    """From `reference` to `found`; None where one of them is not known as a number."""
    if found.value is None or reference.value is None:
        return None
    if found.is_censored or reference.is_censored:
        return None
    return Change(found.value - reference.value, _lie_apart(found, reference))


def _lie_apart(one: Figure, other: Figure) -> bool:
    """Whether both have intervals to lean on, and those have nothing in common."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.enough and other.enough and (one.low > other.high or one.high < other.low)

"""Turns a number, a median with its 95th percentile, or a range into delays drawn at random."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist

from bench.problem import Problem, suggest
from bench.server.profiles.reading import (
    check_range,
    read_number,
    read_settings,
    show,
    within,
)

# Standard normal deviations: where 95 % of draws lie below, and beyond which none lies.
P95_DEVIATIONS = NormalDist().inv_cdf(0.95)
_FARTHEST_DEVIATIONS = 3.0
_WIDEST = 100.0

_NORMAL = NormalDist()

_KINDS = ("ms", "median", "p95", "low", "high", "tail")
_FORMS = "a number of ms, {median, p95}, {low, high} or {ms}, each with or without tail"


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Delays in milliseconds spread as those of services are: a bulk, and some far longer.

    Raises:
        Problem: the median is not above 0, or p95 is below it.
    """

    median: float
    p95: float

    def __post_init__(self) -> None:
        check_range("median", self.median, 0)
        if not self.median:
            raise Problem("median 0.0 leaves nothing to spread around; give more, or the number 0")
        check_range("p95", self.p95, 0)
        if self.p95 < self.median:
            raise Problem(f"p95 {self.p95!r} is below the median {self.median!r}; give more")
        if self.p95 > _WIDEST * self.median:
            raise Problem(
                f"p95 {self.p95!r} is over {_WIDEST:g} times the median {self.median!r}; "
                "give less, and a tail"
            )

    def at(self, quantile: float) -> float:
        """The delay that a share `quantile` of delays stays below; none beyond 3 deviations."""
        # The distribution has no place for 0, which lies beyond all that is drawn.
        place = _NORMAL.inv_cdf(quantile) if quantile else -_FARTHEST_DEVIATIONS
        place = min(max(place, -_FARTHEST_DEVIATIONS), _FARTHEST_DEVIATIONS)
        return self.median * math.exp(math.log(self.p95 / self.median) / P95_DEVIATIONS * place)


@dataclass(frozen=True, slots=True)
class Uniform:
    """Delays in milliseconds, each between `low` and `high` as likely as any other.

    Raises:
        Problem: one is negative, or `high` is below `low`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check_range("low", self.low, 0)
        check_range("high", self.high, 0)
        if self.high < self.low:
            raise Problem(f"high {self.high!r} is below low {self.low!r}; give more")

    def at(self, quantile: float) -> float:
        """The delay that a share `quantile` of delays stays below."""
        return self.low + quantile * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class Tail:
    """A `share` (0 to 1) of delays that take `times` as long, and `add_ms` more.

    Raises:
        Problem: a number is out of its range, or the tail changes nothing.
    """

    share: float
    times: float = 1.0
    add_ms: float = 0.0

    def __post_init__(self) -> None:
        check_range("share", self.share, 0, 1)
        check_range("times", self.times, 1)
        check_range("add_ms", self.add_ms, 0)
        if self.times == 1 and not self.add_ms:
            raise Problem("times 1 without add_ms changes nothing; give one of them more")


@dataclass(frozen=True, slots=True)
class Delay:
    """A delay: milliseconds that never vary, or a spread of them; some longer if it has a tail.

    Raises:
        Problem: the milliseconds are negative or not finite.
    """

    body: float | LogNormal | Uniform
    tail: Tail | None = None

    def __post_init__(self) -> None:
        if isinstance(self.body, int | float):
            check_range("ms", self.body, 0)

    @property
    def constant_ms(self) -> float | None:
        """The delay if it never varies, so that nothing need be drawn; else None."""
        body = self.body
        return body if self.tail is None and isinstance(body, int | float) else None

    def draw(self, rng: random.Random) -> float:
        """One delay in milliseconds.

        It takes two numbers, whatever the delay is: how far along its body it lies, and whether
        it is of the tail. So one stream draws as slow a turn, for its kind, from any delay.
        """
        body, quantile, fate = self.body, rng.random(), rng.random()
        delay_ms = body.at(quantile) if isinstance(body, LogNormal | Uniform) else body
        if self.tail is not None and fate < self.tail.share:
            return delay_ms * self.tail.times + self.tail.add_ms
        return delay_ms


def parse_delay(value: object, place: str) -> Delay:
    """The delay that stands at the key path `place`, such as "delays.reply".

    A number, or a table {median, p95}, {low, high} or {ms}; a table may have a tail
    {share, times, add_ms}. All but share and times are milliseconds.

    Raises:
        Problem: it is none of these, or a number is out of its range.
    """
    if not isinstance(value, Mapping):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Problem(f"{place} {show(value)} is no delay; give {_FORMS}")
        number = read_number(value, place)
        check_range(place, number, 0)
        return Delay(number)
    for key in value:
        if key not in _KINDS:
            raise Problem(f"{place}.{key} is no known key; {suggest(str(key), _KINDS)}")
    tail = None
    if "tail" in value:
        readers = {"share": read_number, "times": read_number, "add_ms": read_number}
        tail = read_settings(Tail, value["tail"], f"{place}.tail", readers)
    return Delay(_parse_body(value, place), tail)


def _parse_body(value: Mapping[str, object], place: str) -> float | LogNormal | Uniform:
    numbers = {key: read_number(value[key], f"{place}.{key}") for key in value if key != "tail"}
    keys = set(numbers)
    with within(place):
        if keys == {"median", "p95"}:
            return LogNormal(**numbers)
        if keys == {"low", "high"}:
            return Uniform(**numbers)
        if keys == {"ms"}:
            check_range("ms", numbers["ms"], 0)
            return numbers["ms"]
    raise Problem(f"{place} {show(value)} is no delay; give {_FORMS}")

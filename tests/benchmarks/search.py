"""Turns tries that may fail by bad luck, but never hold by good, into the level that holds. Pure.

Other processes on the machine can spoil a try; none can help one. So one success counts while
the level is being bracketed, two failures make a failure, and the level reported must hold twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

STEP = 1.05
"""Neighbouring levels lie this far apart."""
_FIRST_STRIDE = 2


class _OutOfTries(Exception):  # noqa: N818 - not an error: the bound was reached
    """The bound was reached."""


@dataclass(slots=True)
class Found:
    """The largest level that held, None if none did; `settled` unless tries ran out before."""

    level: int | None
    settled: bool
    tries: list[tuple[int, bool]] = field(default_factory=list)
    """Each level tried, and whether it held, in order."""


class _Ladder:
    """Levels `guess * STEP ** rung`, what was tried on each, and how many tries are left."""

    def __init__(self, holds: Callable[[int], bool], guess: int, most_tries: int) -> None:
        self.tries: list[tuple[int, bool]] = []
        self._holds = holds
        self._guess = guess
        self._most_tries = most_tries
        self._known: dict[int, list[bool]] = {}

    def level(self, rung: int) -> int:
        return max(round(self._guess * STEP**rung), 1)

    def holds(self, rung: int, times: int = 1) -> bool:
        """Whether the level held so many times before it failed twice."""
        level = self.level(rung)
        known = self._known.setdefault(level, [])
        while known.count(True) < times and known.count(False) < 2:
            if len(self.tries) == self._most_tries:
                raise _OutOfTries
            known.append(self._holds(level))
            self.tries.append((level, known[-1]))
        return known.count(True) >= times

    def surest(self) -> int | None:
        """The highest level that held as often as it failed, or more often."""
        levels = [k for k, known in self._known.items() if known and sum(known) * 2 >= len(known)]
        return max(levels, default=None)


def largest_level(holds: Callable[[int], bool], guess: int, *, most_tries: int = 20) -> Found:
    """Bracket from `guess`, bisect to one step, then go down until a level holds twice."""
    ladder = _Ladder(holds, guess, most_tries)
    try:
        rung = _bisect(ladder, *_bracket(ladder))
        while ladder.level(rung) > 1 and not ladder.holds(rung, times=2):
            rung -= 1
        found = ladder.level(rung) if ladder.holds(rung, times=2) else None
        return Found(found, True, ladder.tries)
    except _OutOfTries:
        return Found(ladder.surest(), False, ladder.tries)


def _bracket(ladder: _Ladder) -> tuple[int, int]:
    """A rung that holds (or the lowest there is) and one above that does not."""
    rung, stride = 0, _FIRST_STRIDE
    if ladder.holds(0):
        while ladder.holds(rung + stride):
            rung += stride
            stride *= 2
        return rung, rung + stride
    while ladder.level(rung) > 1 and not ladder.holds(rung - stride):
        rung -= stride
        stride *= 2
    return rung - stride, rung


def _bisect(ladder: _Ladder, low: int, high: int) -> int:
    """The highest rung that holds, between one that does and one that does not."""
    while high - low > 1:
        middle = (low + high) // 2
        if ladder.holds(middle):
            low = middle
        else:
            high = middle
    return low

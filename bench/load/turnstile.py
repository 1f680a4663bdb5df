"""Decides who of those that wait may go, and when: in order, spread, not when it disturbs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

HOLD_STEP_S = 0.002
"""How soon to look again whether those who must not be disturbed have caught up."""

_HASTE = 0.9
"""Of the time in which as many came: at a steady rate, a queue is worked off again."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a turnstile lets go.

    As many as came within `spread_s` go within nearly as long, evenly, but no closer than
    `least_gap_s` and no wider than `most_gap_s`; who has waited longer goes as soon as may be.
    At most `places` are under way; one that takes longer than `place_s` waits for others, not
    for us, and counts no more. The next is held up for at most `patience_s` for the sake of
    those behind schedule.
    """

    spread_s: float
    least_gap_s: float
    most_gap_s: float
    places: int
    place_s: float
    patience_s: float


@dataclass(slots=True, eq=False)
class Waiter:
    """One who came, and may have gone."""

    came_s: float
    went_s: float | None = None


class Look(NamedTuple):
    """Who may go now, if anyone; else when to look again, None while nobody waits."""

    waiter: Waiter | None
    again_s: float | None


class Turnstile:
    """A queue whose head goes when it is time; instants are seconds of one clock.

    Nobody waits forever: the head goes within `most_gap_s + place_s + patience_s` of the one
    before it, whatever becomes of those under way.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._waiting: dict[Waiter, None] = {}
        self._came_s: deque[float] = deque()
        self._under_way: dict[Waiter, float] = {}
        self._went_s: float | None = None
        self._held_since_s: float | None = None

    def come(self, now_s: float) -> Waiter:
        """Queue up."""
        waiter = Waiter(now_s)
        self._waiting[waiter] = None
        self._came_s.append(now_s)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Be through, or give up waiting: whoever comes next moves up."""
        self._waiting.pop(waiter, None)
        self._under_way.pop(waiter, None)

    def look(self, now_s: float, *, behind: bool) -> Look:
        """Let the head go if it is time; `behind` says that it would disturb."""
        if not self._waiting:
            return Look(None, None)
        ready_s = self._ready_s(now_s)
        if now_s < ready_s:
            return Look(None, ready_s)
        if behind:
            if self._held_since_s is None:
                self._held_since_s = now_s
            until_s = self._held_since_s + self._pace.patience_s
            if now_s < until_s:
                return Look(None, min(now_s + HOLD_STEP_S, until_s))
        self._held_since_s = None
        head = next(iter(self._waiting))
        del self._waiting[head]
        head.went_s = self._went_s = self._under_way[head] = now_s
        return Look(head, None)

    def _ready_s(self, now_s: float) -> float:
        pace, ready_s = self._pace, now_s
        while self._came_s and self._came_s[0] <= now_s - pace.spread_s:
            self._came_s.popleft()
        if self._went_s is not None:
            gap_s = pace.least_gap_s
            if now_s - next(iter(self._waiting)).came_s < pace.spread_s:
                due = max(len(self._came_s), len(self._waiting))
                gap_s = max(gap_s, pace.spread_s * _HASTE / due)
            ready_s = self._went_s + min(gap_s, pace.most_gap_s)
        while self._under_way:
            oldest = next(iter(self._under_way))
            free_s = self._under_way[oldest] + pace.place_s
            if free_s > now_s:
                break
            del self._under_way[oldest]
        if len(self._under_way) >= pace.places:
            ready_s = max(ready_s, free_s)
        return ready_s

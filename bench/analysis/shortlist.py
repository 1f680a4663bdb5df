"""Turns a stream of judged turns into the few of each class that are worth hearing again.

While a run lasts nobody knows which turns will turn out the slowest or in the middle, so each
worker keeps those that are so far; `choose` takes the final ones from what all workers kept.
Every turn draws a ticket, and the highest tickets of a class are a random choice of it: no
matter how many workers drew them, and in which order.
"""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from bench.analysis.metrics import METRICS
from bench.analysis.turn import MEASURED, Turn

T = TypeVar("T")

WORST, MEDIAN, RANDOM = "worst", "median", "random"
"""Classes of measured turns that went well, by ttfa_ms. All others are named by what is not
usual about them: the outcome, or else the class of turn."""

_SAMPLE = 1001
"""Latencies from which the median so far is told, to within some two percent of the ranks."""


def class_of(turn: Turn) -> str | None:
    """The class a turn is heard for: RANDOM stands for all three by latency.

    None for one that the run's end cut short: there is nothing to learn from it.
    """
    if turn.outcome == "stopped":
        return None
    if turn.outcome != "ok":
        return turn.outcome
    return RANDOM if turn.turn_class == MEASURED else turn.turn_class


class Candidate(NamedTuple, Generic[T]):
    """A turn that may be chosen, and what is kept of it."""

    turn_class: str
    """As class_of has it."""
    ttfa_ms: float | None
    ticket: float
    kept: T

    @classmethod
    def of(cls, turn: Turn, ticket: float, kept: T) -> Candidate[T] | None:
        """The candidate that a turn is; None for one that has no class."""
        turn_class = class_of(turn)
        if turn_class is None:
            return None
        return cls(turn_class, METRICS["ttfa_ms"].measure(turn), ticket, kept)


class Shortlist(Generic[T]):
    """At most `count` candidates of each class, so far.

    `draw` gives random numbers in [0, 1).
    """

    def __init__(self, count: int, draw: Callable[[], float]) -> None:
        self._count = count
        self._draw = draw
        self._classes: dict[str, list[Candidate[T]]] = {}
        self._seen = 0
        self._sample: list[float] = []  # sorted

    def __iter__(self) -> Iterator[Candidate[T]]:
        for candidates in self._classes.values():
            yield from candidates

    @property
    def median_ms(self) -> float | None:
        """About the median of all ttfa_ms noted so far."""
        return self._sample[len(self._sample) // 2] if self._sample else None

    def wants(self, ttfa_ms: float, ticket: float) -> bool:
        """Whether a measured turn would be kept, should it go well."""
        return self._would_keep(RANDOM, ttfa_ms, ticket)

    def would_keep(self, candidate: Candidate[T]) -> bool:
        """Whether `offer` would keep it."""
        return self._would_keep(candidate.turn_class, candidate.ttfa_ms, candidate.ticket)

    def _would_keep(self, turn_class: str, ttfa_ms: float | None, ticket: float) -> bool:
        if self._enters(turn_class, ticket, _ticket):
            return True
        if turn_class != RANDOM or ttfa_ms is None:
            return False
        distance = _distance(self.median_ms)
        nearness = -distance(ttfa_ms)
        return self._enters(WORST, ttfa_ms, _latency) or self._enters(
            MEDIAN, nearness, _nearness(distance)
        )

    def _enters(self, name: str, value: float, rank: Callable[[Candidate[T]], float]) -> bool:
        kept = self._classes.get(name, [])
        return len(kept) < self._count or value > min(map(rank, kept))

    def offer(self, candidate: Candidate[T]) -> T | None:
        """Take in a candidate; what is not kept any more, which may be the candidate's own."""
        out: Candidate[T] | None = candidate
        if candidate.turn_class == RANDOM and candidate.ttfa_ms is not None:
            out = self._push(WORST, candidate, _latency)
            if out is not None:
                out = self._push(MEDIAN, out, _nearness(_distance(self.median_ms)))
        if out is not None:
            out = self._push(out.turn_class, out, _ticket)
        return None if out is None else out.kept

    def note(self, candidate: Candidate[T]) -> None:
        """Let a turn count for the median, kept or not; each with the same chance."""
        if candidate.turn_class != RANDOM or candidate.ttfa_ms is None:
            return
        self._seen += 1
        if len(self._sample) == _SAMPLE:
            if self._draw() * self._seen >= _SAMPLE:
                return
            del self._sample[int(self._draw() * _SAMPLE)]
        bisect.insort(self._sample, candidate.ttfa_ms)

    def _push(
        self, name: str, candidate: Candidate[T], rank: Callable[[Candidate[T]], float]
    ) -> Candidate[T] | None:
        """Add to a class; the one of lowest rank where there are too many."""
        kept = self._classes.setdefault(name, [])
        kept.append(candidate)
        if len(kept) <= self._count:
            return None
        return kept.pop(min(range(len(kept)), key=lambda place: rank(kept[place])))


class Chosen(NamedTuple, Generic[T]):
    """A turn that was chosen: the how-maniest of which class."""

    turn_class: str
    rank: int
    """From 1 on."""
    kept: T


def choose(
    candidates: Iterable[Candidate[T]], latencies_ms: Sequence[float], count: int
) -> list[Chosen[T]]:
    """`count` of each class, no candidate twice; `latencies_ms` are of all measured turns.

    The worst is the first of its class, and the nearest to the median of its own.
    """
    left: dict[str, list[Candidate[T]]] = {}
    for candidate in candidates:
        left.setdefault(candidate.turn_class, []).append(candidate)
    chosen: list[Chosen[T]] = []

    def take(name: str, source: str, rank: Callable[[Candidate[T]], float]) -> None:
        pool = sorted(left.get(source, []), key=rank, reverse=True)
        left[source] = pool[count:]
        chosen.extend(
            Chosen(name, place, candidate.kept)
            for place, candidate in enumerate(pool[:count], start=1)
        )

    timed = [candidate for candidate in left.get(RANDOM, []) if candidate.ttfa_ms is not None]
    silent = [candidate for candidate in left.get(RANDOM, []) if candidate.ttfa_ms is None]
    left[RANDOM] = timed
    median_ms = statistics.median_low(latencies_ms) if latencies_ms else None
    take(WORST, RANDOM, _latency)
    take(MEDIAN, RANDOM, _nearness(_distance(median_ms)))
    left[RANDOM] += silent
    for name in sorted(left, key=lambda name: (name != RANDOM, name)):
        take(name, name, _ticket)
    return chosen


def _latency(candidate: Candidate[T]) -> float:
    assert candidate.ttfa_ms is not None
    return candidate.ttfa_ms


def _ticket(candidate: Candidate[T]) -> float:
    return candidate.ticket


def _nearness(distance: Callable[[float], float]) -> Callable[[Candidate[T]], float]:
    return lambda candidate: -distance(_latency(candidate))


def _distance(median_ms: float | None) -> Callable[[float], float]:
    return lambda value_ms: 0.0 if median_ms is None else abs(value_ms - median_ms)

"""Turns a few clips into what each caller says one after the other, callers out of step. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, cycle, islice


class Rounds:
    """Clips to be said over and over: `clips = iter(rounds)` once for each caller.

    Every caller begins one clip later than the one before, so that even a short run has all of
    them, and the same ones when it is run again.
    """

    def __init__(self, *clips: str) -> None:
        self._clips = clips
        self._starts = count()

    def __iter__(self) -> Iterator[str]:
        start = next(self._starts) % len(self._clips)
        return islice(cycle(self._clips), start, None)

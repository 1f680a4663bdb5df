"""Turns the index of an audio delta into how long after the first one it is due."""

from __future__ import annotations

import random
from collections.abc import Callable

from bench.server.profiles.delay import Delay


class Pace:
    """The due offsets of one reply's deltas, in milliseconds after the first; they never fall.

    Deltas leave in bursts of `burst`, `interval_ms` of waiting for each delta in it. Each burst
    but the first is late by a draw of `jitter`, which does not add up; one overtaken by such a
    delay leaves with the next. Bursts due more than `stall_after_ms` after the first wait
    `stall_ms` longer.

    `open_stream` gives the stream that jitter is drawn from; a constant one opens none.
    """

    __slots__ = (
        "_burst",
        "_drawn",
        "_interval_ms",
        "_jitter",
        "_open_stream",
        "_stall_after_ms",
        "_stall_ms",
        "_stream",
    )

    def __init__(  # noqa: PLR0917 - numbers of one reply, given in one place
        self,
        interval_ms: float,
        burst: int,
        jitter: Delay,
        stall_after_ms: float,
        stall_ms: float,
        open_stream: Callable[[], random.Random],
    ) -> None:
        self._interval_ms = interval_ms * burst
        self._burst = burst
        self._jitter = jitter
        self._stall_after_ms = stall_after_ms
        self._stall_ms = stall_ms
        self._open_stream = open_stream
        self._stream: random.Random | None = None
        self._drawn = [0.0]

    def offset_ms(self, index: int) -> float:
        """When delta `index`, from 0, is due; the same however often and in what order asked."""
        number = index // self._burst
        if not number:
            return 0.0
        if (jitter_ms := self._jitter.constant_ms) is not None:
            return self._even_ms(number) + jitter_ms
        if self._stream is None:
            self._stream = self._open_stream()
        # In order, whatever is asked first: a stream has but one order.
        while len(self._drawn) <= number:
            due_ms = self._even_ms(len(self._drawn)) + self._jitter.draw(self._stream)
            self._drawn.append(max(due_ms, self._drawn[-1]))
        return self._drawn[number]

    def _even_ms(self, number: int) -> float:
        even_ms = number * self._interval_ms
        return even_ms + self._stall_ms if even_ms > self._stall_after_ms else even_ms

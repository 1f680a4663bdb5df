"""Turns instants to the nanosecond into calls from an event loop, which counts milliseconds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from time import monotonic_ns

from bench.session.timer import DeadlineTimer

# Below this many, called-off entries are not worth a sweep.
_SWEEP_FROM = 64

logger = logging.getLogger("rtbench.server")


class Ring:
    """A call that is to be made at `due_ns`."""

    __slots__ = ("call", "due_ns")

    def __init__(self, due_ns: int, call: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.call: Callable[[], None] | None = call


class Alarm:
    """Calls at monotonic instants, all of a loop's sessions by one timer of the kernel.

    Loops wait in whole milliseconds, so that each reply would begin half of one late; and a
    timer of the loop for each session costs more than a place in a heap. Never early.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer = DeadlineTimer()
        self._heap: list[tuple[int, int, Ring]] = []
        self._serial = count()
        self._called_off = 0
        loop.add_reader(self._timer.fileno(), self._ring)

    def at(self, due_ns: int, call: Callable[[], None]) -> Ring:
        """Call once at `due_ns`, or soon if that has passed."""
        ring = Ring(due_ns, call)
        heappush(self._heap, (due_ns, next(self._serial), ring))
        if self._heap[0][2] is ring:
            self._timer.arm(due_ns)
        return ring

    def call_off(self, ring: Ring) -> None:
        """Make that call no more; calling off what was called does nothing."""
        if ring.call is None:
            return
        ring.call = None
        self._called_off += 1
        if self._called_off > _SWEEP_FROM and self._called_off * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].call is not None]
            heapify(self._heap)
            self._called_off = 0

    def close(self) -> None:
        """Make no more calls."""
        self._loop.remove_reader(self._timer.fileno())
        self._timer.close()
        self._heap.clear()

    def _ring(self) -> None:
        self._timer.clear()
        now_ns = monotonic_ns()
        while self._heap and self._heap[0][0] <= now_ns:
            ring = heappop(self._heap)[2]
            call, ring.call = ring.call, None
            if call is None:
                self._called_off -= 1
                continue
            try:
                call()
            except Exception:
                # One session's failure is not to silence the others.
                logger.exception("a call at its instant failed")
        if self._heap:
            self._timer.arm(self._heap[0][0])

"""Decides which sessions owe a frame at an instant: absolute schedules, spread over phases."""

from __future__ import annotations

import heapq
from typing import Protocol

PHASE_STEP_NS = 500_000
"""Sessions share due instants on a grid this fine, so that one wake-up serves several."""

_GOLDEN_RATIO = 0.618_033_988_749_894_9


class Stream(Protocol):
    """Something that owes a frame at `next_due_ns` and, having sent it, owes the next."""

    next_due_ns: int | None
    """None when it owes nothing any more; the pacer then forgets it."""

    def send_due(self) -> None:
        """Send the frame due and move `next_due_ns` on by exactly one chunk."""


def audio_start_ns(now_ns: int, ordinal: int, chunk_ns: int) -> int:
    """First instant from `now_ns` on at which session number `ordinal` may start its audio.

    Phases follow the golden ratio, so any number of sessions is spread evenly over a chunk.
    """
    slots = chunk_ns // PHASE_STEP_NS
    phase_ns = int(ordinal * _GOLDEN_RATIO % 1 * slots) * PHASE_STEP_NS
    return now_ns + (phase_ns - now_ns) % chunk_ns


class Pacer:
    """The schedule of one process: a heap of streams by the instant their next frame is due.

    A late frame never shifts a schedule: a stream that fell behind is due again at once.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Stream]] = []
        self._ordinal = 0

    def add(self, stream: Stream) -> None:
        """Take on a stream from its `next_due_ns`."""
        if stream.next_due_ns is not None:
            self._ordinal += 1
            heapq.heappush(self._heap, (stream.next_due_ns, self._ordinal, stream))

    @property
    def next_due_ns(self) -> int | None:
        """When the next frame of any stream is due."""
        return self._heap[0][0] if self._heap else None

    def send_due(self, now_ns: int, limit: int) -> int:
        """Send up to `limit` frames that are due at `now_ns`, earliest first; how many were."""
        heap = self._heap
        sent = 0
        while sent < limit and heap and heap[0][0] <= now_ns:
            _, ordinal, stream = heapq.heappop(heap)
            if stream.next_due_ns is None:
                continue
            stream.send_due()
            sent += 1
            if stream.next_due_ns is not None:
                heapq.heappush(heap, (stream.next_due_ns, ordinal, stream))
        return sent

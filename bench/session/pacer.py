"""Decides which sessions owe a frame at an instant: absolute schedules, spread over phases."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Protocol

PHASE_STEP_NS = 500_000
"""Sessions share due instants on a grid this fine, so that one wake-up serves several."""

_GOLDEN_RATIO = 0.618_033_988_749_894_9


class Stream(Protocol):
    """Something that owes a frame at `next_due_ns` and, having sent it, owes the next."""

    chunk_ns: int
    """From one frame to the next."""
    next_due_ns: int | None
    """None when it owes nothing any more; the pacer then forgets it."""

    def send_due(self, due_ns: int, next_ns: int) -> None:
        """Send the frame that is due at `due_ns`; from now on `next_due_ns` is `next_ns`, or None.

        That is one chunk later. All streams of a slot are given the same two numbers, for a
        number of its own would be one more cold object for each frame.
        """

    def on_fault(self, error: Exception) -> None:
        """End: `send_due` raised."""


def audio_start_ns(now_ns: int, ordinal: int, chunk_ns: int) -> int:
    """First instant from `now_ns` on at which session number `ordinal` may start its audio.

    Phases follow the golden ratio, so any number of sessions is spread evenly over a chunk.
    """
    slots = chunk_ns // PHASE_STEP_NS
    phase_ns = int(ordinal * _GOLDEN_RATIO % 1 * slots) * PHASE_STEP_NS
    return now_ns + (phase_ns - now_ns) % chunk_ns


class _Slot:
    """Streams of one chunk length that are due at one instant, walked from `place` on."""

    __slots__ = ("place", "streams")

    def __init__(self) -> None:
        self.streams: list[Stream] = []
        self.place = 0


class Pacer:
    """The schedule of one process: slots of streams by the instant their next frame is due.

    A late frame never shifts a schedule: a slot that fell behind is due again at once. Order
    is kept among the few slots, not among the many streams, so a frame costs one call.
    `on_fault` is told of a stream whose `send_due` raised; it is forgotten, the others go on.
    """

    def __init__(self, on_fault: Callable[[Stream, Exception], None]) -> None:
        self._on_fault = on_fault
        self._slots: dict[tuple[int, int], _Slot] = {}  # by due instant and chunk, in ns
        self._heap: list[tuple[int, int]] = []

    def add(self, stream: Stream) -> None:
        """Take on a stream from its `next_due_ns`."""
        if stream.next_due_ns is not None:
            self._slot((stream.next_due_ns, stream.chunk_ns)).streams.append(stream)

    def _slot(self, key: tuple[int, int]) -> _Slot:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = _Slot()
            heapq.heappush(self._heap, key)
        return slot

    @property
    def next_due_ns(self) -> int | None:
        """When the next frame of any stream is due."""
        return self._heap[0][0] if self._heap else None

    def send_due(self, now_ns: int, limit: int) -> int:
        """Send up to `limit` frames that are due at `now_ns`, earliest first; how many were."""
        heap = self._heap
        sent = 0
        while sent < limit and heap and heap[0][0] <= now_ns:
            key = heap[0]
            due_ns, chunk_ns = key
            next_ns = due_ns + chunk_ns
            slot = self._slots[key]
            begin = slot.place
            slot.place = min(begin + limit - sent, len(slot.streams))
            for stream in slot.streams[begin : slot.place]:
                if stream.next_due_ns != due_ns:
                    continue  # it has ended since it came here
                try:
                    stream.send_due(due_ns, next_ns)
                except Exception as error:  # noqa: BLE001 - it ends, the others go on
                    self._on_fault(stream, error)
                    stream.next_due_ns = None
                sent += 1
            if slot.place == len(slot.streams):
                self._move_on(key, slot)
        return sent

    def _move_on(self, key: tuple[int, int], slot: _Slot) -> None:
        """Put the streams of a slot that was walked to where they are due next."""
        heapq.heappop(self._heap)
        del self._slots[key]
        due_ns, chunk_ns = key
        next_ns = due_ns + chunk_ns
        staying = [stream for stream in slot.streams if stream.next_due_ns == next_ns]
        if staying:
            self._slot((next_ns, chunk_ns)).streams += staying
        if len(staying) < len(slot.streams):
            for stream in slot.streams:
                if stream.next_due_ns != next_ns:
                    self.add(stream)

"""Turns what the workers count into sums that any of them can tell: the page for Prometheus."""

from __future__ import annotations

import mmap
from enum import IntEnum, unique


@unique
class Count(IntEnum):
    """What is counted; the value is its place in a row."""

    SESSIONS_OPEN = 0
    SESSIONS = 1
    MESSAGES_IN = 2
    BYTES_IN = 3
    MESSAGES_OUT = 4
    BYTES_OUT = 5
    RESPONSES = 6
    FAULTS = 7
    REFUSALS = 8


_CELL_BYTES = 8
_PREFIX = "rtbench_server_"

# Name behind the prefix, kind and help, by place in a row.
_DESCRIPTIONS = {
    Count.SESSIONS_OPEN: ("sessions_open", "gauge", "Sessions that are open now."),
    Count.SESSIONS: ("sessions_total", "counter", "Sessions opened."),
    Count.MESSAGES_IN: ("messages_in_total", "counter", "Messages received from clients."),
    Count.BYTES_IN: ("bytes_in_total", "counter", "WebSocket bytes received from clients."),
    Count.MESSAGES_OUT: ("messages_out_total", "counter", "Messages written to clients."),
    Count.BYTES_OUT: ("bytes_out_total", "counter", "WebSocket bytes written to clients."),
    Count.RESPONSES: ("responses_total", "counter", "Responses created."),
    Count.FAULTS: ("faults_total", "counter", "Faults made on purpose."),
    Count.REFUSALS: ("refusals_total", "counter", "Requests answered with an error."),
}


class Row:
    """What one worker counts. Only that worker writes it, so it needs no lock."""

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    def add(self, count: Count, amount: int = 1) -> None:
        """Count `amount` more; sessions that close are counted as -1 open."""
        self._cells[count] += amount

    def received(self, messages: int, size_bytes: int) -> None:
        """Count one read."""
        cells = self._cells
        cells[2] += messages
        cells[3] += size_bytes

    def sent(self, messages: int, size_bytes: int) -> None:
        """Count one write."""
        cells = self._cells
        cells[4] += messages
        cells[5] += size_bytes


class Counters:
    """A row of counts for each worker, in memory that processes forked later share."""

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, workers * len(Count) * _CELL_BYTES)
        # An aligned cell of 8 bytes is read and written whole.
        self._cells = memoryview(self._memory).cast("q")

    def row(self, worker: int) -> Row:
        """Where worker number `worker` counts, from 0."""
        start = worker * len(Count)
        return Row(self._cells[start : start + len(Count)])

    def total(self, count: Count) -> int:
        """The sum over all workers."""
        return sum(self._cells[count :: len(Count)])

    def exposition(self) -> str:
        """All sums in Prometheus' text format 0.0.4."""
        lines = []
        for count, (name, kind, text) in _DESCRIPTIONS.items():
            lines.append(f"# HELP {_PREFIX}{name} {text}")
            lines.append(f"# TYPE {_PREFIX}{name} {kind}")
            lines.append(f"{_PREFIX}{name} {self.total(count)}")
        return "\n".join(lines) + "\n"

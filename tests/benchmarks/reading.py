"""Turns frames due and sent, and samples of a process, into the figures of a trial. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Instants = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a trial that counts, in monotonic ns."""

    from_ns: int
    to_ns: int

    @property
    def seconds(self) -> float:
        """How long it is."""
        return (self.to_ns - self.from_ns) / 1e9

    def holds(self, instants: pa.ChunkedArray) -> pa.ChunkedArray:
        """Which of the instants lie in it."""
        return pc.and_(
            pc.greater_equal(instants, self.from_ns), pc.less(instants, self.to_ns)
        ).fill_null(False)


@dataclass(frozen=True, slots=True)
class Pace:
    """How frames left in a window: those its sessions owed, those sent before it was over.

    A frame due in the last chunk of the window has one more chunk's time to leave.
    """

    owed: int
    sent: int
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None

    @property
    def share(self) -> float:
        """Of the schedule, what was sent."""
        return self.sent / self.owed if self.owed else 0.0


def pace_of(appends: pa.Table, sessions: int, chunk_ms: int, window: Window) -> Pace:
    """Judge rows of APPEND_SCHEMA; a session that came too late, or never, owes its frames too."""
    chunk_ns = chunk_ms * 1_000_000
    in_time_ns = [first for first in first_dues(appends).values() if first <= window.from_ns]
    owed = (sessions - len(in_time_ns)) * _count(window.to_ns - window.from_ns, chunk_ns)
    for first_ns in in_time_ns:
        owed += _count(window.to_ns - first_ns, chunk_ns)
        owed -= _count(window.from_ns - first_ns, chunk_ns)
    rows = appends.filter(window.holds(appends["due_ns"]))
    late_ms = pc.subtract(rows["sent_ns"], rows["due_ns"]).drop_null().to_numpy() / 1e6
    in_time = pc.less(rows["sent_ns"], window.to_ns + chunk_ns).drop_null()
    sent = int(pc.sum(in_time).as_py() or 0)
    if not len(late_ms):
        return Pace(owed, sent, None, None, None)
    p50, p99 = np.percentile(late_ms, (50, 99), method="inverted_cdf")
    return Pace(owed, sent, float(p50), float(p99), float(late_ms.max()))


def first_dues(appends: pa.Table) -> dict[str, int]:
    """When each session's first frame was due."""
    grouped = appends.group_by("session_id").aggregate([("due_ns", "min")])
    return dict(
        zip(grouped["session_id"].to_pylist(), grouped["due_ns_min"].to_pylist(), strict=True)
    )


def owed_and_sent(appends: pa.Table, events: pa.Table, chunk_ms: int) -> tuple[int, int]:
    """Frames due from the start to the end of each session's audio, and those sent of them.

    `events` are of EVENT_SCHEMA, with the start and the end of each session's audio.
    """
    chunk_ns = chunk_ms * 1_000_000
    ends_ns = session_instants(events, "audio_ended")
    owed = sum(
        (ends_ns[session] - start_ns) // chunk_ns
        for session, start_ns in session_instants(events, "audio_started").items()
        if session in ends_ns
    )
    return owed, appends.num_rows - appends["sent_ns"].null_count


def session_instants(events: pa.Table, kind: str) -> dict[str, int]:
    """When each session had its event of that kind."""
    rows = events.filter(pc.equal(events["kind"], kind))
    return dict(zip(rows["session_id"].to_pylist(), rows["at_ns"].to_pylist(), strict=True))


def _count(span_ns: int, chunk_ns: int) -> int:
    """Instants 0, chunk, 2 chunks, … before `span_ns`."""
    return -(-span_ns // chunk_ns)


@dataclass(frozen=True, slots=True)
class Sample:
    """A process and its children: CPU seconds used so far, resident bytes, open files."""

    at_ns: int
    cpu_s: float
    rss_bytes: int
    files: int = 0
    own_rss_bytes: int = 0
    """Of the process alone: what makes parts beside it has libraries to load at any load."""


def cpu_between(samples: list[Sample], window: Window) -> float:
    """CPU seconds used in a window, between samples as if evenly."""
    at = [float(sample.at_ns) for sample in samples]
    used = [sample.cpu_s for sample in samples]
    start, end = np.interp([window.from_ns, window.to_ns], at, used)
    return float(end - start)


def others_share(cores: list[Sample], ours: Sequence[list[Sample]], window: Window) -> float:
    """What processes other than `ours`, which have these cores, took of them, per second."""
    used_s = cpu_between(cores, window) - sum(cpu_between(each, window) for each in ours)
    return max(used_s, 0.0) / window.seconds


def growth_bytes(samples: list[Sample], before_ns: int, at_ns: int) -> int:
    """How much a process alone grew between two instants, by the last sample before each."""
    before = [sample.own_rss_bytes for sample in samples if sample.at_ns <= before_ns]
    until = [sample.own_rss_bytes for sample in samples if sample.at_ns <= at_ns]
    return until[-1] - (before or until)[-1]


def slope_percent_per_hour(samples: list[Sample], window: Window) -> float | None:
    """Least-squares slope of resident memory in a window, relative to its mean."""
    inside = [s for s in samples if window.from_ns <= s.at_ns <= window.to_ns]
    if len(inside) < 3:
        return None
    hours = (np.array([s.at_ns for s in inside], float) - window.from_ns) / 3.6e12
    rss = np.array([s.rss_bytes for s in inside], float)
    return float(np.polyfit(hours, rss, 1)[0] / rss.mean() * 100)

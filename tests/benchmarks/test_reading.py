"""Figures of a trial, from frames and samples whose answers are known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from bench.runs.event import APPEND_SCHEMA
from tests.benchmarks.reading import (
    Sample,
    Window,
    cpu_between,
    growth_bytes,
    others_share,
    pace_of,
    slope_percent_per_hour,
)

MS = 1_000_000


def frames(late_ms: dict[str, list[float | None]], first_ms: int = 0) -> pa.Table:
    """A session's frames, due every 20 ms from `first_ms` on and so late; None: never sent."""
    rows = [
        (session, k, due, None if late is None else due + round(late * MS))
        for session, lates in late_ms.items()
        for k, late in enumerate(lates)
        for due in [(first_ms + 20 * k) * MS]
    ]
    names = ("session_id", "index", "due_ns", "sent_ns")
    schema = pa.schema([APPEND_SCHEMA.field(name) for name in names])
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    return pa.table({name: list(column) for name, column in columns.items()}, schema=schema)


def test_frames_outside_the_window_do_not_count() -> None:
    table = frames({"a": [9.0, 1.0, 2.0, 9.0]})
    pace = pace_of(table, 1, 20, Window(20 * MS, 60 * MS))
    assert (pace.owed, pace.sent) == (2, 2)
    assert (pace.p50_ms, pace.p99_ms, pace.max_ms) == (1.0, 2.0, 2.0)


def test_what_was_never_sent_or_sent_after_the_window_is_owed() -> None:
    table = frames({"a": [0.0, None, 70.0, 0.0]})
    pace = pace_of(table, 1, 20, Window(0, 80 * MS))
    assert (pace.owed, pace.sent) == (4, 2)
    assert pace.share == 0.5


def test_frames_a_slow_client_never_came_to_are_owed() -> None:
    pace = pace_of(frames({"a": [0.0, 0.0]}), 1, 20, Window(0, 200 * MS))
    assert (pace.owed, pace.sent) == (10, 2)


def test_session_that_never_came_owes_its_frames() -> None:
    pace = pace_of(frames({"a": [0.0] * 10}), 3, 20, Window(0, 200 * MS))
    assert (pace.owed, pace.sent) == (30, 10)


def test_session_that_came_late_owes_from_the_start() -> None:
    pace = pace_of(frames({"a": [0.0] * 5}, first_ms=100), 1, 20, Window(0, 200 * MS))
    assert (pace.owed, pace.sent) == (10, 5)


def test_window_without_frames_has_no_lateness() -> None:
    pace = pace_of(frames({"a": [0.0]}), 1, 20, Window(1000 * MS, 2000 * MS))
    assert pace.p99_ms is None
    assert pace.share == 0.0


def samples(cpu_s: list[float], rss: list[int] | None = None) -> list[Sample]:
    """A sample each second."""
    sizes = rss or [0] * len(cpu_s)
    return [
        Sample(second * 1000 * MS, used, size)
        for second, (used, size) in enumerate(zip(cpu_s, sizes, strict=True))
    ]


def test_cpu_time_is_taken_between_samples() -> None:
    used = samples([0.0, 0.5, 1.5, 1.5])
    assert cpu_between(used, Window(500 * MS, 2000 * MS)) == pytest.approx(1.25)


def test_others_have_what_is_left_of_the_cores() -> None:
    window = Window(0, 2000 * MS)
    ours = [samples([0.0, 0.5, 1.0]), samples([0.0, 0.1, 0.2])]
    assert others_share(samples([0.0, 0.8, 1.6]), ours, window) == pytest.approx(0.2)
    assert others_share(samples([0.0, 0.5, 1.1]), ours, window) == 0.0


def test_growth_is_from_the_last_sample_before_and_of_the_process_alone() -> None:
    used = [Sample(s * 1000 * MS, 0.0, 0, 0, own) for s, own in enumerate([100, 150, 400, 900])]
    assert growth_bytes(used, 1500 * MS, 2500 * MS) == 250
    assert growth_bytes(used[2:], 0, 3000 * MS) == 0


def test_slope_is_relative_and_per_hour() -> None:
    rss = [round(1e9 * (1 + 0.02 * s / 3600)) for s in range(100)]
    noisy = [size + (-1) ** i for i, size in enumerate(rss)]
    used = samples([0.0] * 100, noisy)
    slope = slope_percent_per_hour(used, Window(0, 100_000 * MS))
    assert slope == pytest.approx(2.0, rel=0.02)
    assert slope_percent_per_hour(used[:2], Window(0, 100_000 * MS)) is None


def test_percentile_is_the_nearest_rank() -> None:
    late = [float(x) for x in np.arange(1, 201) / 10]
    pace = pace_of(frames({"a": late}), 1, 20, Window(0, 4000 * MS))
    assert pace.p99_ms == pytest.approx(19.8)

"""Frames and arrivals: exact whatever the batches."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.pacing import Pacing, client_lag_ms
from bench.analysis.statistics import distribution
from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA

SCHEMA = pa.schema(
    [
        *(APPEND_SCHEMA.field(name) for name in ("session_id", "index", "due_ns", "sent_ns")),
        pa.field("offered_ns", pa.int64()),
    ]
)


def frames(rows, *, with_offered=True):
    """(session, due_ns, sent_ns, offered_ns) as a batch of appends.parquet."""
    columns = zip(*((row[0], i, *row[1:]) for i, row in enumerate(rows)), strict=True)
    arrays = [
        pa.array(list(values), field.type) for values, field in zip(columns, SCHEMA, strict=True)
    ]
    batch = pa.record_batch(arrays, schema=SCHEMA)
    return batch if with_offered else batch.select(SCHEMA.names[:-1])


@st.composite
def rows_of_frames(draw):
    session = draw(st.sampled_from(["w0-00001", "w0-00002", "w1-00001"]))
    due_ns = draw(st.integers(0, 2**62))
    late_ns = draw(st.integers(0, 10**9))
    held_ns = draw(st.none() | st.integers(1, 10**9))
    taken = draw(st.booleans())
    if held_ns is None:
        return session, due_ns, due_ns + late_ns if taken else None, None
    offered_ns = due_ns + late_ns
    return session, due_ns, offered_ns + held_ns if taken else None, offered_ns


def paced(batches):
    pacing = Pacing()
    for batch in batches:
        pacing.add(batch)
    return pacing.result()


ROWS = st.lists(rows_of_frames(), min_size=1)


@given(rows=ROWS, size=st.integers(1, 7))
def test_batches_add_up_to_the_whole(rows, size):
    batches = [frames(rows[i : i + size]) for i in range(0, len(rows), size)]
    result = paced(batches)
    offered = [(due, sent if off is None else off) for _, due, sent, off in rows]
    late_ms = [(off - due) / 1e6 for due, off in offered if off is not None]
    assert result.lateness_ms == distribution(late_ms, missing=len(rows) - len(late_ms))
    held = [(session, sent, off) for session, _, sent, off in rows if off is not None]
    held_ms = [(sent - off) / 1e6 for _, sent, off in held if sent is not None]
    assert result.held_ms == distribution(held_ms, missing=len(held) - len(held_ms))
    assert result.frames_held == len(held)
    assert result.sessions_held == len({session for session, _, _ in held})
    sent = sum(row[2] is not None for row in rows)
    assert (result.frames_due, result.frames_sent) == (len(rows), sent)
    assert paced([pa.Table.from_batches(batches)]) == result


def test_what_the_target_held_back_is_not_our_lateness():
    due_ns = 10**15
    rows = [
        ("w0-00001", due_ns, due_ns + 100_000, None),
        ("w0-00002", due_ns, due_ns + 900_000_000, due_ns + 100_000),
        ("w0-00002", due_ns + 20_000_000, None, due_ns + 20_100_000),  # never taken
    ]
    result = paced([frames(rows)])
    assert (result.lateness_ms.n, result.lateness_ms.missing) == (3, 0)
    assert result.lateness_ms.max == pytest.approx(0.1)
    assert (result.frames_held, result.sessions_held) == (2, 1)
    assert (result.held_ms.n, result.held_ms.missing) == (1, 1)
    assert result.held_ms.max == pytest.approx(899.9)


def test_older_folders_know_no_offers():
    rows = [("w0-00001", 0, 2_000_000, None), ("w0-00001", 20_000_000, None, None)]
    result = paced([frames(rows, with_offered=False)])
    assert result == paced([frames(rows)])
    assert (result.lateness_ms.max, result.lateness_ms.missing) == (2.0, 1)
    assert result.to_json()["held_back"]["frames"] == 0


def test_no_frames():
    result = paced([frames([("a-1", 0, 1, None)]).slice(0, 0)])
    assert (result.frames_due, result.frames_sent) == (0, 0)
    assert Pacing().result().lateness_ms.p99.value is None


def test_client_lag_is_of_received_events_only(golden):
    rows = golden["clean"]
    columns = zip(*rows, strict=True)
    arrays = [
        pa.array(list(v), field.type) for v, field in zip(columns, EVENT_SCHEMA, strict=True)
    ]
    lag_ms = client_lag_ms(pa.table(arrays, schema=EVENT_SCHEMA))
    assert len(lag_ms) == sum(row.direction == "in" for row in rows)
    assert np.unique(lag_ms).tolist() == [pytest.approx(0.05)]

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


def frames(rows):
    """(session, due_ns, sent_ns) as a batch of appends.parquet."""
    columns = zip(*((s, i, due, sent) for i, (s, due, sent) in enumerate(rows)), strict=True)
    arrays = [
        pa.array(list(values), field.type)
        for values, field in zip(columns, APPEND_SCHEMA, strict=True)
    ]
    return pa.record_batch(arrays, schema=APPEND_SCHEMA)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["w0-00001", "w0-00002", "w1-00001"]),
        st.integers(0, 2**62),
        st.none() | st.integers(0, 10**9),
    ).map(lambda row: (row[0], row[1], None if row[2] is None else row[1] + row[2])),
    min_size=1,
)


@given(rows=ROWS, size=st.integers(1, 7))
def test_batches_add_up_to_the_whole(rows, size):
    batches = [frames(rows[i : i + size]) for i in range(0, len(rows), size)]
    result = Pacing().add_all(batches).result()
    late_ms = [(sent - due) / 1e6 for _, due, sent in rows if sent is not None]
    assert result.lateness_ms == distribution(late_ms, missing=len(rows) - len(late_ms))
    assert (result.frames_due, result.frames_sent) == (len(rows), len(late_ms))
    assert Pacing().add_all([pa.Table.from_batches(batches)]).result() == result


def test_no_frames():
    result = Pacing().add_all([frames([("a-1", 0, 1)]).slice(0, 0)]).result()
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

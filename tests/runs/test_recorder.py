"""What is recorded is what a part holds, to the nanosecond."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA, SCHEMA_VERSION, EventRow
from bench.runs.folder import part_files
from bench.runs.recorder import Recorder

NS = st.integers(-(2**63) + 1, 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(st.none(), strategy)


events = st.fixed_dictionaries(
    {
        "direction": st.sampled_from(["in", "out", "note"]),
        "kind": TEXT,
        "at_ns": NS,
        "wire_type": TEXT,
        "turn_index": maybe(st.integers(0, 2**31 - 1)),
        "read_ns": maybe(NS),
        "size_bytes": maybe(st.integers(0, 2**40)),
        "audio_ms": maybe(st.floats(allow_nan=False)),
        "silence_ms": maybe(st.floats(allow_nan=False)),
        "item_id": maybe(TEXT),
        "response_id": maybe(TEXT),
        "server_ms": maybe(st.floats(allow_nan=False)),
        "detail": maybe(st.dictionaries(TEXT, maybe(TEXT), max_size=3)),
    }
)
appends = st.tuples(st.integers(0, 2**62), NS, maybe(NS), maybe(NS))


def tables(files: dict[str, bytes]) -> dict[str, pa.Table]:
    return {name: pq.read_table(io.BytesIO(content)) for name, content in files.items()}


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.one_of(events, appends)),
        max_size=25,
    )
)
def test_rows_read_back_as_they_were_recorded(steps: list[tuple[int, Any]]) -> None:
    recorder = Recorder("w0")
    pens = [recorder.begin_session() for _ in range(3)]
    rows: list[EventRow] = []
    frames: list[dict[str, Any]] = []
    seqs = [0, 0, 0]
    for number, step in steps:
        pen = pens[number]
        if isinstance(step, dict):
            pen.event(**step)
            detail = step["detail"]
            rows.append(
                EventRow(
                    session_id=f"w0-{number:05d}",
                    seq=seqs[number],
                    type=step["wire_type"],
                    **{key: step[key] for key in step if key not in {"wire_type", "detail"}},
                    detail=None if detail is None else json.dumps(detail, ensure_ascii=False),
                )
            )
            seqs[number] += 1
        else:
            index, due_ns, sent_ns, offered_ns = step
            if sent_ns is None:
                pen.append_unsent(index, due_ns, offered_ns)
            else:
                pen.append(index, due_ns, sent_ns, offered_ns)
            frames.append(
                {
                    "session_id": f"w0-{number:05d}",
                    "index": index,
                    "due_ns": due_ns,
                    "sent_ns": sent_ns,
                    "offered_ns": offered_ns,
                }
            )
    found = tables(part_files("w0", 7, recorder.take()))
    assert list(found) == ["w0-00007.events.parquet", "w0-00007.appends.parquet"]
    event_table, append_table = found.values()
    assert event_table.schema.equals(EVENT_SCHEMA)
    assert append_table.schema.equals(APPEND_SCHEMA)
    assert [EventRow(*row.values()) for row in event_table.to_pylist()] == rows
    expected = sorted(frames, key=lambda f: (f["session_id"], f["index"]))
    read_back = append_table.to_pylist()
    assert [(f["session_id"], f["index"]) for f in read_back] == [
        (f["session_id"], f["index"]) for f in expected
    ]
    assert sorted(map(repr, read_back)) == sorted(map(repr, frames))


def test_no_rows_make_empty_tables_of_the_schema() -> None:
    for table, schema in zip(
        tables(part_files("w0", 0, Recorder("w0").take())).values(),
        (EVENT_SCHEMA, APPEND_SCHEMA),
        strict=True,
    ):
        assert table.num_rows == 0
        assert table.schema.equals(schema)


def test_the_schema_version_is_in_every_part() -> None:
    for table in tables(part_files("w0", 0, Recorder("w0").take())).values():
        assert table.schema.metadata[b"rtbench_schema"] == str(SCHEMA_VERSION).encode()


def test_a_frame_never_sent_has_no_instant_of_sending() -> None:
    recorder = Recorder("w0")
    pen = recorder.begin_session()
    pen.append(0, 20, 21)
    pen.append_unsent(1, 40)
    pen.append(2, 60, 99)
    table = recorder.take().append_table()
    assert table["sent_ns"].to_pylist() == [21, None, 99]
    assert table["due_ns"].to_pylist() == [20, 40, 60]
    assert table["sent_ns"].null_count == 1


def test_a_session_that_sent_nothing_may_still_have_frames_unsent() -> None:
    recorder = Recorder("w0")
    recorder.begin_session()
    recorder.begin_session().append_unsent(0, 20)
    assert recorder.take().append_table().to_pylist() == [
        {"session_id": "w0-00001", "index": 0, "due_ns": 20, "sent_ns": None, "offered_ns": None}
    ]


def test_taking_starts_anew_and_sessions_go_on() -> None:
    recorder = Recorder("w7")
    pen = recorder.begin_session()
    pen.event("note", "a", 1)
    pen.append(0, 1, 2)
    first = recorder.take()
    pen.event("note", "b", 2)
    pen.append(1, 3, 4)
    late = recorder.begin_session()
    late.append(0, 5, 6)
    second = recorder.take()
    for seq, batch in enumerate((first, second)):
        rows = batch.event_table().to_pylist()
        assert [(row["session_id"], row["seq"]) for row in rows] == [("w7-00000", seq)]
    assert first.append_table()["index"].to_pylist() == [0]
    assert second.append_table()["session_id"].to_pylist() == ["w7-00000", "w7-00001"]
    assert recorder.session_count == 2
    assert len(recorder.take().events) == 0


def test_sessions_are_named_after_their_worker_in_order() -> None:
    recorder = Recorder("w3")
    pens = [recorder.begin_session() for _ in range(3)]
    assert [pen.session_id for pen in pens] == ["w3-00000", "w3-00001", "w3-00002"]
    assert [pen.number for pen in pens] == [0, 1, 2]


def test_lateness_is_of_frames_sent_only() -> None:
    recorder = Recorder("w0")
    pen = recorder.begin_session()
    pen.append(0, 20_000_000, 21_500_000)
    pen.append(1, 40_000_000, 39_999_000)
    pen.append_unsent(2, 60_000_000)
    lateness = recorder.take().appends.lateness_ms()
    assert lateness == pytest.approx([1.5, -0.001])
    assert len(recorder.take().appends.lateness_ms()) == 0


def test_instants_past_what_a_float_can_hold_stay_exact() -> None:
    recorder = Recorder("w0")
    pen = recorder.begin_session()
    due_ns = 2**53 + 1
    pen.append(0, due_ns, due_ns + 2)
    pen.append_unsent(1, due_ns + 20_000_001)
    pen.event("in", "x", due_ns, read_ns=due_ns + 2)
    batch = recorder.take()
    found = list(tables(part_files("w0", 0, batch)).values())
    assert found[1]["due_ns"].to_pylist() == [due_ns, due_ns + 20_000_001]
    assert found[1]["sent_ns"].to_pylist() == [due_ns + 2, None]
    assert found[0]["read_ns"].to_pylist() == [due_ns + 2]


def busy_frames(sessions: int, count: int) -> Iterator[list[tuple[int, int, int]]]:
    """Frames of 20 ms, round by round, with the lateness of a busy client."""
    noise = np.random.default_rng(5)
    late_ns = noise.gamma(2.0, 75_000, (count, sessions)).astype(np.int64)
    late_ns += (noise.random((count, sessions)) < 0.002) * 4_000_000
    start_ns = 5_123_456_789_012_345
    for k in range(count):
        due = [start_ns + n * 500_000 + (k + 1) * 20_000_000 for n in range(sessions)]
        yield [(k, due_ns, due_ns + int(late_ns[k, n])) for n, due_ns in enumerate(due)]


@pytest.mark.parametrize("frames_a_part", [100, 2_000], ids=["parts of 2 s", "one part"])
def test_a_frame_costs_few_bytes(frames_a_part: int) -> None:
    recorder = Recorder("w0")
    pens = [recorder.begin_session() for _ in range(50)]
    size = 0
    for number, rows in enumerate(busy_frames(50, 2_000), 1):
        for pen, row in zip(pens, rows, strict=True):
            pen.append(*row)
        if number % frames_a_part == 0:
            files = part_files("w0", number, recorder.take())
            size += len(files[f"w0-{number:05d}.appends.parquet"])
    assert size / (50 * 2_000) <= 12

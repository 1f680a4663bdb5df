"""Columns give back the rows they took in, whatever is in them, and are made without a loop."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.dialects.base import Kind
from bench.dialects.openai import OPENAI
from bench.runs.columns import AppendColumns, EventColumns
from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA, EventRow
from bench.runs.recorder import Recorder

INT32, INT64 = 2**31 - 1, 2**63 - 1
SESSIONS = [f"w0-{number:05d}" for number in range(5)]

numbers = st.integers(-INT64, INT64)
texts = st.one_of(
    st.sampled_from(["", "\0", "None", "null", "i", "é", "\N{GRINNING FACE}"]),
    st.text(st.characters(codec="utf-8"), max_size=6),
)
floats = st.one_of(
    st.sampled_from([0.0, -0.0, -1.0, math.inf, -math.inf, 5e-324, 1.7976931348623157e308]),
    st.floats(allow_nan=False),
)
turns = st.one_of(st.sampled_from([0, 1, INT32, -2, -INT32 - 1]), st.integers(0, INT32))
rows = st.tuples(
    st.sampled_from(SESSIONS),
    numbers,
    st.none() | turns,
    texts,
    texts,
    texts,
    numbers,
    st.none() | numbers,
    st.none() | numbers,
    st.none() | floats,
    st.none() | floats,
    st.none() | texts,
    st.none() | texts,
    st.none() | floats,
    st.none() | texts,
).map(EventRow._make)


def event_row(session: int = 0, **fields: Any) -> EventRow:
    """A row of which only `fields` matter."""
    nothing = dict.fromkeys(EventRow._fields)
    always = {"seq": 0, "direction": "in", "kind": "x", "type": "", "at_ns": 1}
    return EventRow(**nothing | always | {"session_id": SESSIONS[session]} | fields)


def columns_of(rows: list[EventRow]) -> EventColumns:
    columns = EventColumns()
    for row in rows:
        columns.add(SESSIONS.index(row.session_id), row)
    return columns


def read_back(table: pa.Table) -> list[EventRow]:
    table.validate(full=True)
    assert table.schema.equals(EVENT_SCHEMA, check_metadata=True)
    return [EventRow(*row.values()) for row in table.to_pylist()]


@given(st.lists(rows, max_size=20))
@example([])
def test_events_come_back_as_they_were(rows: list[EventRow]) -> None:
    columns = columns_of(rows)
    assert len(columns) == len(rows)
    # by repr, which tells -0.0 from 0.0 and None from anything
    assert list(map(repr, read_back(columns.table(SESSIONS)))) == list(map(repr, rows))


@pytest.mark.parametrize("field", ["turn_index", "read_ns", "size_bytes", "audio_ms", "server_ms"])
def test_nothing_and_zero_are_two_things(field: str) -> None:
    column = columns_of([event_row(**{field: None}), event_row(**{field: 0})]).table(SESSIONS)
    assert column[field].to_pylist() == [None, 0]
    assert column[field].null_count == 1


@pytest.mark.parametrize("field", ["item_id", "response_id", "detail"])
def test_nothing_and_an_empty_text_are_two_things(field: str) -> None:
    column = columns_of([event_row(**{field: text}) for text in ("", None, "None", None, "")])
    assert column.table(SESSIONS)[field].to_pylist() == ["", None, "None", None, ""]


def test_a_float_that_is_no_number_is_nothing() -> None:
    column = columns_of([event_row(server_ms=math.nan), event_row(server_ms=1.5)])
    assert column.table(SESSIONS)["server_ms"].to_pylist() == [None, 1.5]


@pytest.mark.parametrize("said", ["1e999", "-1e999", "NaN", "Infinity", "9" * 400])
def test_no_server_can_say_what_is_no_number(said: str) -> None:
    """For NaN stands for nothing in a column, and no figure could be made of infinity."""
    text = f'{{"type":"input_audio_buffer.speech_stopped","audio_end_ms":{said}}}'
    event = OPENAI.parse(text.encode())
    assert event.kind is Kind.MALFORMED
    assert event.server_ms is None


@pytest.mark.parametrize(
    "text", [rb"\ud800", rb"\udc00", rb"\ud800x", b"\xed\xa0\x80"], ids=["high", "low", "x", "raw"]
)
def test_no_server_can_name_an_item_so_that_its_part_is_not_written(text: bytes) -> None:
    """Half a surrogate pair is valid in JSON and in Python, and not in UTF-8."""
    event = OPENAI.parse(b'{"type":"conversation.item.added","item_id":"%s"}' % text)
    recorder = Recorder("w0")
    recorder.begin_session().event(
        "in", event.kind.value, 1, item_id=event.item_id, detail=event.detail
    )
    (row,) = read_back(recorder.take().event_table())
    assert row.kind == Kind.MALFORMED.value


def test_a_hundred_thousand_items_keep_their_names() -> None:
    count = 100_000
    columns = EventColumns()
    row = event_row()
    for number in range(count):
        name = f"item_{number}"
        columns.add(number % 5, row._replace(seq=number, item_id=name, response_id=name))
    table = columns.table(SESSIONS)
    assert table["item_id"].to_pylist() == [f"item_{number}" for number in range(count)]
    assert table["response_id"].equals(table["item_id"])
    assert table["detail"].null_count == count
    assert table["session_id"].to_pylist() == SESSIONS * (count // 5)


def test_only_sessions_that_occur_are_named() -> None:
    """A run may have begun thousands; a part has what few of them did in its seconds."""
    recorder = Recorder("w0")
    pens = [recorder.begin_session() for _ in range(20_000)]
    for number in (19_000, 7, 19_000):
        pens[number].event("in", "x", 1)
        pens[number].append(0, 1, 2)
    pens[-1].append_unsent(0, 1)
    batch = recorder.take()
    events, appends = batch.event_table()["session_id"], batch.append_table()["session_id"]
    assert events.to_pylist() == ["w0-19000", "w0-00007", "w0-19000"]
    assert appends.to_pylist() == ["w0-00007", "w0-19000", "w0-19000", "w0-19999"]
    for column in (events, appends):
        (chunk,) = column.chunks
        assert sorted(chunk.dictionary.to_pylist()) == sorted(set(column.to_pylist()))


def test_a_table_stays_as_it_was_while_more_is_recorded() -> None:
    """A part is written by a thread beside sessions that go on."""
    recorder = Recorder("w0")
    pen = recorder.begin_session()

    def record(number: int) -> None:
        pen.event("in", f"kind {number}", number, item_id=f"item {number}")
        pen.append(number, number, number + 1)
        pen.append_unsent(number + 100, number)

    for number in range(10):
        record(number)
    batch = recorder.take()
    events, appends = batch.event_table(), batch.append_table()
    first = events.to_pylist(), appends.to_pylist()
    for number in range(10, 50):
        record(number)
        recorder.begin_session().event("note", "new", 0)
    assert (events.to_pylist(), appends.to_pylist()) == first
    assert (batch.event_table().to_pylist(), batch.append_table().to_pylist()) == first
    assert [row["seq"] for row in first[0]] == list(range(10))
    later = recorder.take().event_table()
    assert [row["kind"] for row in later.to_pylist()][::2] == [f"kind {n}" for n in range(10, 50)]


frames = st.tuples(
    st.integers(0, 4),
    st.integers(0, INT64),
    st.integers(-(2**60), 2**60),
    st.none() | st.integers(-(2**60), 2**60),  # sent
    st.none() | st.integers(-(2**60), 2**60),  # offered
)


@given(st.lists(frames, max_size=20, unique_by=lambda frame: frame[:2]))
@example([])
@example([(0, 0, 0, 0, 0)])
@example([(1, 1, 5, None, 0), (1, 0, 5, 0, None)])
def test_frames_come_back_by_session_and_index(
    frames: list[tuple[int, int, int, int | None, int | None]],
) -> None:
    recorder = Recorder("w0")
    pens = [recorder.begin_session() for _ in SESSIONS]
    for session, index, due_ns, sent_ns, offered_ns in frames:
        if sent_ns is None:
            pens[session].append_unsent(index, due_ns, offered_ns)
        else:
            pens[session].append(index, due_ns, sent_ns, offered_ns)
    batch = recorder.take()
    table = batch.append_table()
    table.validate(full=True)
    assert table.schema.equals(APPEND_SCHEMA, check_metadata=True)
    late_ms = [
        ((sent_ns if offered_ns is None else offered_ns) - due_ns) / 1e6
        for _, _, due_ns, sent_ns, offered_ns in frames
        if sent_ns is not None
    ]
    frames.sort(key=lambda frame: frame[:2])
    expected = [(SESSIONS[session], *rest) for session, *rest in frames]
    assert [tuple(row.values()) for row in table.to_pylist()] == expected
    assert batch.appends.lateness_ms() == pytest.approx(late_ms)


def test_a_batch_of_frames_never_sent_has_no_instant_at_all() -> None:
    columns = AppendColumns()
    columns.unsent += [(0, 1, 40, 41), (0, 0, 20, None)]
    table = columns.table(SESSIONS)
    assert table["sent_ns"].null_count == 2
    assert table["offered_ns"].to_pylist() == [None, 41]
    assert len(columns.lateness_ms()) == 0


@pytest.mark.parametrize("batches", [1, 3])
def test_many_parts_together_hold_what_one_would(batches: int) -> None:
    """Places of texts and frames that waited are counted anew in each."""
    recorder = Recorder("w0")
    pens = [recorder.begin_session() for _ in range(3)]
    found: list[tuple[int, int | None]] = []
    kinds: list[str] = []
    size = 12 // batches
    for number, pen in zip(range(12), itertools.cycle(pens), strict=False):
        pen.append(number, number, number, -number if number % 4 == 1 else None)
        pen.event("in", f"k{number % 5}", number, detail={"n": number})
        if number % size == size - 1:
            batch = recorder.take()
            appends = batch.append_table()
            found += zip(
                appends["index"].to_pylist(), appends["offered_ns"].to_pylist(), strict=True
            )
            kinds += batch.event_table()["kind"].to_pylist()
    assert sorted(found) == [(n, -n if n % 4 == 1 else None) for n in range(12)]
    assert kinds == [f"k{n % 5}" for n in range(12)]


def test_lateness_is_exact_past_what_a_float_can_hold() -> None:
    recorder = Recorder("w0")
    recorder.begin_session().append(0, 2**62 + 1, 2**62 + 3)
    lateness_ms = recorder.take().appends.lateness_ms()
    assert lateness_ms.dtype == np.float64
    assert lateness_ms.tolist() == [2e-6]


def test_details_of_a_kind_come_in_the_order_they_were_recorded() -> None:
    recorder = Recorder("w0")
    pen = recorder.begin_session()
    pen.event("in", "response_done", 1, wire_type="response.done", detail={"n": 1})
    pen.event("in", "error", 2, wire_type="response_done", detail={"n": 2})
    pen.event("in", "response_done", 3)
    pen.event("in", "response_done", 4, detail={"n": 1})
    events = recorder.take().events
    assert events.details("response_done") == ['{"n": 1}', None, '{"n": 1}']
    assert events.details("error") == ['{"n": 2}']
    assert events.details("nosuch") == []
    assert [events.count(kind) for kind in ("response_done", "error", "nosuch")] == [3, 1, 0]

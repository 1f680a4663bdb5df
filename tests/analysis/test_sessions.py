"""From tables in pieces to sessions of rows: whole, in order, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis import sessions as module
from bench.analysis.rows import DeltaRun
from bench.analysis.sessions import INDEX_COLUMNS, SessionIndex, gather
from bench.analysis.turns import assemble_session
from bench.dialects.base import Kind
from tests.analysis.pieces import Pieces, in_pieces


def index_of(pieces: Pieces) -> SessionIndex:
    index = SessionIndex()
    for number in range(len(pieces)):
        index.add(pieces.read(number, INDEX_COLUMNS))
    return index


def sessions_of(pieces, rows_in_block=1_000_000):
    """Every session with its rows, in the order given."""
    blocks = index_of(pieces).blocks(rows_in_block)
    return [session for block in blocks for session in gather(block, pieces)]


@pytest.fixture
def sessions(golden):
    """One session for each golden trace."""
    return {
        f"w{number % 2}-{number}": [
            row._replace(session_id=f"w{number % 2}-{number}") for row in golden[name]
        ]
        for number, name in enumerate(sorted(golden))
    }


def by_time(sessions):
    rows = [row for rows in sessions.values() for row in rows]
    return sorted(rows, key=lambda row: row.at_ns)


def test_sessions_come_back_whole_and_in_the_order_they_were_begun(sessions):
    found = sessions_of(in_pieces(by_time(sessions)))
    assert [name for name, _ in found] == sorted(
        sessions, key=lambda name: (name.partition("-")[0], int(name.partition("-")[2]))
    )
    for name, rows in found:
        assert assemble_session(rows) == assemble_session(sessions[name])
        plain = [row for row in rows if not isinstance(row, DeltaRun)]
        assert plain == [row for row in sessions[name] if row in plain]


@pytest.mark.parametrize("fold_rows", [1, 20, 1_000])
@pytest.mark.parametrize("block_rows", [1, 20, 60])
def test_small_blocks_change_nothing(sessions, monkeypatch, fold_rows, block_rows):
    monkeypatch.setattr(module, "_FOLD_ROWS", fold_rows)
    pieces = in_pieces(by_time(sessions))
    assert sessions_of(pieces, block_rows) == sessions_of(pieces)


def test_a_block_holds_no_more_rows_than_asked_unless_one_session_does(sessions):
    blocks = list(index_of(in_pieces(by_time(sessions))).blocks(40))
    amounts = [[len(sessions[name]) for name in block.session_ids] for block in blocks]
    assert sum(map(len, amounts)) == len(sessions)
    assert all(sum(amount) <= 40 or len(amount) == 1 for amount in amounts)
    assert len(blocks) > 1


def test_only_pieces_that_may_hold_a_block_are_read(sessions):
    read: list[int] = []

    class Watched(Pieces):
        def read(self, number, columns):
            read.append(number)
            return super().read(number, columns)

    one_after_another = [row for rows in sessions.values() for row in rows]
    pieces = Watched(in_pieces(one_after_another, 20))
    index = index_of(pieces)
    for block in index.blocks(1):
        read.clear()
        list(gather(block, pieces))
        (name,) = block.session_ids
        holding = [i for i, piece in enumerate(pieces) if name in piece["session_id"].to_pylist()]
        assert read == list(range(holding[0], holding[-1] + 1))


def test_spans_of_workers(sessions):
    pieces = in_pieces(by_time(sessions))
    instants = {"w0": [], "w1": []}
    for name, rows in sessions.items():
        instants[name[:2]] += [row.at_ns for row in rows]
    assert index_of(pieces).spans == {w: (min(ns), max(ns)) for w, ns in instants.items()}


def test_nothing_recorded():
    for pieces in (Pieces(), in_pieces([]), Pieces([*in_pieces([]), *in_pieces([])])):
        assert sessions_of(pieces) == []
        assert index_of(pieces).spans == {}


@given(data=st.data(), size=st.integers(1, 40), block_rows=st.integers(1, 80))
def test_interleaved_sessions_are_as_each_alone(golden, data, size, block_rows):
    names = data.draw(st.lists(st.sampled_from(sorted(golden)), min_size=1, max_size=4))
    rows = [
        row._replace(session_id=f"w{number % 2}-{number}")
        for number, name in enumerate(names)
        for row in golden[name]
    ]
    kept = data.draw(st.sets(st.sampled_from(rows)))
    mixed = data.draw(st.permutations([row for row in rows if row in kept]))
    mixed += data.draw(st.lists(st.sampled_from(mixed), max_size=5)) if mixed else []
    found = dict(sessions_of(in_pieces(mixed, size), block_rows))
    assert set(found) == {row.session_id for row in mixed}
    for name, folded in found.items():
        own = [row for row in mixed if row.session_id == name]
        assert by_reason(assemble_session(folded)) == by_reason(assemble_session(own))


def by_reason(assembly):
    """Folded, rows of two kinds change places in the list of what was left."""
    left = sorted(assembly.unattributed, key=lambda left: (left.kind, left.reason))
    return assembly.session, assembly.turns, left, assembly.faults, assembly.lost


REPLY = st.lists(
    st.tuples(
        st.sampled_from([Kind.OUTPUT_AUDIO_DELTA, Kind.OUTPUT_TRANSCRIPT_DELTA, Kind.ITEM_DONE]),
        st.sampled_from(["resp_0", "resp_0", "resp_other", None]),
        st.integers(-50, 200),
        st.none() | st.integers(0, 300),
        st.none() | st.integers(0, 300),
    ),
    max_size=30,
)


@given(reply=REPLY, lost=st.sets(st.integers(0, 40), max_size=3))
def test_folded_deltas_say_what_each_of_them_said(new_trace, reply, lost):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    ms = 3600
    for kind, response_id, later_ms, audio_ms, silence_ms in reply:
        ms += later_ms
        columns = {"audio_ms": audio_ms, "silence_ms": silence_ms}
        columns = columns if kind is Kind.OUTPUT_AUDIO_DELTA else {}
        trace.add(kind, ms, response_id=response_id, **columns)
    rows = [row for row in trace.rows if row.seq not in lost]
    ((_, folded),) = sessions_of(in_pieces(rows, 100))
    assert by_reason(assemble_session(folded)) == by_reason(assemble_session(rows))
    runs = [row for row in folded if isinstance(row, DeltaRun)]
    assert len(folded) == len(rows) - sum(run.last_seq - run.seq for run in runs)
    assert all(len(run.audio) + run.text_count == run.last_seq - run.seq + 1 for run in runs)


def test_a_reply_in_one_go_is_one_row(new_trace):
    trace = new_trace(opened=False)
    trace.utterance(0, 1000)
    for ms in range(0, 100, 10):
        trace.delta("resp_0", 3000 + ms, 100, 0 if ms == 0 else None)
        trace.add(Kind.OUTPUT_TRANSCRIPT_DELTA, 3005 + ms, response_id="resp_0")
    ((_, (_, run)),) = sessions_of(in_pieces(trace.rows))
    assert (run.seq, run.last_seq, run.text_count) == (1, 20, 10)
    assert run.at_ns == trace.ns(3095)
    assert run.first_text_ns == trace.ns(3005)
    assert [delta.at_ns for delta in run.audio] == [
        trace.ns(3000 + ms) for ms in range(0, 100, 10)
    ]
    assert [delta.silence_ms for delta in run.audio] == [0] + [None] * 9

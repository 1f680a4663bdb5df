"""From tables to the record of a run, its turns table and its summary."""

from __future__ import annotations

import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.analysis.clock import RunClock, worker_of
from bench.analysis.metrics import METRICS, TURN_METRICS
from bench.analysis.record import read_record
from bench.analysis.statistics import distribution
from bench.analysis.summary import summarise
from bench.analysis.tables import COLUMNS, INSTANTS, turns_arrow, turns_table
from bench.analysis.truth import measurement_error
from bench.analysis.turns import assemble_session
from bench.runs.event import APPEND_SCHEMA
from tests.analysis.pieces import in_pieces

RUN = {
    "run_id": "r1",
    "ended_at": "2030-01-01T00:00:00Z",
    "workers": {
        "w0": {"ended": "closed", "clock_anchors": [{"monotonic_ns": 0, "realtime_ns": 5 * 10**9}]}
    },
}


def renamed(rows, session_id):
    return [row._replace(session_id=session_id) for row in rows]


@pytest.fixture
def sessions(golden):
    """One session for each golden trace."""
    return {
        f"w0-{number:05d}": renamed(golden[name], f"w0-{number:05d}")
        for number, name in enumerate(sorted(golden))
    }


@pytest.fixture
def events(sessions):
    rows = sorted((row for rows in sessions.values() for row in rows), key=lambda row: row.at_ns)
    return in_pieces(rows)


def test_no_events():
    record = read_record(RUN, in_pieces([]), [])
    summary = summarise(RUN, record, "1.0")
    assert summary["turns"]["started"] == 0
    assert summary["validity"]["valid"] is False
    assert list(record.turns_table().columns) == list(COLUMNS)


def test_columns_are_the_documented_ones(events):
    table = read_record(RUN, events, []).turns_table()
    assert list(table.columns) == [
        *("session_id", "turn_index", "kind", "expects", "interrupts"),
        *("utterance", "category", "outcome", "turn_class"),
        *("cut_off", "cut_off_pause"),
        *("started_ns", "speech_start_ns", "speech_end_ns", "speech_started_ns"),
        *("speech_stopped_ns", "requested_ns", "tool_call_ns", "tool_result_ns"),
        "tool_reply_ns",
        *("response_created_ns", "first_audio_ns", "first_audible_ns"),
        *("last_audio_ns", "response_done_ns", "transcript_done_ns"),
        *("first_output_transcript_ns", "ended_ns", "item_id", "response_id"),
        *("response_status", "delta_count", "reply_ms", "error", "censored_ms"),
        "since_start_s",
        *(metric.name for metric in TURN_METRICS if metric.name != "cut_off"),
    ]


def test_no_instant_loses_a_nanosecond(events, tmp_path):
    record = read_record(RUN, events, [])
    path = tmp_path / "turns.parquet"
    pq.write_table(turns_arrow(record.turns_table()), path)
    stored = pq.read_table(path)
    assert all(stored.schema.field(name).type == pa.int64() for name in INSTANTS)
    turns = sorted(record.turns, key=lambda turn: (turn.session_id, turn.turn_index))
    for name in (*INSTANTS, "cut_off_pause", "item_id", "error", "outcome", "reply_ms"):
        assert stored[name].to_pylist() == [getattr(turn, name) for turn in turns]
    for metric in TURN_METRICS:
        if metric.name != "cut_off":
            assert stored[metric.name].to_pylist() == [metric.measure(turn) for turn in turns]


def test_types_do_not_depend_on_what_came(golden):
    for name in ("clean", "never_heard"):
        table = turns_table(assemble_session(golden[name]).turns)
        assert turns_arrow(table).schema.types == turns_arrow(turns_table([])).schema.types
        assert isinstance(table["first_audio_ns"].dtype, pd.Int64Dtype)


def test_seconds_since_the_start_by_anchors():
    spans = {"w0": (100 * 10**9, 130 * 10**9), "w1": (7 * 10**9, 20 * 10**9), "w2": (3, 4)}
    anchors = {"w0": (90, 1000), "w1": (5, 1015)}  # begin at 1,010 s and 1,017 s
    run = {
        "workers": {
            worker: {
                "clock_anchors": [{"monotonic_ns": m * 10**9, "realtime_ns": r * 10**9}],
            }
            for worker, (m, r) in anchors.items()
        }
    }
    clock = RunClock.of_run(run, spans)
    assert clock.since_start_s("w0-00001", 101 * 10**9) == 1
    assert clock.since_start_s("w1-00001", 7 * 10**9) == 7
    assert clock.since_start_s("w2-00001", 3) == 0
    assert clock.since_start_s("w9-00001", 3) is None
    assert clock.duration_s == 30
    assert worker_of("host-a-00012") == "host-a"


def test_warm_up_counts_from_the_first_event(golden):
    everything = read_record(RUN, in_pieces(renamed(golden["two_turns"], "w0-1")), [], 6.251)
    assert [turn.turn_class for turn in everything.turns] == ["cold", "warmup"]
    later = read_record(RUN, in_pieces(renamed(golden["two_turns"], "w0-1")), [], 6.25)
    assert [turn.turn_class for turn in later.turns] == ["cold", "measured"]


def warm(rows):
    """The same session with its turns numbered from 1, so that none is cold."""

    def renumbered(row):
        detail = json.loads(row.detail) if row.detail else {}
        if "turn" not in detail:
            return row
        turn = detail["turn"] + 1
        return row._replace(turn_index=turn, detail=json.dumps({**detail, "turn": turn}))

    return [renumbered(row) for row in rows]


def test_summary(golden):
    rows = [
        row
        for number, name in enumerate(["clean", "no_reply", "mid_pause", "disconnect"])
        for row in renamed(warm(golden[name]), f"w0-{number}")
    ]
    rows += renamed(golden["two_turns"], "w0-9")
    frames = pa.table(
        [["w0-0", "w0-0"], [0, 1], [0, 20_000_000], [1_000_000, 22_000_000], [None, None]],
        schema=APPEND_SCHEMA,
    )
    record = read_record(RUN, in_pieces(rows), [frames])
    summary = summarise(RUN, record, "1.0")
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert list(summary) == [
        *("schema_version", "rtbench_version", "run_id", "validity", "duration_s", "sessions"),
        *("turns", "metrics", "intervals", "rates", "usage", "by_utterance", "pacing"),
        *("client_lag_ms", "unattributed", "errors"),
    ]
    assert summary["validity"] == {"valid": True, "reasons": [], "warnings": []}
    assert summary["sessions"] == {"started": 5, "opened": 5, "failed": 0}
    turns = summary["turns"]
    assert (turns["started"], turns["measured"], turns["cold"], turns["cut_off"]) == (6, 5, 1, 1)
    assert (turns["warmup"], turns["unreviewed"]) == (0, 0)
    assert {name: count for name, count in turns["outcomes"].items() if count} == {
        "ok": 3,
        "no_reply": 1,
        "cut_off": 1,
        "disconnected": 1,
    }
    ttfa = summary["metrics"]["ttfa_ms"]
    assert (ttfa["n"], ttfa["censored"], ttfa["missing"]) == (3, 1, 0)  # not the cut-off one
    assert ttfa["p99"] == {"value": 15_000, "censored": True, "enough": False}
    assert summary["metrics"]["transcript_ms"]["missing"] == 2
    assert summary["metrics"]["connect_ms"]["n"] == 5
    assert summary["by_utterance"]["other"]["metrics"]["ttfa_ms"]["p50"]["value"] == 800
    clip = summary["by_utterance"]["clip"]
    assert (clip["turns"], clip["cut_off"], clip["cut_off_by_pause"]) == (4, 1, {"1": 1})
    assert list(summary["metrics"]) == [m.name for m in METRICS.values() if not m.is_rate]
    assert list(summary["rates"]) == [m.name for m in METRICS.values() if m.is_rate]
    counted = {name: (rate["hits"], rate["n"]) for name, rate in summary["rates"].items()}
    assert counted == {
        "failed": (2, 6),
        "cut_off": (1, 6),
        "missed_turn": (1, 5),  # nobody knows of the one whose connection broke
        "false_turn": (0, 0),
        "false_interruption": (0, 3),
    }
    assert summary["rates"]["false_turn"]["value"] is None
    assert summary["rates"]["cut_off"]["value"] == pytest.approx(1 / 6)
    assert summary["rates"]["cut_off"]["low"] < 1 / 6 < summary["rates"]["cut_off"]["high"]
    assert summary["usage"] == {
        "input_tokens": None,
        "output_tokens": None,
        "cost_usd": None,
        "prices": None,
    }
    assert summary["metrics"]["pacing_lateness_ms"] == summary["pacing"]["lateness_ms"]
    assert summary["metrics"]["client_lag_ms"] == summary["client_lag_ms"]
    assert summary["pacing"]["lateness_ms"]["max"] == 2
    assert summary["errors"] == [
        {
            "class": "closed_by_network",
            "message": "code 1006, connection reset",
            "count": 1,
            "first_s": 4.2,
            "last_s": 4.2,
        }
    ]


def untrusted(rows):
    """The same session, said with a clip whose label awaits review."""

    def marked(row):
        detail = json.loads(row.detail) if row.detail else {}
        if "utterance" not in detail:
            return row
        return row._replace(detail=json.dumps({**detail, "trusted": False}))

    return [marked(row) for row in rows]


def test_turns_of_unreviewed_clips_are_counted_and_make_no_figure(golden):
    rows = renamed(warm(golden["clean"]), "w0-0") + renamed(
        untrusted(warm(golden["clean"])), "w0-1"
    )
    rows += renamed(untrusted(golden["no_reply"]), "w0-2")
    record = read_record(RUN, in_pieces(rows), [], warmup_s=0.0)
    assert [turn.turn_class for turn in record.turns] == ["measured", "unreviewed", "unreviewed"]
    assert record.turns_table()["turn_class"].tolist() == [t.turn_class for t in record.turns]
    summary = summarise(RUN, record, "1.0")
    turns = summary["turns"]
    assert (turns["started"], turns["measured"], turns["unreviewed"]) == (3, 1, 2)
    assert (turns["cold"], turns["warmup"]) == (0, 0)
    assert turns["outcomes"]["no_reply"] == 1
    ttfa = summary["metrics"]["ttfa_ms"]
    assert (ttfa["n"], ttfa["censored"], ttfa["missing"]) == (1, 0, 0)
    assert summary["by_utterance"]["clip"]["turns"] == 1
    only = summarise(RUN, read_record(RUN, in_pieces(untrusted(golden["clean"])), []), "1.0")
    assert only["validity"]["reasons"] == [
        "No turn was measured: each was cold, in warm-up or unreviewed, or none was begun.",
    ]


def test_error_against_the_truth(golden, new_trace):
    turns = [
        turn
        for name in ("two_turns", "mid_pause", "no_reply")
        for turn in assemble_session(golden[name]).turns
    ]
    ns = new_trace(opened=False).ns
    truth = [
        {"kind": "segment", "speech_stopped_ns": 1},
        {
            "response_id": "resp_0",
            "item_id": "item_0",
            "speech_stopped_ns": ns(3539.5),
            "first_audio_ns": ns(3899.75),
        },
        {"response_id": "resp_1", "speech_stopped_ns": ns(8549), "first_audio_ns": None},
    ]
    error = measurement_error(turns, truth)
    assert (error.matched, error.unmatched) == (2, 1)
    assert error.response_latency_ms == distribution([-0.25], missing=1)
    assert error.speech_stopped_ms == distribution([0.5, 1.0])
    assert error.first_audio_ms == distribution([0.25], missing=1)


def test_a_reply_to_another_item_says_nothing_of_this_stop(golden, new_trace):
    turns = assemble_session(golden["clean"]).turns
    line = {"response_id": "resp_0", "item_id": "item_x", "speech_stopped_ns": 1}
    error = measurement_error(turns, [line])
    assert error.speech_stopped_ms == distribution([], missing=1)


def test_every_metric_is_found_by_its_own_name():
    assert list(METRICS)[:2] == ["ttfa_ms", "voice_to_voice_ms"]
    assert all(name == metric.name for name, metric in METRICS.items())
    assert {metric.better for metric in METRICS.values()} == {"lower", "higher", "none"}


def turns_file(pieces):
    """The bytes of turns.parquet."""
    buffer = io.BytesIO()
    pq.write_table(turns_arrow(read_record(RUN, pieces, []).turns_table()), buffer)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def all_sessions(golden):
    """Rows of two workers, and the turns that they make when they lie in the order of time."""
    rows = [
        row._replace(session_id=f"w{number % 2}-{number:05d}")
        for number, name in enumerate(sorted(golden))
        for row in golden[name]
    ]
    return rows, turns_file(in_pieces(sorted(rows, key=lambda row: row.at_ns), len(rows)))


def test_turns_are_the_same_bytes_when_workers_lie_one_after_the_other(all_sessions):
    rows, expected = all_sessions
    by_worker = [row for worker in ("w0", "w1") for row in rows if row.session_id[:2] == worker]
    assert turns_file(in_pieces(by_worker, 50)) == expected


@given(order=st.randoms(use_true_random=True), size=st.integers(5, 200))
@settings(max_examples=50)
def test_turns_are_the_same_bytes_however_the_events_lie(all_sessions, order, size):
    rows, expected = all_sessions
    shuffled = order.sample(rows, len(rows))
    assert turns_file(in_pieces(shuffled, size)) == expected

"""Whom late frames of our own excuse."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest

from bench.analysis.late_frames import LateFrames
from bench.analysis.metrics import METRICS
from bench.analysis.turns import assemble_session
from bench.runs.event import APPEND_SCHEMA


def frames(zero_ns, *rows, session_id="w0-00001"):
    """Frames (due ms, how late ms or None if never sent) of a session."""
    due = [zero_ns + round(due_ms * 1e6) for due_ms, _ in rows]
    sent = [
        None if late is None else at + round(late * 1e6)
        for at, (_, late) in zip(due, rows, strict=True)
    ]
    columns = [[session_id] * len(rows), list(range(len(rows))), due, sent, [None] * len(rows)]
    return pa.table(columns, schema=APPEND_SCHEMA)


def excused(rows, *batches):
    late = LateFrames()
    for batch in batches:
        late.add(batch)
    return late.excuse(assemble_session(rows).turns)


@pytest.fixture
def zero_ns(new_trace):
    return new_trace(opened=False).ns(0)


@pytest.mark.parametrize(
    ("due_ms", "late_ms", "outcome"),
    [
        (1_320, 10.1, "client_late"),  # the speech lies from 1,300 to 3,000 ms
        (3_000, 10.1, "client_late"),
        (3_020, 10.1, "client_late"),  # it carries the last of it
        (2_000, 10.0, "missed_turn"),
        (1_300, 50.0, "missed_turn"),  # it ends where the speech begins
        (3_120, 50.0, "missed_turn"),
        (2_000, None, "missed_turn"),
    ],
)
def test_a_late_frame_of_the_speech_excuses_the_target(golden, zero_ns, due_ms, late_ms, outcome):
    (turn,) = excused(golden["never_heard"], frames(zero_ns, (due_ms, late_ms)))
    assert turn.outcome == outcome
    assert (METRICS["ttfa_ms"].bound(turn) is None) is (outcome == "client_late")
    assert METRICS["failed"].measure(turn) is (None if outcome == "client_late" else True)


def test_what_late_frames_cannot_bring_about_stays(golden, zero_ns):
    late = frames(zero_ns, (2_000, 500.0))
    for name in ("clean", "audio_less", "disconnect", "stopped"):
        assert excused(golden[name], late) == assemble_session(golden[name]).turns


def test_a_turn_cut_off_in_a_hole_of_ours_keeps_what_was_felt(golden, zero_ns):
    (turn,) = excused(golden["mid_pause"], frames(zero_ns, (1_900, 400.0)))
    (plain,) = assemble_session(golden["mid_pause"]).turns
    assert turn == dataclasses.replace(plain, outcome="client_late")
    assert METRICS["cut_off"].measure(turn) is None


def test_only_its_own_session_excuses_a_turn(golden, zero_ns):
    other = frames(zero_ns, (2_000, 50.0), session_id="w0-00002")
    on_time = frames(zero_ns, (1_980, 0.2), (2_000, 0.1))
    (turn,) = excused(golden["never_heard"], other, on_time)
    assert turn.outcome == "missed_turn"
    (turn,) = excused(golden["never_heard"], other, on_time, frames(zero_ns, (2_020, 11.0)))
    assert turn.outcome == "client_late"


def test_what_the_target_held_back_is_no_lateness_of_ours(golden, zero_ns):
    due_ns = zero_ns + 2_000_000_000
    held = pa.table(
        [["w0-00001"], [0], [due_ns], [due_ns + 10**9], [due_ns + 10**6]], schema=APPEND_SCHEMA
    )
    (turn,) = excused(golden["never_heard"], held)
    assert turn.outcome == "missed_turn"

"""What golden traces say: instants by hand, outcomes by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.turn_figures import TurnFigures
from bench.analysis.turns import assemble_session
from bench.dialects.base import Kind


def only_turn(rows):
    turns = assemble_session(rows).turns
    assert len(turns) == 1
    return turns[0]


def measured(turn):
    return {
        name: metric.measure(turn) for name, metric in METRICS.items() if metric.scope == "turn"
    }


def test_clean_turn(golden, new_trace):
    turn = only_turn(golden["clean"])
    ns = new_trace(opened=False).ns
    assert turn.outcome == "ok"
    assert (turn.turn_class, turn.cut_off, turn.cut_off_pause) == ("cold", False, None)
    assert (turn.started_ns, turn.speech_start_ns) == (ns(1000), ns(1300))
    assert (turn.speech_end_ns, turn.ended_ns) == (ns(3000), ns(4400))
    assert (turn.item_id, turn.response_id) == ("item_0", "resp_0")
    assert (turn.response_status, turn.end_reason, turn.error) == ("completed", "done", None)
    assert (turn.delta_count, turn.reply_ms) == (3, 400)
    assert measured(turn) == {
        "ttfa_ms": 900,
        "voice_to_voice_ms": 1040,  # second delta plays from 4,000 and is audible 40 ms in
        "endpointing_delay_ms": 540,
        "response_latency_ms": 360,
        "model_latency_ms": 340,
        "onset_delay_ms": 120,
        "transcript_ms": 700,
        "transcript_lead_ms": -5,
        "barge_in_detect_ms": None,
        "barge_in_stop_ms": None,
        "overrun_ms": None,
        "tool_call_ms": None,
        "tool_reply_ms": None,
        "delivery_factor": 40,
        "stall_count": 0,
        "stall_ms": 0,
        "stall_share": 0,
        "wer": None,  # the clip's label holds no text
        "failed": False,
        "cut_off": False,
        "missed_turn": False,
        "false_turn": None,
        "false_interruption": False,
        "input_tokens": None,
        "output_tokens": None,
        "cost_usd": None,
    }


def test_session_instants(golden):
    session = assemble_session(golden["clean"]).session
    assert METRICS["connect_ms"].measure(session) == 50
    assert METRICS["setup_ms"].measure(session) == 100
    assert session.failed_class is None


def test_a_failed_connect(new_trace):
    trace = new_trace(opened=False)
    trace.note(Kind.CONNECT_STARTED, 0)
    trace.note(Kind.CONNECT_FAILED, 5, detail={"class": "http_429", "message": "Too Many"})
    assembly = assemble_session(trace.rows)
    assert assembly.session.failed_class == "http_429"
    assert METRICS["connect_ms"].measure(assembly.session) is None
    assert [(fault.fault_class, fault.message) for fault in assembly.faults] == [
        ("http_429", "Too Many")
    ]


def test_cut_off_keeps_what_was_felt(golden):
    turn = only_turn(golden["mid_pause"])
    assert (turn.outcome, turn.cut_off, turn.cut_off_pause) == ("cut_off", True, 1)
    assert (turn.item_id, turn.response_id) == ("item_a", "resp_a")
    assert measured(turn)["endpointing_delay_ms"] == -660
    assert measured(turn)["ttfa_ms"] == -500
    assert measured(turn)["transcript_ms"] == 545


def test_cut_off_without_a_reply_in_the_end(golden):
    rows = [row for row in golden["mid_pause"] if row.response_id != "resp_b"]
    ended = rows[-1]._replace(detail='{"turn": 0, "reason": "watchdog"}')
    turn = only_turn([*rows[:-1], ended])
    assert (turn.outcome, turn.cut_off) == ("no_reply", True)


def test_a_stop_exactly_at_the_end_of_speech_is_no_cut_off(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.stop("item_0", 3000, 2990)
    trace.reply("resp_0", 3000, 3005)
    trace.ended(0, 4000)
    assert only_turn(trace.rows).outcome == "ok"
    trace.rows = [
        row._replace(at_ns=row.at_ns - 1) if row.kind == "speech_stopped" else row
        for row in trace.rows
    ]
    assert only_turn(trace.rows).outcome == "cut_off"


def test_reply_audio_before_the_end_of_speech_is_a_cut_off(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000, pauses=((800, 1500),))
    trace.add(Kind.COMMITTED, 2400, item_id="item_0")
    trace.reply("resp_0", 2500, 2999)
    trace.ended(0, 4000)
    turn = only_turn(trace.rows)
    assert (turn.outcome, turn.speech_stopped_ns, turn.cut_off_pause) == ("cut_off", None, None)
    assert measured(turn)["ttfa_ms"] == -1


@pytest.mark.parametrize(
    ("name", "outcome", "bound_ms"),
    [
        ("no_reply", "no_reply", 15_000),
        ("never_heard", "missed_turn", 15_000),
        ("audio_less", "audio_less", 801),
        ("stopped", "stopped", None),  # the run's end says nothing of the target
    ],
)
def test_turns_without_audio_are_censored(golden, name, outcome, bound_ms):
    turn = only_turn(golden[name])
    assert turn.outcome == outcome
    assert measured(turn)["ttfa_ms"] is None
    assert METRICS["ttfa_ms"].bound(turn) == bound_ms
    assert METRICS["voice_to_voice_ms"].bound(turn) == bound_ms


@pytest.mark.parametrize(
    ("silence_ms", "first_audible_ms", "missing"),
    [(100, None, 0), (None, None, 1), (40, 3_940, 0)],
)
def test_a_reply_that_was_perhaps_heard_where_nothing_was_kept_is_missing(
    new_trace, silence_ms, first_audible_ms, missing
):
    """Of a message too long to keep its silence may be unknown: no bound is known, either."""
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.stop("item_0", 3540, 3500)
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    trace.delta("resp_0", 3800, 100, 100)
    trace.delta("resp_0", 3900, 100, silence_ms)
    trace.delta("resp_0", 3990, 100, 0 if silence_ms is None else None)
    if silence_ms == 100:
        trace.rows.pop()
    trace.done("resp_0", 4000)
    trace.ended(0, 4400)
    turn = only_turn(trace.rows)
    assert turn.first_audible_ns == (first_audible_ms and trace.ns(first_audible_ms))
    spread = TurnFigures.of([turn]).spread("voice_to_voice_ms", np.ones(1, dtype=bool))
    censored = int(silence_ms == 100)
    assert (spread.n, spread.censored, spread.missing) == (
        1 - censored - missing,
        censored,
        missing,
    )
    assert measured(turn)["ttfa_ms"] == 800


def test_never_heard_waited_for_a_stop_and_not_for_a_response(golden):
    turn = only_turn(golden["never_heard"])
    assert METRICS["endpointing_delay_ms"].bound(turn) == 15_000
    assert METRICS["response_latency_ms"].bound(turn) is None


def test_stopped_while_still_speaking_is_missing_not_censored(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.ended(0, 2000, "stopped")
    assert METRICS["ttfa_ms"].bound(only_turn(trace.rows)) is None


def test_disconnect_mid_reply(golden):
    turn = only_turn(golden["disconnect"])
    assert turn.outcome == "disconnected"
    assert turn.error == "closed_by_network: code 1006, connection reset"
    assert measured(turn)["ttfa_ms"] == 900
    assert measured(turn)["delivery_factor"] is None


def test_a_whole_reply_is_ok_though_the_session_was_lost_while_it_played(golden):
    rows = [row for row in golden["clean"] if row.kind not in {"turn_ended", "closed"}]
    ended = next(row for row in golden["clean"] if row.kind == "turn_ended")
    for reason in ("disconnected", "stopped"):
        note = ended._replace(detail=f'{{"turn": 0, "reason": "{reason}"}}')
        assert only_turn([*rows, note]).outcome == "ok"


def test_a_killed_process_leaves_turns_stopped(golden, new_trace):
    rows = [row for row in golden["no_reply"] if row.kind != "turn_ended"]
    turn = only_turn(rows)
    assert (turn.outcome, turn.ended_ns) == ("stopped", None)
    assert turn.observed_until_ns == new_trace(opened=False).ns(3541)
    assert METRICS["ttfa_ms"].bound(turn) is None


def test_two_turns_in_one_session(golden):
    first, second = assemble_session(golden["two_turns"]).turns
    assert (first.turn_class, second.turn_class) == ("cold", "measured")
    assert (first.utterance, second.utterance) == ("clip", "other")
    assert measured(first)["transcript_ms"] == 3100
    assert measured(second)["transcript_ms"] == 900
    assert measured(second)["ttfa_ms"] == 800


@pytest.mark.parametrize(
    ("said", "turn_class"),
    [
        ({}, "measured"),
        ({"trusted": None}, "measured"),
        ({"trusted": True}, "measured"),
        ({"trusted": False}, "unreviewed"),
    ],
)
def test_a_label_that_awaits_review_sets_its_turn_apart(golden, said, turn_class):
    rows = [
        row._replace(detail=json.dumps({**json.loads(row.detail), **said}))
        if row.kind == "utterance" and row.turn_index == 1
        else row
        for row in golden["two_turns"]
    ]
    turns = assemble_session(rows).turns
    assert [turn.turn_class for turn in turns] == ["cold", turn_class]
    assert turns[1].first_audio_ns == assemble_session(golden["two_turns"]).turns[1].first_audio_ns


def test_a_label_that_awaits_review_matters_more_than_cold_or_warm_up(golden):
    rows = [
        row._replace(detail=json.dumps({**json.loads(row.detail), "trusted": False}))
        if row.kind == "utterance"
        else row
        for row in golden["two_turns"]
    ]
    turns = assemble_session(rows, warm_until_ns=2**62).turns
    assert [turn.turn_class for turn in turns] == ["unreviewed", "unreviewed"]


def test_warm_up_is_told_by_when_the_utterance_began(golden):
    rows = golden["two_turns"]
    begun_ns = assemble_session(rows).turns[1].started_ns
    for until_ns, turn_class in ((begun_ns, "measured"), (begun_ns + 1, "warmup")):
        turns = assemble_session(rows, until_ns).turns
        assert [turn.turn_class for turn in turns] == ["cold", turn_class]


def test_repeated_deltas_are_played_and_counted(golden):
    assembly = assemble_session(golden["repeated_deltas"])
    turn = assembly.turns[0]
    assert (turn.outcome, turn.delta_count, turn.reply_ms) == ("ok", 4, 400)
    assert (turn.response_status, measured(turn)["ttfa_ms"]) == ("completed", 900)
    assert [(left.reason, left.count) for left in assembly.unattributed] == [
        ("response created before", 1),
        ("response done before", 1),
    ]


def test_noise_before_the_speech_is_no_end_of_turn(golden):
    turn = only_turn(golden["noise_first"])
    assert (turn.outcome, turn.cut_off) == ("ok", False)
    assert (turn.item_id, turn.response_id) == ("item_0", "resp_0")
    assert measured(turn)["onset_delay_ms"] == 120
    assert measured(turn)["endpointing_delay_ms"] == 540


def test_noise_after_the_speech_is_no_end_of_turn(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_n", (5000, 4700), (5600, 5500))
    trace.reply("resp_n", 5610, 5700)
    trace.ended(0, 18_000, "watchdog")
    turn = only_turn(trace.rows)
    assert (turn.outcome, turn.speech_started_ns, turn.speech_stopped_ns) == (
        "no_reply",
        None,
        None,
    )


def test_a_stop_held_back_belongs_to_the_utterance_it_ends(golden):
    first, second = assemble_session(golden["late_stop"]).turns
    assert (first.item_id, first.response_id) == ("item_0", "resp_0")
    assert (second.item_id, second.response_id) == ("item_1", "resp_1")
    assert (first.outcome, second.outcome) == ("ok", "ok")


def test_a_server_that_counts_from_its_last_commit_is_read_by_arrival(new_trace):
    trace = new_trace()
    trace.clean_turn(0, 1000)
    trace.utterance(1, 9000)
    trace.speech("item_1", (9420, 300), (11_540, 2500))
    trace.reply("resp_1", 11_560, 11_900)
    trace.ended(1, 12_400)
    second = assemble_session(trace.rows).turns[1]
    assert (second.outcome, second.item_id, second.cut_off) == ("ok", "item_1", False)
    assert measured(second)["ttfa_ms"] == 900


def test_without_positions_arrival_decides(golden):
    with_positions = assemble_session(golden["two_turns"]).turns
    rows = [row._replace(server_ms=None) for row in golden["two_turns"]]
    assert assemble_session(rows).turns == with_positions


def test_interrupted_by_no_one(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    trace.delta("resp_0", 3900, 100, 0)
    trace.done("resp_0", 4100, "cancelled", reason="turn_detected")
    trace.ended(0, 19_000, "watchdog")
    turn = only_turn(trace.rows)
    assert turn.outcome == "false_interruption"
    assert measured(turn)["false_interruption"] is True


@pytest.mark.parametrize(
    ("detail", "outcome", "error"),
    [
        ({"status": "failed", "error_code": "server_error"}, "server_error", "server_error"),
        (
            {"status": "failed", "error_code": "rate_limit_exceeded"},
            "rate_limited",
            "rate_limit_exceeded",
        ),
        (
            {"status": "incomplete", "reason": "max_output_tokens"},
            "server_error",
            "max_output_tokens",
        ),
    ],
)
def test_failed_responses(new_trace, detail, outcome, error):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    trace.done("resp_0", 3600, **detail)
    trace.ended(0, 3601)
    turn = only_turn(trace.rows)
    assert (turn.outcome, turn.error) == (outcome, error)
    assert turn.response_status == detail["status"]


@pytest.mark.parametrize(
    ("code", "outcome"), [("session_expired", "server_error"), ("rate_limit", "rate_limited")]
)
def test_an_error_instead_of_a_response(new_trace, code, outcome):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.ERROR, 3600, detail={"code": code, "message": "no"})
    trace.ended(0, 18_000, "watchdog")
    turn = only_turn(trace.rows)
    assert (turn.outcome, turn.error) == (outcome, f"{code}: no")


def test_most_errors_harm_no_turn(golden, new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.add(Kind.ERROR, 1500, detail={"type": "invalid_request_error", "message": "no"})
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.reply("resp_0", 3560, 3900)
    trace.ended(0, 4400)
    assembly = assemble_session(trace.rows)
    assert (assembly.turns[0].outcome, assembly.turns[0].error) == ("ok", None)
    assert assembly.faults[0].fault_class == "invalid_request_error"


def test_a_refusal_followed_by_a_close_keeps_its_reason(new_trace):
    trace = new_trace()
    trace.utterance(0, 1000)
    trace.add(Kind.ERROR, 3600, detail={"code": "rate_limit_exceeded", "message": "slow down"})
    trace.closed(3601, "server", code=1008, reason="")
    trace.ended(0, 3601, "disconnected")
    turn = only_turn(trace.rows)
    assert (turn.outcome, turn.error) == ("rate_limited", "rate_limit_exceeded: slow down")


def test_nothing_is_guessed(new_trace):
    trace = new_trace()
    trace.add(Kind.RESPONSE_CREATED, 100, response_id="greeting")
    trace.delta("greeting", 120)
    trace.utterance(0, 1000)
    trace.delta("unknown", 1100)
    trace.transcript("unknown", 1200)
    trace.ended(7, 1300)
    trace.ended(0, 1400, "stopped")
    assembly = assemble_session(trace.rows)
    assert [(left.kind, left.reason) for left in assembly.unattributed] == [
        ("response_created", "response to no utterance"),
        ("output_audio_delta", "of a response that belongs to no turn"),
        ("output_audio_delta", "of a response that was never created"),
        ("input_transcript_done", "transcript of an item that belongs to no turn"),
        ("turn_ended", "end of a turn that was not begun, or had ended"),
    ]
    assert assembly.turns[0].delta_count == 0


def test_damaged_notes_are_listed(new_trace):
    trace = new_trace()
    trace.note(Kind.UTTERANCE, 900, detail="no json")
    trace.note(Kind.UTTERANCE, 950, detail={"turn": 3})
    trace.utterance(0, 1000)
    trace.utterance(0, 1100)
    assembly = assemble_session(trace.rows)
    assert len(assembly.turns) == 1
    assert [(left.kind, left.reason, left.count) for left in assembly.unattributed] == [
        ("utterance", "utterance note without its labels", 2),
        ("utterance", "utterance note of a turn noted before", 1),
    ]


def test_no_rows():
    assembly = assemble_session([])
    assert (assembly.turns, assembly.unattributed, assembly.faults) == ([], [], [])


def test_every_outcome_is_listed_with_its_meaning():
    assert set(OUTCOMES) == {
        "ok",
        "talked_over",
        "hung_up",
        "no_transcript",
        "false_turn",
        "false_interruption",
        "cut_off",
        "no_reply",
        "missed_turn",
        "audio_less",
        "server_error",
        "rate_limited",
        "refused",
        "protocol_error",
        "disconnected",
        "client_late",
        "stopped",
    }
    assert all(outcome.meaning and outcome.look_at for outcome in OUTCOMES.values())

"""Turns that are no question and answer: how each is attributed, judged and measured."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analysis.latencies import LATENCIES
from bench.analysis.metrics import METRICS
from bench.analysis.turn import Turn
from bench.analysis.turns import SessionAssembly, assemble_session
from bench.dialects.base import Kind


def begin(trace: Any, turn: int, ms: float, kind: str, **fields: Any) -> None:
    """A turn of a kind: a clip of 2,100 ms with speech from 300 to 2,000 ms, or a request."""
    spoken = kind == "speech"
    detail = {
        "turn": turn,
        "kind": kind,
        "expects": "reply",
        "detection": "server_vad",
        "modality": "audio",
        "utterance": kind,
        "category": kind,
        "duration_ms": 2_100 if kind in {"speech", "sound"} else 0,
        "speech_start_ms": 300 if spoken else None if kind == "sound" else 0,
        "speech_end_ms": 2_000 if spoken else None if kind == "sound" else 0,
        "pauses": [],
        "watchdog_s": 15,
    } | fields
    trace.note(Kind.UTTERANCE, ms, audio_ms=ms, turn_index=turn, detail=detail)


def sent(trace: Any, kind: Kind, ms: float, **columns: Any) -> None:
    trace.add(kind, ms, direction="out", read_ns=None, **columns)


def assembled(trace: Any) -> SessionAssembly:
    return assemble_session(trace.rows)


def only(trace: Any) -> Turn:
    (turn,) = assembled(trace).turns
    return turn


def figures(turn: Turn) -> dict[str, float]:
    """Latencies that the turn has, and how much it was talked into."""
    values = {metric.name: metric.measure(turn) for metric in LATENCIES}
    return {name: value for name, value in values.items() if value is not None}


def bounds(turn: Turn) -> set[str]:
    """Metrics of which something missing would count as a lower bound."""
    return {
        name
        for name, metric in METRICS.items()
        if metric.scope == "turn" and metric.bound is not None and metric.bound(turn) is not None
    }


def test_a_manual_turn_counts_from_the_clients_commit(new_trace: Any) -> None:
    trace = new_trace()
    begin(trace, 0, 1_000, "speech", detection="none")
    sent(trace, Kind.COMMIT, 3_100)
    sent(trace, Kind.RESPONSE_CREATE, 3_101)
    trace.add(Kind.COMMITTED, 3_110, item_id="item_0")
    trace.reply("resp_0", 3_120, 3_500)
    trace.transcript("item_0", 3_300)
    trace.ended(0, 4_000)
    turn = only(trace)
    assert (turn.outcome, turn.response_id) == ("ok", "resp_0")
    assert figures(turn) == {
        "ttfa_ms": 500,
        "voice_to_voice_ms": 640,
        "response_latency_ms": 400,
        "model_latency_ms": 380,
        "transcript_ms": 300,
        "transcript_lead_ms": -5,
    }
    assert assembled(trace).unattributed == []


def test_what_nobody_is_to_find_is_not_missed(new_trace: Any) -> None:
    trace = new_trace()
    begin(trace, 0, 1_000, "speech", detection="none")
    sent(trace, Kind.COMMIT, 3_100)
    trace.ended(0, 18_100, "watchdog")
    turn = only(trace)
    assert turn.outcome == "no_reply"
    assert bounds(turn) == {"ttfa_ms", "voice_to_voice_ms", "response_latency_ms"}


@pytest.mark.parametrize("kind", ["text", "image", "request"])
def test_a_request_counts_from_itself_after_turns_of_another_kind(
    new_trace: Any, kind: str
) -> None:
    trace = new_trace()
    trace.clean_turn(0, 1_000)
    begin(trace, 1, 6_000, kind)
    sent(trace, Kind.ITEM_CREATE, 6_001, detail={"item_type": "message", "role": "user"})
    sent(trace, Kind.RESPONSE_CREATE, 6_002)
    trace.reply("resp_1", 6_020, 6_402)
    trace.ended(1, 7_000)
    assembly = assembled(trace)
    turn = assembly.turns[1]
    assert (turn.outcome, turn.response_id, turn.cut_off) == ("ok", "resp_1", False)
    assert figures(turn)["ttfa_ms"] == figures(turn)["response_latency_ms"] == 400
    assert "endpointing_delay_ms" not in figures(turn)
    assert assembly.unattributed == []


def test_a_reply_in_writing_is_whole_without_audio(new_trace: Any) -> None:
    trace = new_trace()
    begin(trace, 0, 1_000, "speech", modality="text")
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
    trace.add(Kind.OUTPUT_TEXT_DELTA, 3_700, response_id="resp_0")
    trace.done("resp_0", 3_900)
    trace.ended(0, 3_900)
    turn = only(trace)
    assert (turn.outcome, turn.first_output_transcript_ns) == ("ok", trace.ns(3_700))
    assert bounds(turn) == {"endpointing_delay_ms", "onset_delay_ms"}


class TestTools:
    def trace(self, new_trace: Any) -> Any:
        trace = new_trace()
        begin(trace, 0, 1_000, "speech")
        trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
        trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_a")
        called = {"call_id": "c", "name": "get_weather"}
        trace.add(Kind.TOOL_CALL, 3_800, response_id="resp_a", detail=called)
        trace.done("resp_a", 3_810)
        return trace

    def test_the_reply_is_the_one_after_the_result(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        result = {"item_type": "function_call_output", "call_id": "c"}
        sent(trace, Kind.ITEM_CREATE, 4_000, detail=result)
        sent(trace, Kind.RESPONSE_CREATE, 4_001)
        trace.reply("resp_b", 4_020, 4_300)
        trace.ended(0, 5_000)
        turn = only(trace)
        assert (turn.outcome, turn.response_id) == ("ok", "resp_b")
        told = figures(turn)
        assert (told["tool_call_ms"], told["tool_reply_ms"]) == (800, 300)
        assert (told["ttfa_ms"], told["endpointing_delay_ms"]) == (1_300, 540)
        assert told["ttfa_ms"] == told["endpointing_delay_ms"] + told["response_latency_ms"]
        assert assembled(trace).unattributed == []

    def test_a_call_that_nobody_answers_has_no_audio(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.ended(0, 3_810)
        turn = only(trace)
        assert (turn.outcome, turn.response_id) == ("audio_less", "resp_a")
        assert figures(turn)["tool_call_ms"] == 800


class TestTalkedOver:
    def trace(self, new_trace: Any, last_delta_ms: float) -> Any:
        """A reply from 3,900 ms on, over which the caller speaks from 5,300 ms on."""
        trace = new_trace()
        begin(trace, 0, 1_000, "speech")
        trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
        trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
        trace.delta("resp_0", 3_900, 4_000, 0)
        trace.ended(0, 4_990, "talked_over")
        begin(trace, 1, 5_000, "speech", interrupts=0, interrupted_at_ms=1_100)
        trace.delta("resp_0", last_delta_ms, 100)
        trace.add(Kind.SPEECH_STARTED, 5_450, server_ms=5_000, item_id="item_1")
        sent(trace, Kind.ITEM_TRUNCATE, 5_451, detail={"audio_end_ms": 1_550})
        trace.done("resp_0", 5_460, "cancelled", reason="turn_detected")
        trace.stop("item_1", 7_540, 7_500)
        trace.reply("resp_1", 7_560, 7_900)
        trace.ended(1, 8_400)
        return trace

    def test_is_no_failure_and_tells_how_soon_the_server_gave_way(self, new_trace: Any) -> None:
        trace = self.trace(new_trace, 5_440)
        over, by = assembled(trace).turns
        assert (over.outcome, over.response_status) == ("talked_over", "cancelled")
        assert figures(over)["ttfa_ms"] == 900
        assert (by.outcome, by.interrupts, by.response_id) == ("ok", 0, "resp_1")
        told = figures(by)
        assert (told["barge_in_detect_ms"], told["barge_in_stop_ms"]) == (150, 140)
        assert assembled(trace).unattributed == []

    def test_a_reply_that_had_come_whole_could_not_be_stopped(self, new_trace: Any) -> None:
        by = assembled(self.trace(new_trace, 5_200)).turns[1]
        assert "barge_in_stop_ms" not in figures(by)
        assert figures(by)["barge_in_detect_ms"] == 150


class TestOverlay:
    def trace(self, new_trace: Any) -> Any:
        trace = new_trace()
        begin(trace, 0, 1_000, "speech")
        trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
        trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
        trace.delta("resp_0", 3_900, 4_000, 0)
        detail = {"turn": 0, "utterance": "uhhuh", "speech_start_ms": 300, "speech_end_ms": 800}
        trace.note(Kind.OVERLAY, 5_000, audio_ms=5_000, turn_index=0, detail=detail)
        return trace

    def test_that_changes_nothing_is_as_it_should_be(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.done("resp_0", 5_460)
        trace.ended(0, 8_000)
        assert only(trace).outcome == "ok"

    def test_that_stops_the_server_is_a_false_interruption(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.add(Kind.SPEECH_STARTED, 5_450, server_ms=5_000, item_id="item_1")
        trace.done("resp_0", 5_460, "cancelled", reason="turn_detected")
        trace.stop("item_1", 6_400, 6_300)
        trace.reply("resp_1", 6_420, 6_800)
        trace.ended(0, 8_000)
        turn = only(trace)
        assert (turn.outcome, turn.response_id) == ("false_interruption", "resp_0")

    def test_that_stops_the_listener_is_one_too(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.done("resp_0", 4_500)
        trace.add(Kind.SPEECH_STARTED, 5_450, server_ms=5_000, item_id="item_1")
        sent(trace, Kind.ITEM_TRUNCATE, 5_451, detail={"audio_end_ms": 1_550})
        trace.ended(0, 8_000)
        assert only(trace).outcome == "false_interruption"


@pytest.mark.parametrize("kind", ["sound", "listen"])
class TestSilence:
    def test_is_as_it_should_be(self, new_trace: Any, kind: str) -> None:
        trace = new_trace()
        begin(trace, 0, 1_000, kind, expects="silence")
        trace.ended(0, 6_100)
        turn = only(trace)
        assert (turn.outcome, turn.cut_off, figures(turn), bounds(turn)) == (
            "ok",
            False,
            {},
            set(),
        )

    def test_that_is_answered_is_a_false_turn_without_a_latency(
        self, new_trace: Any, kind: str
    ) -> None:
        trace = new_trace()
        begin(trace, 0, 1_000, kind, expects="silence")
        trace.speech("item_0", (1_420, 1_100), (2_540, 2_500))
        trace.reply("resp_0", 2_560, 2_900)
        trace.ended(0, 6_100)
        turn = only(trace)
        assert (turn.outcome, turn.cut_off) == ("false_turn", False)
        assert "ttfa_ms" not in figures(turn)
        assert bounds(turn) <= {"onset_delay_ms"}


def test_a_server_that_speaks_to_an_idle_caller_is_heard(new_trace: Any) -> None:
    trace = new_trace()
    trace.clean_turn(0, 1_000)
    begin(trace, 1, 6_000, "listen")
    trace.add(Kind.IDLE_TIMEOUT, 11_000, item_id="item_9")
    trace.add(Kind.COMMITTED, 11_001, item_id="item_9")
    trace.reply("resp_9", 11_002, 11_300)
    trace.ended(1, 12_000)
    turn = assembled(trace).turns[1]
    assert (turn.outcome, turn.response_id) == ("ok", "resp_9")


@pytest.mark.parametrize(("written", "outcome"), [(True, "ok"), (False, "no_transcript")])
def test_a_turn_that_is_only_written_down(new_trace: Any, written: bool, outcome: str) -> None:
    trace = new_trace()
    begin(trace, 0, 1_000, "speech", expects="transcript")
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    if written:
        trace.transcript("item_0", 3_800)
    trace.ended(0, 18_100, "done" if written else "watchdog")
    turn = only(trace)
    assert turn.outcome == outcome
    assert ("transcript_ms" in figures(turn)) is written
    assert "ttfa_ms" not in bounds(turn)


def test_a_caller_who_hangs_up_lost_nothing_by_the_server(new_trace: Any) -> None:
    trace = new_trace()
    begin(trace, 0, 1_000, "text")
    sent(trace, Kind.RESPONSE_CREATE, 1_001)
    trace.add(Kind.RESPONSE_CREATED, 1_010, response_id="resp_0")
    trace.delta("resp_0", 1_300, 100, 0)
    trace.ended(0, 1_400, "hung_up")
    trace.closed(1_401)
    turn = only(trace)
    assert (turn.outcome, figures(turn)["ttfa_ms"]) == ("hung_up", 299)

"""What a turn holds besides its reply: asides, words, tokens, overruns, and what went wrong."""

from __future__ import annotations

from typing import Any

import pytest

from bench.analysis.metrics import METRICS
from bench.analysis.prices import Prices
from bench.analysis.turn import Turn
from bench.analysis.turns import assemble_session
from bench.dialects.base import Kind
from tests.analysis.kinds import begin, sent

BOTH = {
    "input_tokens": 100,
    "output_tokens": 50,
    "input_token_details": {"text_tokens": 20, "audio_tokens": 80},
    "output_token_details": {"text_tokens": 10, "audio_tokens": 40},
}


def only(trace: Any, prices: Prices | None = None) -> Turn:
    (turn,) = assemble_session(trace.rows, prices=prices).turns
    return turn


def value(turn: Turn, name: str) -> Any:
    return METRICS[name].measure(turn)


def heard(trace: Any) -> None:
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))


class TestOutOfBand:
    def ask(self, trace: Any, ms: float, **detail: Any) -> None:
        sent(trace, Kind.RESPONSE_CREATE, ms, detail={"conversation": "none", **detail})

    @pytest.mark.parametrize("first", ["aside", "reply"])
    def test_is_no_reply_whichever_comes_first(self, new_trace: Any, first: str) -> None:
        trace = new_trace()
        begin(trace)
        self.ask(trace, 3_000, metadata={"topic": "mood"})
        heard(trace)
        created = {"metadata": {"topic": "mood"}}
        for name in ("aside", "reply") if first == "aside" else ("reply", "aside"):
            detail = created if name == "aside" else None
            trace.add(Kind.RESPONSE_CREATED, 3_560, response_id=name, detail=detail)
        trace.delta("aside", 3_600, 100, 0)
        trace.delta("reply", 3_900, 100, 0)
        trace.done("aside", 3_950, usage=BOTH)
        trace.done("reply", 4_000, usage=BOTH)
        trace.ended(0, 4_100)
        assembly = assemble_session(trace.rows)
        (turn,) = assembly.turns
        assert (turn.outcome, turn.response_id, turn.delta_count) == ("ok", "reply", 1)
        assert value(turn, "ttfa_ms") == 900
        assert value(turn, "input_tokens") == 200  # it was paid for all the same
        assert assembly.unattributed == []

    def test_without_metadata_the_first_response_is_the_reply(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace)
        heard(trace)
        self.ask(trace, 3_550)
        trace.reply("reply", 3_560, 3_900)
        trace.reply("aside", 3_960, 4_000)
        trace.ended(0, 5_000)
        turn = only(trace)
        assert (turn.response_id, turn.response_status) == ("reply", "completed")

    def test_alone_it_answers_nothing(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace, detection="none")
        sent(trace, Kind.COMMIT, 3_100)
        trace.add(Kind.COMMITTED, 3_110, item_id="item_0")
        self.ask(trace, 3_150, metadata={"n": "1"})
        detail = {"metadata": {"n": "1"}}
        trace.add(Kind.RESPONSE_CREATED, 3_200, response_id="aside", detail=detail)
        trace.delta("aside", 3_300)
        trace.done("aside", 3_400)
        trace.ended(0, 18_000, "watchdog")
        turn = only(trace)
        assert (turn.outcome, turn.first_audio_ns) == ("no_reply", None)

    def test_is_what_a_turn_that_is_such_a_request_waits_for(self, new_trace: Any) -> None:
        trace = new_trace()
        trace.clean_turn(0, 1_000)
        begin(trace, 1, 6_000, kind="request")
        self.ask(trace, 6_001, metadata={"n": "1"})
        trace.add(
            Kind.RESPONSE_CREATED, 6_020, response_id="aside", detail={"metadata": {"n": "1"}}
        )
        trace.delta("aside", 6_301, 100, 0)
        trace.done("aside", 6_400)
        trace.ended(1, 6_500)
        turn = assemble_session(trace.rows).turns[1]
        assert (turn.outcome, value(turn, "ttfa_ms")) == ("ok", 300)


class TestToolsThatSpeakFirst:
    def trace(self, new_trace: Any) -> Any:
        """Says "let me see" with the call, and the answer after its result."""
        trace = new_trace()
        begin(trace)
        heard(trace)
        trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_a")
        trace.delta("resp_a", 3_700, 500, 0)
        trace.add(Kind.TOOL_CALL, 3_800, response_id="resp_a", detail={"call_id": "c"})
        trace.done("resp_a", 3_810)
        result = {"item_type": "function_call_output", "call_id": "c"}
        sent(trace, Kind.ITEM_CREATE, 4_000, detail=result)
        sent(trace, Kind.RESPONSE_CREATE, 4_001)
        trace.add(Kind.RESPONSE_CREATED, 4_020, response_id="resp_b")
        return trace

    def test_are_heard_at_the_first_word_and_answer_at_the_last(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.delta("resp_b", 4_300, 500, 0)
        trace.done("resp_b", 4_400)
        trace.ended(0, 5_000)
        turn = only(trace)
        assert (turn.outcome, turn.response_id) == ("ok", "resp_a")
        assert (value(turn, "ttfa_ms"), value(turn, "tool_reply_ms")) == (700, 300)
        assert value(turn, "tool_call_ms") == 800

    def test_fail_when_the_answer_does(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.done("resp_b", 4_400, "failed", error_code="server_error")
        trace.ended(0, 5_000)
        turn = only(trace)
        assert (turn.outcome, turn.error) == ("server_error", "server_error")
        assert value(turn, "tool_reply_ms") is None


class TestOverrun:
    def trace(self, new_trace: Any) -> Any:
        """The caller speaks over a reply from 5,300 ms on; 200 ms of it come after that."""
        trace = new_trace()
        begin(trace)
        heard(trace)
        trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
        trace.delta("resp_0", 3_900, 1_000, 0)
        trace.ended(0, 4_990, "talked_over")
        begin(trace, 1, 5_000, interrupts=0)
        for ms in (5_200, 5_300, 5_410):
            trace.delta("resp_0", ms, 100)
        trace.add(Kind.SPEECH_STARTED, 5_450, server_ms=5_000, item_id="item_1")
        trace.done("resp_0", 5_460, "cancelled", reason="turn_detected")
        trace.stop("item_1", 7_540, 7_500)
        trace.reply("resp_1", 7_560, 7_900)
        trace.ended(1, 8_400)
        return trace

    def test_is_the_audio_that_came_after_the_caller_began(self, new_trace: Any) -> None:
        over, by = assemble_session(self.trace(new_trace).rows).turns
        assert (value(over, "overrun_ms"), value(by, "overrun_ms")) == (None, 200)
        assert value(by, "barge_in_stop_ms") == 110
        assert (value(over, "false_interruption"), value(over, "failed")) == (None, False)

    def test_is_read_live_as_it_is_read_afterwards(self, new_trace: Any) -> None:
        rows = self.trace(new_trace).rows
        whole = assemble_session(rows).turns[1]
        begun = next(i for i, row in enumerate(rows) if row.at_ns == whole.started_ns)
        assert assemble_session(rows[begun:]).turns == [whole]

    def test_is_none_where_all_had_come_before(self, new_trace: Any) -> None:
        rows = [row for row in self.trace(new_trace).rows if row.audio_ms != 100]
        rows = [row._replace(seq=seq) for seq, row in enumerate(rows)]
        by = assemble_session(rows).turns[1]
        assert (value(by, "overrun_ms"), value(by, "barge_in_stop_ms")) == (0, None)

    def test_is_unknown_where_events_were_lost(self, new_trace: Any) -> None:
        rows = [r for r in self.trace(new_trace).rows if r.kind != "speech_started" or r.seq < 9]
        by = assemble_session(rows).turns[1]
        assert (value(by, "overrun_ms"), value(by, "barge_in_stop_ms")) == (None, None)


class TestWords:
    def trace(self, new_trace: Any, **fields: Any) -> Any:
        trace = new_trace()
        begin(trace, **fields)
        heard(trace)
        return trace

    def wer(self, trace: Any, *said: tuple[str, str]) -> Any:
        for number, (item, words) in enumerate(said):
            detail = {"transcript": words}
            trace.add(Kind.INPUT_TRANSCRIPT_DONE, 3_600 + number, item_id=item, detail=detail)
        trace.ended(0, 4_000)
        return value(only(trace), "wer")

    def test_are_counted_against_the_clips(self, new_trace: Any) -> None:
        assert self.wer(self.trace(new_trace), ("item_0", "turn the light off")) == 0.25

    def test_that_nobody_wrote_down_are_not_wrong(self, new_trace: Any) -> None:
        assert self.wer(self.trace(new_trace)) is None

    def test_of_an_empty_transcript_are_all_wrong(self, new_trace: Any) -> None:
        assert self.wer(self.trace(new_trace), ("item_0", "")) == 1.0

    def test_of_a_clip_without_text_cannot_be_wrong(self, new_trace: Any) -> None:
        assert self.wer(self.trace(new_trace, text=None), ("item_0", "hello")) is None

    def test_of_a_noise_beside_it_are_not_the_callers(self, new_trace: Any) -> None:
        trace = self.trace(new_trace)
        trace.speech("item_n", (3_700, 3_650), (4_300, 4_250))
        words = (("item_0", "Turn the lights off"), ("item_n", "uh-huh"))
        assert self.wer(trace, *words) == 0.0


class TestTokens:
    prices = Prices(
        text_in=4, text_cached=1, text_out=16, audio_in=32, audio_cached=1, audio_out=64
    )

    def turn(self, new_trace: Any, **detail: Any) -> Turn:
        trace = new_trace()
        begin(trace)
        heard(trace)
        trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
        trace.delta("resp_0", 3_900, 100, 0)
        trace.done("resp_0", 4_000, **detail)
        trace.ended(0, 4_100)
        return only(trace, self.prices)

    def test_are_counted_and_priced(self, new_trace: Any) -> None:
        turn = self.turn(new_trace, usage=BOTH)
        assert (value(turn, "input_tokens"), value(turn, "output_tokens")) == (100, 50)
        dollars = 20 * 4 + 80 * 32 + 10 * 16 + 40 * 64
        assert value(turn, "cost_usd") == pytest.approx(dollars / 1e6)

    def test_that_nobody_told_of_are_unknown(self, new_trace: Any) -> None:
        turn = self.turn(new_trace)
        assert (value(turn, "input_tokens"), value(turn, "cost_usd")) == (None, None)


class TestTroubles:
    def outcome(self, trace: Any, reason: str = "watchdog") -> tuple[str, str | None]:
        trace.ended(0, 18_000, reason)
        turn = only(trace)
        return turn.outcome, turn.error

    def test_a_request_found_wrong_is_a_refusal(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace, detection="none")
        sent(trace, Kind.COMMIT, 3_100)
        detail = {
            "type": "invalid_request_error",
            "code": "input_audio_buffer_commit_empty",
            "message": "buffer too small",
        }
        trace.add(Kind.ERROR, 3_110, detail=detail)
        said = "input_audio_buffer_commit_empty: buffer too small"
        assert self.outcome(trace) == ("refused", said)

    def test_a_rate_limit_is_one_whatever_type_it_has(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace)
        detail = {"type": "invalid_request_error", "code": "rate_limit_exceeded"}
        trace.add(Kind.ERROR, 3_110, detail=detail)
        assert self.outcome(trace)[0] == "rate_limited"

    def test_a_message_that_nobody_can_read_instead_of_a_reply(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace)
        heard(trace)
        trace.add(Kind.MALFORMED, 3_600, detail={"raw": "{", "error": "truncated"})
        assert self.outcome(trace) == ("protocol_error", "malformed: truncated")

    def test_a_message_that_nobody_can_read_beside_a_reply(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace)
        heard(trace)
        trace.add(Kind.MALFORMED, 3_600, detail={"raw": "{", "error": "truncated"})
        trace.reply("resp_0", 3_700, 3_900)
        assert self.outcome(trace, "done") == ("ok", None)

    @pytest.mark.parametrize(
        ("by", "code", "outcome"),
        [
            ("client", 1002, "protocol_error"),
            ("server", 1002, "protocol_error"),
            ("client", 1007, "protocol_error"),
            ("server", 1011, "disconnected"),
            ("network", None, "disconnected"),
        ],
    )
    def test_a_close_says_whether_rules_were_broken(
        self, new_trace: Any, by: str, code: int | None, outcome: str
    ) -> None:
        trace = new_trace()
        begin(trace)
        heard(trace)
        trace.closed(3_900, by, code=code, reason="why")
        found, error = self.outcome(trace, "disconnected")
        assert found == outcome
        assert error == f"closed_by_{by}: " + (f"code {code}, why" if code else "why")

    def test_a_transcription_that_failed(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace, expects="transcript")
        heard(trace)
        detail = {"type": "server_error", "message": "no model"}
        trace.add(Kind.INPUT_TRANSCRIPT_FAILED, 3_700, item_id="item_0", detail=detail)
        assert self.outcome(trace, "done") == ("server_error", "server_error: no model")

    @pytest.mark.parametrize("expects", ["reply", "transcript"])
    def test_a_turn_that_nobody_noticed(self, new_trace: Any, expects: str) -> None:
        trace = new_trace()
        begin(trace, expects=expects)
        assert self.outcome(trace) == ("missed_turn", None)

    def test_a_turn_committed_without_a_stop_was_noticed(self, new_trace: Any) -> None:
        trace = new_trace()
        begin(trace)
        trace.add(Kind.COMMITTED, 3_540, item_id="item_0")
        assert self.outcome(trace) == ("no_reply", None)


def test_an_idle_caller_has_no_latency_to_count_from(new_trace: Any) -> None:
    trace = new_trace()
    begin(trace, kind="listen")
    trace.add(Kind.COMMITTED, 9_001, item_id="item_9")
    trace.reply("resp_9", 9_002, 9_300)
    trace.ended(0, 12_000)
    turn = only(trace)
    assert (turn.outcome, value(turn, "ttfa_ms")) == ("ok", None)
    assert value(turn, "model_latency_ms") == 298


def test_a_listener_hears_stalls(new_trace: Any) -> None:
    trace = new_trace()
    begin(trace)
    heard(trace)
    trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
    for ms in (3_900, 4_150, 4_200):
        trace.delta("resp_0", ms, 100)
    trace.done("resp_0", 4_300)
    trace.ended(0, 5_000)
    turn = only(trace)
    assert (value(turn, "stall_count"), value(turn, "stall_ms")) == (1, 150)
    assert value(turn, "stall_share") == pytest.approx(1 / 3)
    silent = new_trace()
    begin(silent)
    silent.ended(0, 18_000, "watchdog")
    assert value(only(silent), "stall_count") is None


@pytest.mark.parametrize(
    ("name", "outcomes"),
    [
        ("manual", ["ok"]),
        ("requests", ["ok", "ok", "ok"]),
        ("aside", ["ok"]),
        ("tools", ["ok"]),
        ("talked_over", ["talked_over", "ok"]),
        ("overlaid", ["false_interruption"]),
        ("silences", ["false_turn", "ok"]),
        ("written_down", ["ok", "server_error"]),
    ],
)
def test_each_kind_comes_to_what_it_should(golden: Any, name: str, outcomes: list[str]) -> None:
    assembly = assemble_session(golden[name])
    assert [turn.outcome for turn in assembly.turns] == outcomes
    assert (assembly.unattributed, assembly.lost) == ([], 0)


def test_each_rate_is_asked_of_those_that_it_could_hit(golden: Any) -> None:
    asked = {
        (name, turn.turn_index): {
            metric.name: value(turn, metric.name) for metric in METRICS.values() if metric.is_rate
        }
        for name in ("talked_over", "overlaid", "silences", "never_heard", "stopped")
        for turn in assemble_session(golden[name]).turns
    }
    names = ("failed", "cut_off", "missed_turn", "false_turn", "false_interruption")
    assert {key: tuple(rates[name] for name in names) for key, rates in asked.items()} == {
        ("talked_over", 0): (False, False, False, None, None),
        ("talked_over", 1): (False, False, False, None, False),
        ("overlaid", 0): (True, False, False, None, True),
        ("silences", 0): (True, None, None, True, None),
        ("silences", 1): (False, None, None, False, None),
        ("never_heard", 0): (True, False, True, None, None),
        ("stopped", 0): (None, None, None, None, None),
    }

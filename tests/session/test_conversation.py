"""A turn's course, told with a clock that only the test moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects.base import HANDSHAKE, Kind, ServerEvent
from bench.session.conversation import Conversation, Setup
from bench.session.playback import Cut
from bench.session.turn_state import Expects, ToolCall, TurnEnd, TurnState

MS = 1_000_000
S = 1_000 * MS
SPEECH_END = 10 * S
WATCHDOG_S = 8.0


def event(kind: Kind, response_id: str | None = None, status: str | None = None) -> ServerEvent:
    return ServerEvent(
        kind, "", response_id=response_id, detail={"status": status} if status else None
    )


class Call:
    """A session that is ready, whose turn began at 7 s and ends its speech at 10 s."""

    def __init__(self, **options: Any) -> None:
        self.conversation = Conversation()
        self.conversation.receive(event(Kind.SESSION_CREATED), 1, None)
        self.conversation.receive(event(Kind.SESSION_UPDATED), 2, None)
        self.turn: TurnState = self.conversation.begin_turn(
            7 * S, SPEECH_END, WATCHDOG_S, **options
        )
        self.before = self.turn

    def hear(
        self,
        at_ns: int,
        kind: Kind,
        response_id: str | None = None,
        status: str | None = None,
        audio_ms: float | None = None,
    ) -> bool:
        self.conversation.advance(at_ns)
        return self.conversation.receive(event(kind, response_id, status), at_ns, audio_ms)

    def reply(self, at_ns: int, response_id: str, audio_ms: float = 1_000) -> None:
        """A response with its audio, complete 100 ms after it began."""
        self.hear(at_ns, Kind.RESPONSE_CREATED, response_id)
        self.hear(at_ns + 50 * MS, Kind.OUTPUT_AUDIO_DELTA, response_id, audio_ms=audio_ms)
        self.hear(at_ns + 100 * MS, Kind.RESPONSE_DONE, response_id, "completed")

    def ended_at(self, now_ns: int) -> TurnEnd | None:
        self.conversation.advance(now_ns)
        return self.turn.ended


class TestSetup:
    """The opening exchange."""

    def test_created_then_updated_makes_a_session_ready(self) -> None:
        conversation = Conversation()
        assert conversation.setup is Setup.AWAIT_CREATED
        assert conversation.receive(event(Kind.SESSION_CREATED), 1, None)
        assert conversation.setup is Setup.AWAIT_UPDATED
        assert conversation.receive(event(Kind.SESSION_UPDATED), 2, None)
        assert conversation.setup is Setup.READY

    def test_other_events_do_not_make_it_ready(self) -> None:
        conversation = Conversation()
        conversation.receive(event(Kind.SESSION_CREATED), 1, None)
        for kind in (Kind.SESSION_CREATED, Kind.RATE_LIMITS, Kind.UNKNOWN, Kind.MALFORMED):
            conversation.receive(event(kind), 2, None)
        assert conversation.setup is Setup.AWAIT_UPDATED

    @pytest.mark.parametrize(
        ("detail", "text"),
        [
            ({"code": "full", "type": "t", "message": "Busy."}, "full: Busy."),
            ({"type": "server_error", "message": "Oops."}, "server_error: Oops."),
            (None, "None: None"),
        ],
    )
    def test_an_error_instead_fails_it_with_the_servers_words(
        self, detail: dict[str, str] | None, text: str
    ) -> None:
        conversation = Conversation()
        conversation.receive(ServerEvent(Kind.ERROR, "error", detail=detail), 1, None)
        assert conversation.setup is Setup.FAILED
        assert conversation.setup_error == text
        conversation.receive(event(Kind.SESSION_UPDATED), 2, None)
        assert conversation.setup is Setup.FAILED

    def test_an_error_later_leaves_it_ready(self) -> None:
        call = Call()
        call.hear(8 * S, Kind.ERROR)
        assert call.conversation.setup is Setup.READY
        assert call.ended_at(9 * S) is None

    @pytest.mark.parametrize(
        ("awaits", "states"),
        [
            (HANDSHAKE, [Setup.AWAIT_CREATED, Setup.AWAIT_UPDATED, Setup.READY]),
            ({Kind.SESSION_CREATED}, [Setup.AWAIT_CREATED, Setup.READY, Setup.READY]),
            ({Kind.SESSION_UPDATED}, [Setup.AWAIT_UPDATED, Setup.AWAIT_UPDATED, Setup.READY]),
            (set(), [Setup.READY, Setup.READY, Setup.READY]),
        ],
    )
    def test_only_what_the_server_sends_is_awaited(
        self, awaits: set[Kind], states: list[Setup]
    ) -> None:
        conversation = Conversation(frozenset(awaits))
        seen = [conversation.setup]
        for kind in (Kind.SESSION_CREATED, Kind.SESSION_UPDATED):
            conversation.receive(event(kind), 1, None)
            seen.append(conversation.setup)
        assert seen == states
        conversation.receive(event(Kind.ERROR), 2, None)
        assert conversation.setup is Setup.READY

    def test_every_update_is_counted(self) -> None:
        call = Call()
        assert call.conversation.updates == 1
        assert call.hear(8 * S, Kind.SESSION_UPDATED)
        call.conversation.end_turn(TurnEnd.STOPPED)
        assert call.hear(9 * S, Kind.SESSION_UPDATED)
        assert call.conversation.updates == 3


class TestTurn:
    """One utterance and what comes back."""

    def test_a_clean_turn_ends_when_the_answer_was_heard(self) -> None:
        call = Call()
        call.hear(7_500 * MS, Kind.SPEECH_STARTED)
        call.hear(10_500 * MS, Kind.SPEECH_STOPPED)
        call.reply(10_600 * MS, "r1", audio_ms=2_000)
        heard_ns = 10_650 * MS + 2_000 * MS
        assert call.conversation.next_ns() == heard_ns
        assert call.ended_at(heard_ns - 1) is None
        assert call.ended_at(heard_ns) is TurnEnd.DONE
        assert call.conversation.next_ns() is None

    def test_deltas_in_a_burst_are_heard_one_after_the_other(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        for n in range(10):
            call.hear(11 * S + n * MS, Kind.OUTPUT_AUDIO_DELTA, "r1", audio_ms=200)
        call.hear(12 * S, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.conversation.next_ns() == 13 * S

    def test_a_gap_between_deltas_puts_the_end_off(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        call.hear(11 * S, Kind.OUTPUT_AUDIO_DELTA, "r1", audio_ms=100)
        call.hear(12 * S, Kind.OUTPUT_AUDIO_DELTA, "r1", audio_ms=100)
        call.hear(12 * S + 1, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.conversation.next_ns() == 12 * S + 100 * MS

    def test_a_reply_without_audio_ends_it_at_once(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        assert call.hear(11 * S + 5, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.ended_at(11 * S + 5) is TurnEnd.DONE

    @pytest.mark.parametrize("status", ["failed", "incomplete", None])
    def test_a_reply_that_failed_ends_it_too(self, status: str | None) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_DONE, "r1", status)
        assert call.ended_at(11 * S) is TurnEnd.DONE

    def test_a_cut_off_in_the_pause_waits_for_the_second_reply(self) -> None:
        call = Call()
        call.hear(7_500 * MS, Kind.SPEECH_STARTED)
        call.hear(8_500 * MS, Kind.SPEECH_STOPPED)
        call.hear(8_600 * MS, Kind.RESPONSE_CREATED, "r1")
        call.hear(8_700 * MS, Kind.OUTPUT_AUDIO_DELTA, "r1", audio_ms=60_000)
        call.hear(8_800 * MS, Kind.SPEECH_STARTED)
        call.hear(8_810 * MS, Kind.RESPONSE_DONE, "r1", "cancelled")
        call.hear(10_500 * MS, Kind.SPEECH_STOPPED)
        assert call.ended_at(10_550 * MS) is None
        call.reply(10_600 * MS, "r2", audio_ms=1_000)
        assert call.conversation.next_ns() == 10_650 * MS + 1_000 * MS
        assert call.ended_at(11_650 * MS) is TurnEnd.DONE

    def test_a_cancelled_reply_alone_leaves_it_to_the_watchdog(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        call.hear(12 * S, Kind.RESPONSE_DONE, "r1", "cancelled")
        assert call.conversation.next_ns() == 20 * S
        assert call.ended_at(20 * S) is TurnEnd.WATCHDOG

    def test_an_answer_complete_before_the_speech_ended_does_not_end_it(self) -> None:
        call = Call()
        call.reply(8 * S, "r1", audio_ms=500)
        assert call.ended_at(9_900 * MS) is None
        assert call.conversation.next_ns() == SPEECH_END + 8 * S
        call.reply(10_600 * MS, "r2", audio_ms=500)
        assert call.ended_at(10_650 * MS + 500 * MS) is TurnEnd.DONE

    def test_an_answer_complete_as_the_speech_ends_counts(self) -> None:
        call = Call()
        call.hear(SPEECH_END, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.ended_at(SPEECH_END) is TurnEnd.DONE

    def test_a_response_still_open_holds_it(self) -> None:
        call = Call()
        call.hear(10_500 * MS, Kind.RESPONSE_CREATED, "r1")
        call.hear(10_600 * MS, Kind.RESPONSE_CREATED, "r2")
        call.hear(10_700 * MS, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.conversation.next_ns() == 10_700 * MS + 8 * S
        call.hear(10_800 * MS, Kind.RESPONSE_DONE, "r2", "completed")
        assert call.ended_at(10_800 * MS) is TurnEnd.DONE

    def test_speech_still_open_holds_it(self) -> None:
        call = Call()
        call.reply(10_500 * MS, "r1", audio_ms=100)
        call.hear(10_620 * MS, Kind.SPEECH_STARTED)
        assert call.ended_at(12 * S) is None
        call.hear(12 * S, Kind.SPEECH_STOPPED)
        assert call.ended_at(12 * S) is TurnEnd.DONE

    def test_no_reply_ends_it_by_the_watchdog_at_that_instant(self) -> None:
        call = Call()
        assert call.conversation.next_ns() == 18 * S
        assert call.ended_at(18 * S - 1) is None
        assert call.ended_at(18 * S) is TurnEnd.WATCHDOG

    def test_signs_of_life_before_the_speech_ended_do_not_shorten_the_wait(self) -> None:
        call = Call()
        call.hear(7_500 * MS, Kind.SPEECH_STARTED)
        call.hear(8 * S, Kind.SPEECH_STOPPED)
        assert call.conversation.next_ns() == 18 * S

    @pytest.mark.parametrize(
        "kind",
        [
            Kind.SPEECH_STARTED,
            Kind.SPEECH_STOPPED,
            Kind.RESPONSE_CREATED,
            Kind.OUTPUT_AUDIO_DELTA,
            Kind.OUTPUT_TRANSCRIPT_DELTA,
        ],
    )
    def test_progress_puts_the_watchdog_off(self, kind: Kind) -> None:
        call = Call()
        call.hear(17 * S, kind, "r1")
        assert call.conversation.next_ns() == 25 * S
        assert call.ended_at(18 * S) is None
        assert call.ended_at(25 * S - 1) is None
        assert call.ended_at(25 * S) is TurnEnd.WATCHDOG

    @pytest.mark.parametrize(
        "kind",
        [
            Kind.RATE_LIMITS,
            Kind.INPUT_TRANSCRIPT_DELTA,
            Kind.INPUT_TRANSCRIPT_DONE,
            Kind.ITEM_ADDED,
            Kind.ERROR,
            Kind.UNKNOWN,
            Kind.MALFORMED,
            Kind.SESSION_CREATED,
        ],
    )
    def test_anything_else_does_not(self, kind: Kind) -> None:
        call = Call()
        assert not call.hear(17 * S, kind, "r1")
        assert call.ended_at(18 * S) is TurnEnd.WATCHDOG

    def test_an_event_that_arrives_out_of_order_does_not_pull_the_watchdog_in(self) -> None:
        call = Call()
        call.hear(12 * S, Kind.RESPONSE_CREATED, "r1")
        call.conversation.receive(event(Kind.OUTPUT_AUDIO_DELTA, "r1"), 11 * S, None)
        assert call.conversation.next_ns() == 20 * S

    def test_the_watchdog_does_not_end_an_answer_that_is_being_heard(self) -> None:
        call = Call()
        call.reply(11 * S, "r1", audio_ms=30_000)
        assert call.ended_at(25 * S) is None
        assert call.ended_at(41_050 * MS) is TurnEnd.DONE

    def test_waiters_are_told_only_of_what_they_wait_for(self) -> None:
        call = Call()
        assert not call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        assert not call.hear(11 * S, Kind.OUTPUT_AUDIO_DELTA, "r1", audio_ms=10)
        assert call.hear(11 * S, Kind.RESPONSE_DONE, "r1", "completed")

    @pytest.mark.parametrize("reason", [TurnEnd.DISCONNECTED, TurnEnd.STOPPED])
    def test_it_can_be_ended_from_outside_once(self, reason: TurnEnd) -> None:
        call = Call()
        call.conversation.end_turn(reason)
        assert call.turn.ended is reason
        call.conversation.end_turn(TurnEnd.DONE)
        assert call.ended_at(100 * S) is reason
        assert call.conversation.next_ns() is None

    def test_a_disconnect_after_its_end_changes_nothing(self) -> None:
        call = Call()
        call.reply(11 * S, "r1")
        assert call.ended_at(20 * S) is TurnEnd.DONE
        call.conversation.end_turn(TurnEnd.DISCONNECTED)
        assert call.turn.ended is TurnEnd.DONE


class TestRequests:
    """Responses that the client asks for."""

    def test_one_that_is_owed_holds_the_turn(self) -> None:
        call = Call(owed_responses=1)
        call.reply(10_500 * MS, "r1", audio_ms=100)
        assert call.ended_at(11 * S) is TurnEnd.DONE
        call = Call(owed_responses=2)
        call.reply(10_500 * MS, "r1", audio_ms=100)
        assert call.ended_at(11 * S) is None
        assert call.ended_at(10_600 * MS + 8 * S) is TurnEnd.WATCHDOG

    def test_calls_of_tools_hold_a_turn_that_answers_them(self) -> None:
        call = Call(answers_tools=True)
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        called = ServerEvent(
            Kind.TOOL_CALL, "", response_id="r1", detail={"call_id": "c", "name": "f"}
        )
        assert call.conversation.receive(called, 11 * S, None)
        call.hear(11 * S, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.turn.open_calls == [ToolCall("c", "f", "")]
        assert call.ended_at(12 * S) is None
        call.turn.open_calls.clear()
        call.turn.owed_responses += 1
        call.reply(13 * S, "r2", audio_ms=100)
        assert call.ended_at(14 * S) is TurnEnd.DONE

    def test_calls_that_nobody_answers_do_not(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        call.hear(11 * S, Kind.TOOL_CALL, "r1")
        call.hear(11 * S, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.ended_at(11 * S) is TurnEnd.DONE

    def test_a_reply_that_was_cancelled_on_request_is_the_end(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        call.turn.cancel_asked = True
        call.hear(12 * S, Kind.RESPONSE_DONE, "r1", "cancelled")
        assert call.ended_at(12 * S) is TurnEnd.DONE


class TestSilence:
    """A turn in which nothing should come."""

    def test_is_over_when_it_was_quiet_long_enough(self) -> None:
        call = Call(expects=Expects.SILENCE, quiet_s=3.0)
        assert call.conversation.next_ns() == 13 * S
        assert call.ended_at(13 * S - 1) is None
        assert call.ended_at(13 * S) is TurnEnd.DONE

    def test_hears_a_reply_that_should_not_be_to_its_end(self) -> None:
        call = Call(expects=Expects.SILENCE, quiet_s=3.0)
        call.reply(12_900 * MS, "r1", audio_ms=2_000)
        assert call.ended_at(14_949 * MS) is None
        assert call.ended_at(14_950 * MS) is TurnEnd.DONE

    def test_is_given_up_while_the_server_hears_speech_for_ever(self) -> None:
        call = Call(expects=Expects.SILENCE, quiet_s=3.0)
        call.hear(11 * S, Kind.SPEECH_STARTED)
        assert call.ended_at(13 * S) is None
        assert call.ended_at(19 * S) is TurnEnd.WATCHDOG


class TestTranscript:
    """A turn that ends with its words."""

    def words(self, call: Call, at_ns: int, kind: Kind, item_id: str = "i1") -> bool:
        told = {"transcript": f"{item_id}."} if kind is Kind.INPUT_TRANSCRIPT_DONE else None
        return call.conversation.receive(
            ServerEvent(kind, "", item_id=item_id, detail=told), at_ns, None
        )

    def test_ends_when_all_that_was_committed_is_written_down(self) -> None:
        call = Call(expects=Expects.TRANSCRIPT)
        self.words(call, 9 * S, Kind.COMMITTED, "i1")
        self.words(call, 11 * S, Kind.COMMITTED, "i2")
        assert not self.words(call, 11 * S, Kind.INPUT_TRANSCRIPT_DONE, "i1")
        assert call.ended_at(11 * S) is None
        assert self.words(call, 12 * S, Kind.INPUT_TRANSCRIPT_FAILED, "i2")
        assert call.ended_at(12 * S) is TurnEnd.DONE
        assert call.turn.transcripts == ["i1."]

    def test_words_before_the_caller_was_done_are_not_all(self) -> None:
        call = Call(expects=Expects.TRANSCRIPT)
        self.words(call, 8 * S, Kind.COMMITTED)
        assert not self.words(call, 9 * S, Kind.INPUT_TRANSCRIPT_DONE)
        assert call.ended_at(17 * S) is None
        self.words(call, 17 * S, Kind.INPUT_TRANSCRIPT_DELTA, "i2")
        assert call.ended_at(24 * S) is None
        assert call.ended_at(25 * S) is TurnEnd.WATCHDOG

    def test_a_turn_that_wants_a_reply_keeps_them_and_goes_on(self) -> None:
        call = Call()
        assert not self.words(call, 11 * S, Kind.INPUT_TRANSCRIPT_DONE)
        assert call.turn.transcripts == ["i1."]
        assert call.ended_at(12 * S) is None


class TestTalkedOver:
    """The caller speaks while a reply sounds."""

    def begun(self) -> Call:
        """At 12 s a reply of a minute sounds since 11 s; at 12 s the caller begins to speak."""
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        self.delta(call, 11 * S, "r1", 60_000)
        call.conversation.end_turn(TurnEnd.TALKED_OVER)
        call.before = call.turn
        call.turn = call.conversation.begin_turn(12 * S, 14 * S, WATCHDOG_S)
        return call

    def delta(self, call: Call, at_ns: int, response_id: str, audio_ms: float) -> None:
        call.conversation.receive(
            ServerEvent(Kind.OUTPUT_AUDIO_DELTA, "", f"of {response_id}", response_id),
            at_ns,
            audio_ms,
        )

    def test_the_reply_sounds_until_the_server_has_heard_the_caller(self) -> None:
        call = self.begun()
        self.delta(call, 12_100 * MS, "r1", 1_000)
        assert call.before.player.end_ns == 72 * S
        assert call.turn.player.began_ns is None
        assert call.hear(12_500 * MS, Kind.SPEECH_STARTED)
        assert call.conversation.take_cuts() == [Cut("of r1", 1_500)]
        assert call.conversation.take_cuts() == []
        self.delta(call, 12_600 * MS, "r1", 1_000)
        assert call.before.player.heard_ms(99 * S) == 1_500

    def test_a_server_that_cancels_first_is_told_the_same(self) -> None:
        call = self.begun()
        assert call.hear(12_400 * MS, Kind.RESPONSE_DONE, "r1", "cancelled")
        call.hear(12_500 * MS, Kind.SPEECH_STARTED)
        assert call.conversation.take_cuts() == [Cut("of r1", 1_400)]

    def test_the_old_reply_does_not_answer(self) -> None:
        call = self.begun()
        call.hear(12_500 * MS, Kind.SPEECH_STARTED)
        call.hear(14_200 * MS, Kind.SPEECH_STOPPED)
        call.hear(14_300 * MS, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.ended_at(15 * S) is None
        call.reply(15 * S, "r2", audio_ms=100)
        assert call.ended_at(16 * S) is TurnEnd.DONE

    def test_a_sound_laid_over_a_reply_cuts_it_only_where_the_server_hears_it(self) -> None:
        call = Call()
        call.reply(11 * S, "r1", audio_ms=5_000)
        call.hear(12 * S, Kind.SPEECH_STARTED)
        assert call.turn.player.end_ns == 16_050 * MS
        call.hear(12_100 * MS, Kind.SPEECH_STOPPED)
        call.turn.overlaid, call.turn.quiet_ns = True, 20 * S
        call.hear(13_050 * MS, Kind.SPEECH_STARTED)
        call.hear(13_500 * MS, Kind.SPEECH_STOPPED)
        assert call.turn.player.heard_ms(99 * S) == 2_000
        assert call.ended_at(20 * S - 1) is None
        assert call.ended_at(20 * S) is TurnEnd.DONE

    def test_the_callers_own_device_may_stop(self) -> None:
        call = Call()
        self.delta(call, 11 * S, "r1", 5_000)
        call.conversation.silence(12 * S)
        assert call.conversation.take_cuts() == [Cut("of r1", 1_000)]

    def test_what_still_comes_of_a_reply_that_was_stopped_is_not_heard(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        self.delta(call, 11 * S, "r1", 5_000)
        call.turn.cancel_asked = True
        call.conversation.silence(12 * S)
        self.delta(call, 12_100 * MS, "r1", 5_000)
        assert call.turn.player.heard_ms(99 * S) == 1_000
        assert call.ended_at(13 * S) is None
        call.hear(13 * S, Kind.RESPONSE_DONE, "r1", "cancelled")
        assert call.ended_at(13 * S) is TurnEnd.DONE
        assert call.conversation.take_cuts() == [Cut("of r1", 1_000)]

    def test_a_reply_that_the_caller_stopped_before_speaking_is_told_once(self) -> None:
        call = Call()
        call.hear(11 * S, Kind.RESPONSE_CREATED, "r1")
        self.delta(call, 11 * S, "r1", 5_000)
        call.conversation.end_turn(TurnEnd.TALKED_OVER)
        call.conversation.silence(12 * S)
        call.turn = call.conversation.begin_turn(12 * S, 14 * S, WATCHDOG_S)
        self.delta(call, 12_100 * MS, "r1", 5_000)
        call.hear(12_200 * MS, Kind.RESPONSE_DONE, "r1", "cancelled")
        call.hear(12_500 * MS, Kind.SPEECH_STARTED)
        assert call.conversation.take_cuts() == [Cut("of r1", 1_000)]


class TestTurns:
    """One after another."""

    def test_a_second_turn_needs_the_first_to_have_ended(self) -> None:
        call = Call()
        with pytest.raises(RuntimeError, match="under way"):
            call.conversation.begin_turn(11 * S, 12 * S, 1)
        call.conversation.end_turn(TurnEnd.STOPPED)
        assert call.conversation.begin_turn(11 * S, 12 * S, 1).index == 1
        assert call.conversation.turn_index == 1

    def test_there_is_no_index_before_the_first(self) -> None:
        conversation = Conversation()
        assert conversation.turn_index is None
        assert conversation.next_ns() is None
        conversation.advance(10**18)
        conversation.end_turn(TurnEnd.STOPPED)
        conversation.receive(event(Kind.RESPONSE_DONE), 1, None)
        assert conversation.turn is None

    def test_a_late_reply_to_the_last_turn_does_not_answer_this_one(self) -> None:
        call = Call()
        assert call.ended_at(18 * S) is TurnEnd.WATCHDOG
        turn = call.conversation.begin_turn(20 * S, 23 * S, WATCHDOG_S)
        call.reply(20_500 * MS, "late", audio_ms=100)
        call.conversation.advance(22 * S)
        assert turn.ended is None
        assert call.conversation.next_ns() == 31 * S

    def test_events_between_turns_are_let_pass(self) -> None:
        call = Call()
        call.conversation.end_turn(TurnEnd.STOPPED)
        assert not call.hear(19 * S, Kind.RESPONSE_DONE, "r1", "completed")
        assert call.turn.ended is TurnEnd.STOPPED


instants = st.integers(0, 60).map(lambda s: s * S // 2)
events = st.builds(
    event,
    st.sampled_from(list(Kind)),
    st.sampled_from([None, "", "r1", "r2"]),
    st.sampled_from([None, "completed", "cancelled", "failed", "nonsense"]),
)
audio = st.one_of(st.none(), st.floats(0, 20_000))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("receive"), events, instants, audio),
        st.tuples(st.just("advance"), instants),
        st.tuples(
            st.just("begin"), instants, instants, st.floats(0, 30), st.sampled_from(Expects)
        ),
        st.tuples(st.just("end"), st.sampled_from(list(TurnEnd))),
    ),
    max_size=40,
)


@given(steps=steps, ready=st.booleans())
def test_no_course_of_events_raises_and_every_turn_ends_by_its_deadline(
    steps: list[tuple[object, ...]], ready: bool
) -> None:
    conversation = Conversation()
    if ready:
        conversation.receive(event(Kind.SESSION_CREATED), 0, None)
        conversation.receive(event(Kind.SESSION_UPDATED), 0, None)
    turns: list[tuple[TurnState, TurnEnd | None]] = []
    now_ns = 0
    for step in steps:
        match step:
            case ("receive", ServerEvent() as received, int(at_ns), audio_ms):
                conversation.receive(received, at_ns, audio_ms)  # type: ignore[arg-type]
            case ("advance", int(to_ns)):
                now_ns = max(now_ns, to_ns)
                conversation.advance(now_ns)
            case ("begin", int(begin_ns), int(length_ns), float(watchdog_s), Expects() as what):
                if conversation.turn is None or conversation.turn.ended is not None:
                    turn = conversation.begin_turn(
                        begin_ns, begin_ns + length_ns, watchdog_s, expects=what
                    )
                    turns.append((turn, None))
            case ("end", TurnEnd() as reason):
                conversation.end_turn(reason)
        for turn, ended in turns:
            assert ended is None or turn.ended is ended, "an end changed"
        turns = [(turn, turn.ended) for turn, _ in turns]
    assert [turn.index for turn, _ in turns] == list(range(len(turns)))
    # Nothing more arrives: asking again when told to ends the turn, and not before.
    turn = conversation.turn
    if turn is not None and turn.ended is None:
        next_ns = conversation.next_ns()
        assert next_ns is not None
        assert next_ns <= max(turn.deadline_ns, turn.player.end_ns, turn.quiet_ns)
        if next_ns > now_ns:
            conversation.advance(next_ns - 1)
            assert turn.ended is None
        conversation.advance(max(next_ns, now_ns))
        assert turn.ended in {TurnEnd.DONE, TurnEnd.WATCHDOG}
    assert conversation.next_ns() is None

"""Every kind of turn, over a real socket with the embedded server, and without Locust."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest

from bench.analysis.turns import assemble_session
from bench.audio.catalogue import Catalogue, default_directory
from bench.dialects.base import Kind, SemanticVad, ServerVad, SessionSettings, Tool, Transcription
from bench.dialects.sent import text_item
from bench.load.embedded import embedded_server
from bench.session.turn_state import TurnEnd

from .scripted import Caller, Stage
from .side_by_side import SideBySide

WRITTEN = SessionSettings("m", transcription=Transcription("t"))
MANUAL = replace(WRITTEN, turn_detection=None)
WEATHER = Tool(
    "get_weather",
    "What the weather is like in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
PICTURE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGP4z8Dw"
    "HwAFAAH/iZk9HQAAAABJRU5ErkJggg=="
)


pytestmark = pytest.mark.usefixtures("side_by_side")


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """A server that replies at once, 3 s of audio in 0.6 s."""
    with embedded_server("--vad", "energy", "--profile", "default") as server:
        port = urlsplit(server.url).port
        assert port is not None
        yield port


@pytest.fixture(scope="module")
def side_by_side(server: int, request: pytest.FixtureRequest) -> Iterator[SideBySide]:
    """Every conversation at the same time, each on a stage of its own."""
    catalogue = Catalogue.open(default_directory())

    def play(test: Callable[..., None], parameters: Mapping[str, Any]) -> None:
        with Stage(catalogue) as stage:
            test(stage, server, **parameters)
            assert len(stage.engine) == 0, "a session was left behind"

    with SideBySide(request, play) as tests:
        yield tests


@pytest.fixture
def stage() -> None:
    """Made where the test is played, in its thread."""


def opened(stage: Stage, port: int, settings: SessionSettings = WRITTEN, **more: Any) -> Caller:
    caller = stage.caller(port, settings=settings, **more)
    caller.session.open()
    return caller


def kinds(caller: Caller, direction: str) -> list[str]:
    return [row.kind for row in caller.rows if row.direction == direction]


def details(caller: Caller, kind: str) -> list[dict[str, Any]]:
    return [json.loads(row.detail or "{}") for row in caller.rows if row.kind == kind]


def outcomes(caller: Caller) -> list[str]:
    """What a report will say of each turn; nothing that came may be left over."""
    assembly = assemble_session(caller.rows)
    assert assembly.unattributed == []
    assert assembly.lost == 0
    return [turn.outcome for turn in assembly.turns]


def test_a_spoken_turn_tells_what_was_understood_and_answered(stage: Stage, server: int) -> None:
    caller = opened(stage, server)
    turn = caller.session.say("short")
    assert turn.ttfa_ms is None
    turn.wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert turn.ended is TurnEnd.DONE
    assert turn.transcript == "Lights off."
    assert turn.reply_text == "Okay, the lights are off."
    assert turn.ttfa_ms is not None
    assert 700 < turn.ttfa_ms < 1_300
    assert 1_300 < turn.heard_ms < 1_700
    assert [item["content"][0]["text"] for item in caller.session.history()] == [
        "Lights off.",
        "Okay, the lights are off.",
    ]


class TestManual:
    """Nobody but the caller ends the turn."""

    @pytest.mark.parametrize("push_to_talk", [False, True])
    def test_the_audio_is_committed_as_its_last_frame_leaves(
        self, stage: Stage, server: int, push_to_talk: bool
    ) -> None:
        caller = opened(stage, server, MANUAL, push_to_talk=push_to_talk)
        caller.rest(0.1)
        turn = caller.session.say("short").wait()
        caller.rest(0.1)
        caller.session.close()
        assert outcomes(caller) == ["ok"]
        assert (turn.ended, turn.transcript) == (TurnEnd.DONE, "Lights off.")
        assert kinds(caller, "out") == ["session_update", "commit", "response_create"]
        (noted,) = caller.noted("utterance")
        assert (noted["detection"], noted["expects"]) == ("none", "reply")
        begun, commit = caller.row("utterance"), caller.row("commit")
        out_ms = (commit.at_ns - begun.at_ns) / 1e6
        assert noted["duration_ms"] <= out_ms < noted["duration_ms"] + 20 + 100
        frames = len(stage.recorder.appends.index)
        spoken = len(caller.session._call.plan.frames.speech(stage.catalogue.get("short")))
        assert (frames == spoken) is push_to_talk
        assert not len(stage.recorder.appends.unsent) or not push_to_talk

    def test_a_scenario_may_do_each_step_itself(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, MANUAL)
        turn = caller.session.say("short", then="nothing")
        caller.session.wait(1.3)
        caller.session.commit()
        assert caller.session.wait_for(Kind.COMMITTED, 2) is not None
        assert turn.ended is None
        same = caller.session.respond(instructions="Be brief.", max_output_tokens=500)
        assert same.index == turn.index
        turn.wait()
        caller.session.close()
        assert turn.ended is TurnEnd.DONE
        assert kinds(caller, "out") == ["session_update", "commit", "response_create"]

    def test_taken_back_audio_is_no_turn(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, MANUAL)
        caller.session.say("short", then="nothing", expects="silence", quiet_s=0.2)
        caller.session.wait(1.3)
        caller.session.clear()
        assert caller.session.wait_for(Kind.INPUT_CLEARED, 2) is not None
        caller.session.close()


def test_semantic_vad_lets_a_caller_pause(stage: Stage, server: int) -> None:
    caller = opened(stage, server, replace(WRITTEN, turn_detection=SemanticVad("high")))
    turn = caller.session.say("mid_pause").wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert turn.ended is TurnEnd.DONE
    assert caller.noted("utterance")[0]["detection"] == "semantic_vad"
    assert kinds(caller, "in").count("speech_stopped") == 1


def test_a_written_question_is_answered_aloud(stage: Stage, server: int) -> None:
    caller = opened(stage, server)
    turn = caller.session.text("When is the last train to Boston?", name="ask_train").wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert turn.ended is TurnEnd.DONE
    assert turn.reply_text == "The last train to Boston leaves tonight at ten forty."
    assert 250 < (turn.ttfa_ms or 0) < 700
    (noted,) = caller.noted("utterance")
    assert (noted["kind"], noted["utterance"]) == ("text", "ask_train")
    assert details(caller, "item_create") == [{"item_type": "message", "role": "user"}]
    assert "Boston" not in json.dumps(details(caller, "item_create"))


def test_a_spoken_question_is_answered_in_writing(stage: Stage, server: int) -> None:
    caller = opened(stage, server, replace(WRITTEN, output_modality="text"))
    turn = caller.session.say("short").wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert (turn.ended, turn.ttfa_ms) == (TurnEnd.DONE, None)
    assert turn.reply_text == "Okay, the lights are off."


def test_a_picture_is_shown(stage: Stage, server: int) -> None:
    caller = opened(stage, server)
    turn = caller.session.image(PICTURE, "What is this?").wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert turn.ended is TurnEnd.DONE
    assert details(caller, "error") == []


def test_a_response_out_of_band_leaves_no_trace(stage: Stage, server: int) -> None:
    caller = opened(stage, server)
    asked = [text_item("Turn the lights off.")]
    turn = caller.session.respond(
        conversation="none", input=asked, metadata={"topic": "summary"}, output_modality="text"
    ).wait()
    caller.session.close()
    assert (turn.ended, turn.reply_text) == (TurnEnd.DONE, "Okay, the lights are off.")
    assert details(caller, "response_created")[0]["metadata"] == {"topic": "summary"}
    assert "item_added" not in kinds(caller, "in")


class TestTools:
    """A turn lasts until the reply after the results was heard."""

    def test_are_answered_by_functions(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, replace(WRITTEN, tools=(WEATHER,)))
        asked: list[str] = []

        def get_weather(city: str) -> dict[str, Any]:
            asked.append(city)
            return {"sky": "clear", "degrees": 21}

        turn = caller.session.say("weather", answer_tools={"get_weather": get_weather}).wait()
        caller.session.close()
        assert outcomes(caller) == ["ok"]
        assert asked == ["Lisbon"]
        assert turn.ended is TurnEnd.DONE
        assert [call.name for call in turn.tool_calls] == ["get_weather"]
        assert turn.reply_text == "The answer is sky clear, degrees 21."
        assert kinds(caller, "in").count("response_done") == 2
        assert len(caller.noted("turn_ended")) == 1
        assert kinds(caller, "out") == ["session_update", "item_create", "response_create"]
        assert details(caller, "error") == []

    def test_by_hand(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, replace(WRITTEN, tools=(WEATHER,)))
        session = caller.session
        turn = session.say("weather")
        assert session.wait(8, until=lambda: bool(turn.tool_calls))
        session.tool_result(turn.tool_calls[0], "Rain.")
        turn.wait()
        session.close()
        assert outcomes(caller) == ["ok"]
        assert turn.ended is TurnEnd.DONE
        assert turn.reply_text == "The answer is Rain."
        assert details(caller, "error") == []

    def test_an_unknown_one_is_told_so(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, replace(WRITTEN, tools=(WEATHER,)))
        turn = caller.session.text("How is the weather?", answer_tools={})
        assert caller.session.wait(5, until=lambda: "there is no tool" in turn.reply_text)
        caller.session.close()

    def test_nobody_answers_is_a_turn_without_audio(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, replace(WRITTEN, tools=(WEATHER,)))
        turn = caller.session.text("How is the weather?").wait()
        caller.session.close()
        assert outcomes(caller) == ["audio_less"]
        assert (turn.ended, turn.ttfa_ms) == (TurnEnd.DONE, None)
        assert len(turn.tool_calls) == 1


class TestOverAReply:
    """The caller makes a sound while a reply is being heard."""

    def test_an_interruption_stops_it_and_tells_how_much_was_heard(
        self, stage: Stage, server: int
    ) -> None:
        caller = opened(stage, server)
        session = caller.session
        first = session.say("question")
        second = session.interrupt("barge_in", after_first_audio_ms=800)
        assert first.ended is TurnEnd.TALKED_OVER
        second.wait()
        session.close()
        assert outcomes(caller) == ["talked_over", "ok"]
        assert second.ended is TurnEnd.DONE
        noted = caller.noted("utterance")
        assert noted[1]["interrupts"] == 0
        assert 750 < noted[1]["interrupted_at_ms"] < 1_000
        (told,) = details(caller, "item_truncate")
        stopped = next(
            row
            for row in caller.rows
            if row.kind == "speech_started" and row.at_ns > caller.rows_of("utterance")[1].at_ns
        )
        began_ns = caller.row("output_audio_delta").at_ns
        assert told["audio_end_ms"] == pytest.approx((stopped.at_ns - began_ns) / 1e6, abs=2)
        assert details(caller, "item_truncated") == [told]
        reasons = [detail["reason"] for detail in caller.noted("turn_ended")]
        assert reasons == ["talked_over", "done"]
        assert details(caller, "error") == []
        assert len(caller.ended_turns) == 2

    def test_too_late_it_interrupts_nothing(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        first = caller.session.text("Lights off.")
        second = caller.session.interrupt("short", after_first_audio_ms=60_000).wait()
        caller.session.close()
        assert outcomes(caller) == ["ok", "ok"]
        assert (first.ended, second.ended) == (TurnEnd.DONE, TurnEnd.DONE)
        assert "interrupts" not in caller.noted("utterance")[1]
        assert details(caller, "item_truncate") == []

    @pytest.mark.parametrize("detection", [None, ServerVad(interrupt_response=False)])
    def test_where_the_server_does_not_the_caller_stops_it(
        self, stage: Stage, server: int, detection: ServerVad | None
    ) -> None:
        caller = opened(stage, server, replace(WRITTEN, turn_detection=detection))
        caller.session.say("question")
        second = caller.session.interrupt("barge_in_word", after_first_audio_ms=200).wait()
        caller.session.close()
        assert outcomes(caller) == ["talked_over", "ok"]
        assert second.ended is TurnEnd.DONE
        assert details(caller, "response_done")[0]["reason"] == "client_cancelled"
        (told,) = details(caller, "item_truncate")
        assert 190 < told["audio_end_ms"] < 400

    def test_a_backchannel_that_the_server_takes_for_a_turn_is_part_of_it(
        self, stage: Stage, server: int
    ) -> None:
        caller = opened(stage, server)
        turn = caller.session.say("question")
        assert caller.session.overlay("backchannel_uhhuh", after_first_audio_ms=300, quiet_s=1.5)
        turn.wait()
        caller.session.close()
        assert outcomes(caller) == ["false_interruption"]
        assert turn.ended is TurnEnd.DONE
        (noted,) = caller.noted("overlay")
        assert (noted["turn"], noted["category"]) == (0, "backchannel")
        done = details(caller, "response_done")
        assert [detail["status"] for detail in done][1:] == ["completed"]
        assert len(details(caller, "item_truncate")) == 1

    def test_a_backchannel_may_not_stop_a_reply_that_none_may(
        self, stage: Stage, server: int
    ) -> None:
        vad = ServerVad(interrupt_response=False, create_response=True)
        caller = opened(stage, server, replace(WRITTEN, turn_detection=vad))
        turn = caller.session.say("short")
        assert caller.session.overlay("backchannel_mmhm", after_first_audio_ms=100, quiet_s=0.1)
        turn.wait()
        caller.session.close()
        assert turn.ended is TurnEnd.DONE
        assert details(caller, "item_truncate") == []
        assert details(caller, "response_done")[0]["status"] == "completed"

    def test_it_is_cancelled(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        turn = caller.session.text("When is the last train to Boston?")
        assert caller.session.wait(5, until=lambda: turn.heard_ms > 100)
        caller.session.cancel()
        turn.wait()
        caller.session.close()
        assert outcomes(caller) == ["ok"]
        assert turn.ended is TurnEnd.DONE
        assert 100 < turn.heard_ms < 400
        assert details(caller, "response_done")[0]["reason"] == "client_cancelled"
        assert details(caller, "error") == []


class TestNobodySpeaks:
    """A turn without speech."""

    def test_a_sound_is_not_answered(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server, replace(WRITTEN, turn_detection=ServerVad(0.99)))
        turn = caller.session.say("sound_knock", quiet_s=0.5).wait()
        caller.session.close()
        assert outcomes(caller) == ["ok"]
        assert turn.ended is TurnEnd.DONE
        (noted,) = caller.noted("utterance")
        assert (noted["kind"], noted["expects"]) == ("sound", "silence")

    def test_an_idle_caller_is_asked_whether_he_is_there(self, stage: Stage, server: int) -> None:
        vad = ServerVad(idle_timeout_ms=5_000)
        caller = opened(stage, server, replace(WRITTEN, turn_detection=vad))
        caller.session.text("Lights off.").wait()
        turn = caller.session.listen(8, expects="reply").wait()
        caller.session.close()
        assert outcomes(caller) == ["ok", "ok"]
        assert (turn.ended, turn.reply_text) == (TurnEnd.DONE, "Are you still there?")
        assert "idle_timeout" in kinds(caller, "in")

    def test_listening_ends_when_nobody_spoke(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        turn = caller.session.listen(0.3).wait()
        caller.session.close()
        assert outcomes(caller) == ["ok"]
        assert turn.ended is TurnEnd.DONE
        began, ended = caller.row("utterance"), caller.row("turn_ended")
        assert 300 <= (ended.at_ns - began.at_ns) / 1e6 < 500


@pytest.mark.parametrize("detection", [ServerVad(), None])
def test_a_session_that_only_writes_down_ends_its_turn_with_the_words(
    stage: Stage, server: int, detection: ServerVad | None
) -> None:
    settings = replace(WRITTEN, session_type="transcription", turn_detection=detection)
    caller = opened(stage, server, settings)
    turn = caller.session.say("short").wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert (turn.ended, turn.transcript) == (TurnEnd.DONE, "Lights off.")
    assert caller.noted("utterance")[0]["expects"] == "transcript"
    assert "response_created" not in kinds(caller, "in")
    assert "response_create" not in kinds(caller, "out")


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_the_telephone(stage: Stage, server: int, codec: Any) -> None:
    caller = opened(stage, server, replace(WRITTEN, input_codec=codec, output_codec=codec))
    turn = caller.session.say("short").wait()
    caller.session.close()
    assert outcomes(caller) == ["ok"]
    assert (turn.ended, turn.transcript) == (TurnEnd.DONE, "Lights off.")
    assert 1_300 < turn.heard_ms < 1_700


class TestSession:
    """What concerns more than one turn."""

    def test_settings_change_in_the_middle(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        session = caller.session
        assert session.configure(output_modality="text", instructions="Be brief.")
        assert session.settings.output_modality == "text"
        turn = session.text("Lights off.").wait()
        session.close()
        assert turn.ttfa_ms is None
        assert kinds(caller, "out").count("session_update") == 2

    def test_a_change_that_the_server_refuses_is_none(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        session = caller.session
        assert not session.configure(turn_detection=ServerVad(silence_duration_ms=-5))
        assert session.settings == WRITTEN
        session.close()
        assert len(details(caller, "error")) == 1

    def test_events_are_told_while_the_session_waits(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        told: list[str] = []
        caller.session.on(Kind.RESPONSE_DONE, lambda event: told.append(event.type))
        caller.session.text("Lights off.").wait()
        caller.session.close()
        assert told == ["response.done"]

    def test_an_event_of_ones_own_is_sent_and_recorded(self, stage: Stage, server: int) -> None:
        caller = opened(stage, server)
        caller.session.send_event({"type": "conversation.item.retrieve", "item_id": "none"})
        assert caller.session.wait_for(Kind.ERROR, 2) is not None
        assert caller.session.wait_for(Kind.ERROR, 0.05) is None
        caller.session.close()
        assert caller.row("raw").type == "conversation.item.retrieve"

    def test_a_new_session_knows_what_was_said_in_the_one_before(
        self, stage: Stage, server: int
    ) -> None:
        before = opened(stage, server)
        before.session.text("My name is Ada.").wait()
        history = before.session.history()
        before.session.close()
        after = opened(stage, server)
        after.session.replay(history)
        turn = after.session.text("What is my name?").wait()
        after.session.close()
        assert turn.reply_text == "Your name is Ada."

    def test_a_caller_may_hang_up_in_the_middle_of_a_reply(
        self, stage: Stage, server: int
    ) -> None:
        caller = opened(stage, server)
        turn = caller.session.text("When is the last train to Boston?")
        assert caller.session.wait(5, until=lambda: turn.heard_ms > 50)
        caller.session.hang_up()
        assert outcomes(caller) == ["hung_up"]
        assert turn.ended is TurnEnd.HUNG_UP
        with pytest.raises(ConnectionError):
            caller.session.text("Hello?")

"""Turns in the beta dialect; everything told is checked against that dialect's own types."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import cache
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.beta.realtime.realtime_server_event import RealtimeServerEvent
from openai.types.realtime import RealtimeServerEvent as GaServerEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.server.beta.translation import DELTA_TYPES, UNTOLD, BetaSession
from bench.server.refusal import Refusal
from bench.server.session_settings import Session

Event = dict[str, Any]
Check = Callable[[Event], Event]

TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
DETECTION = {"type": "server_vad", "silence_duration_ms": 500}
ANNOUNCED = [
    "response.output_item.added",
    "conversation.item.created",
    "response.content_part.added",
]
AUDIO, WORDS = "response.audio.delta", "response.audio_transcript.delta"
SPOKEN = [
    *("response.created", "rate_limits.updated"),
    *ANNOUNCED,
    *[AUDIO, WORDS, AUDIO, AUDIO, WORDS, AUDIO, WORDS],
    *("response.audio.done", "response.audio_transcript.done"),
    *("response.content_part.done", "response.output_item.done", "response.done"),
]


@cache
def types_of(union: Any) -> dict[str, type[BaseModel]]:
    members = get_args(get_args(union)[0])
    return {get_args(cls.model_fields["type"].annotation)[0]: cls for cls in members}


@pytest.fixture
def check(check_event: Callable[[str], Event]) -> Check:
    """Gives an event back once it proved to be exactly of its beta type."""
    # The strict comparison is the one that the server's own dialect is held to.
    misfits: Any = inspect.getmodule(check_event).misfits  # type: ignore[union-attr]

    def checked(event: Event) -> Event:
        shown, kind = deepcopy(event), event["type"]
        if kind == "transcription_session.created":
            # The service sends it and clients wait for it; no published type has its name.
            kind = shown["type"] = "transcription_session.updated"
        if "session" in shown:
            named = shown["session"].pop("object")  # Sent by the service, unknown to the type.
            assert named == f"realtime.{kind.partition('.')[0]}"
        if kind.startswith("transcription_session."):
            shown["session"].pop("id")  # As above.
            # The type requires it, its documentation says that it is sent over HTTP only.
            shown["session"]["client_secret"] = {"value": "", "expires_at": 0}
        cls = types_of(RealtimeServerEvent)[kind]
        TypeAdapter(cls).validate_python(shown, strict=True)
        mistakes = misfits(shown, cls, kind)
        assert not mistakes, mistakes
        return event

    return checked


class BetaCall:
    """A call whose client speaks the beta dialect."""

    def __init__(self, call: Any, check: Check) -> None:
        self.call = call
        self.beta = BetaSession("conv_test")
        self._check = check
        self.events = self._take(call.events)

    def _take(self, events: list[Event]) -> list[Event]:
        told = []
        for event in events:
            before = deepcopy(event)
            told += [self._check(event) for event in self.beta.to_beta(event)]
            assert event == before
        return told

    def send(self, event: Event) -> list[Event]:
        before = deepcopy(event)
        translated = self.beta.to_ga(event)
        assert event == before
        return self._take(self.call.send(json.dumps(translated)))

    def update(self, **session: Any) -> Event:
        (answer,) = self.send({"type": "session.update", "session": session})
        return answer

    def create(self, **response: Any) -> list[Event]:
        sent = self.send({"type": "response.create", "response": response})
        return sent + self.wait(5_000)

    def say(self, text: str) -> list[Event]:
        content = [{"type": "input_text", "text": text}]
        item = {"type": "message", "role": "user", "content": content}
        return self.send({"type": "conversation.item.create", "item": item})

    def hear(self, samples: Any) -> list[Event]:
        return self._take(self.call.hear(samples))

    def wait(self, ms: float) -> list[Event]:
        return self._take(self.call.wait(ms))


@pytest.fixture
def caller(call_with: Callable[..., Any], check: Check) -> BetaCall:
    return BetaCall(call_with(session=Session(model="gpt-realtime")), check)


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def first(events: list[Event], kind: str) -> Event:
    return next(event for event in events if event["type"] == kind)


def test_the_greeting_is_a_flat_session_and_its_conversation(caller: BetaCall) -> None:
    created, conversation = caller.events
    assert created["session"] == {
        "id": "sess_test",
        "object": "realtime.session",
        "model": "gpt-realtime",
        "modalities": ["audio", "text"],
        "instructions": "",
        "voice": "alloy",
        "input_audio_format": "pcm16",
        "output_audio_format": "pcm16",
        "input_audio_transcription": None,
        "input_audio_noise_reduction": None,
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "create_response": True,
            "interrupt_response": True,
        },
        "tools": [],
        "tool_choice": "auto",
        "temperature": 0.8,
        "max_response_output_tokens": "inf",
        "speed": 1.0,
        "tracing": None,
    }
    assert conversation["type"] == "conversation.created"
    assert conversation["conversation"] == {"id": "conv_test", "object": "realtime.conversation"}
    assert conversation["event_id"] != created["event_id"]


def test_every_setting_is_given_back_as_it_was_sent(caller: BetaCall) -> None:
    settings = {
        "modalities": ["text"],
        "instructions": "Be brief.",
        "voice": "sage",
        "input_audio_format": "g711_ulaw",
        "output_audio_format": "g711_alaw",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": "ships"},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": {
            "type": "semantic_vad",
            "eagerness": "low",
            "create_response": False,
            "interrupt_response": False,
        },
        "tools": [TOOL],
        "tool_choice": "get_weather",
        "temperature": 1.1,
        "max_response_output_tokens": 200,
        "speed": 1.25,
        "tracing": {"workflow_name": "calls"},
    }
    updated = caller.update(**settings)
    assert updated["type"] == "session.updated"
    assert settings.items() <= updated["session"].items()
    assert updated["session"] == caller.update()["session"]


def test_a_later_update_changes_only_what_it_names(caller: BetaCall) -> None:
    before = caller.update(temperature=0.6, voice="sage")["session"]
    after = caller.update(turn_detection=None)["session"]
    assert after == before | {"turn_detection": None}


def test_a_temperature_counts_once_its_update_is_accepted(caller: BetaCall) -> None:
    assert caller.update(temperature=0.9, speed=9)["type"] == "error"
    assert caller.update(voice="sage")["session"]["temperature"] == 0.8
    assert caller.update(temperature=0.9)["session"]["temperature"] == 0.9
    assert caller.update(temperature=None)["session"]["temperature"] == 0.8


def test_a_vad_turn(caller: BetaCall, short_words: Any) -> None:
    caller.update(turn_detection=DETECTION, temperature=0.7)
    seen = caller.hear(short_words) + caller.wait(2_000)
    assert kinds(seen) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.created",
        *SPOKEN,
    ]
    heard = first(seen, "conversation.item.created")
    assert heard["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    response = seen[-1]["response"]
    assert response["status"] == "completed"
    assert response["modalities"] == ["audio", "text"]
    assert response["voice"] == "alloy"
    assert response["output_audio_format"] == "pcm16"
    assert response["temperature"] == 0.7
    assert response["conversation_id"] == "conv_test"
    assert response["output"][0]["content"] == [{"type": "audio", "transcript": "Yes, it is."}]
    assert set(response["usage"]["input_token_details"]) == {
        "text_tokens",
        "audio_tokens",
        "cached_tokens",
    }


def test_a_manual_turn_with_wishes_of_its_own(caller: BetaCall) -> None:
    caller.update(turn_detection=None)
    assert caller.call.append(bytes(4_800)) == []
    assert kinds(caller.send({"type": "input_audio_buffer.commit"})) == [
        "input_audio_buffer.committed",
        "conversation.item.created",
    ]
    seen = caller.create(
        modalities=["text", "audio"],
        voice="verse",
        output_audio_format="g711_ulaw",
        temperature=1.2,
        max_response_output_tokens=4_096,
        metadata={"turn": "1"},
        conversation="auto",
    )
    assert kinds(seen) == SPOKEN
    for event in (first(seen, "response.created"), seen[-1]):
        response = event["response"]
        assert response["voice"] == "verse"
        assert response["output_audio_format"] == "g711_ulaw"
        assert response["temperature"] == 1.2
        assert response["max_output_tokens"] == 4_096
        assert response["metadata"] == {"turn": "1"}
    assert caller.create()[-1]["response"]["temperature"] == 0.8


def test_a_refused_response_leaves_its_temperature_to_nobody(caller: BetaCall) -> None:
    create = {"type": "response.create", "response": {"temperature": 1.0, "voice": 3}}
    assert kinds(caller.send(create)) == ["error"]
    (created,) = caller.beta.to_beta({"type": "response.created", "response": {"id": "resp_1"}})
    assert created["response"]["temperature"] == 0.8


def test_a_text_turn(caller: BetaCall) -> None:
    caller.update(modalities=["text"])
    caller.say("Hello.")
    seen = caller.create()
    texts = ["response.text.delta"] * kinds(seen).count("response.text.delta")
    assert texts
    assert kinds(seen) == [
        *("response.created", "rate_limits.updated"),
        *ANNOUNCED,
        *texts,
        "response.text.done",
        *("response.content_part.done", "response.output_item.done", "response.done"),
    ]
    response = seen[-1]["response"]
    assert response["modalities"] == ["text"]
    assert response["output"][0]["content"] == [{"type": "text", "text": "Yes, it is."}]
    assert first(seen, "response.content_part.added")["part"] == {"type": "text", "text": ""}


def test_a_tool_turn(caller: BetaCall) -> None:
    caller.update(tools=[TOOL], modalities=["text"])
    caller.say("What is the weather in Oslo?")
    seen = caller.create()
    done = first(seen, "response.function_call_arguments.done")
    assert json.loads(done["arguments"]) == {"city": "Oslo"}
    call = seen[-1]["response"]["output"][0]
    assert (call["type"], call["name"]) == ("function_call", "get_weather")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
    (created,) = caller.send({"type": "conversation.item.create", "item": output})
    assert created["item"]["output"] == "rain"
    assert caller.create()[-1]["response"]["output"][0]["content"] == [
        {"type": "text", "text": "The answer is rain."}
    ]


def test_a_response_out_of_band(caller: BetaCall) -> None:
    (said,) = caller.say("My name is Ada.")
    reference = {"type": "item_reference", "id": said["item"]["id"]}
    asked = {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "What is my name?"}],
    }
    answered = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "text", "text": "Nice to meet you."}],
    }
    seen = caller.create(
        conversation="none", input=[reference, answered, asked], modalities=["text"]
    )
    response = seen[-1]["response"]
    assert response["conversation_id"] is None
    assert response["output"][0]["content"][0]["text"] == "Your name is Ada."
    assert "conversation.item.created" not in kinds(seen)


@pytest.mark.parametrize("part", [{"type": "text", "text": "Yes."}, {"type": "audio"}])
def test_an_assistants_item_keeps_its_kind_of_content(caller: BetaCall, part: Event) -> None:
    item = {"id": "a", "type": "message", "role": "assistant", "content": [part]}
    (created,) = caller.send({"type": "conversation.item.create", "item": item})
    assert created["item"]["content"] == [part]
    (found,) = caller.send({"type": "conversation.item.retrieve", "item_id": "a"})
    assert (found["type"], found["item"]["content"]) == ("conversation.item.retrieved", [part])
    (gone,) = caller.send({"type": "conversation.item.delete", "item_id": "a"})
    assert gone["type"] == "conversation.item.deleted"


def test_a_reply_is_truncated_and_a_buffer_cleared(caller: BetaCall) -> None:
    item = caller.create()[-1]["response"]["output"][0]
    cut = {"item_id": item["id"], "content_index": 0, "audio_end_ms": 100}
    assert kinds(caller.send({"type": "conversation.item.truncate"} | cut)) == [
        "conversation.item.truncated"
    ]
    assert kinds(caller.send({"type": "input_audio_buffer.clear"})) == [
        "input_audio_buffer.cleared"
    ]


def test_a_cancelled_response_says_why(caller: BetaCall) -> None:
    caller.send({"type": "response.create"})
    caller.wait(310)
    done = caller.send({"type": "response.cancel"})[-1]["response"]
    assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert done["output"][0]["status"] == "incomplete"


class TwoWords:
    """Speech that is recognised, whichever stretch is asked for."""

    def text(self, _from_ms: float, _to_ms: float) -> str:
        return "Two words."

    def complete(self, _voice_end_ms: float) -> bool:
        return True


def test_transcription_is_told(
    call_with: Callable[..., Any], check: Check, short_words: Any
) -> None:
    knowing = call_with(
        session=Session(model="gpt-realtime"), recognise=lambda _samples, _at_ms: TwoWords()
    )
    for caller in (BetaCall(knowing, check), BetaCall(call_with(), check_loosely(check))):
        caller.update(input_audio_transcription={"model": "whisper-1"})
        seen = caller.hear(short_words) + caller.wait(5_000)
        prefix = "conversation.item.input_audio_transcription."
        told = {kind.removeprefix(prefix) for kind in kinds(seen) if kind.startswith(prefix)}
        assert told == ({"delta", "completed"} if caller.call is knowing else {"failed"})


def check_loosely(check: Check) -> Check:
    """As `check`, for a session of a model that the service does not have."""

    def checked(event: Event) -> Event:
        if "session" in event:
            check(event | {"session": event["session"] | {"model": "gpt-realtime"}})
            return event
        return check(event)

    return checked


def test_a_transcription_session(caller: BetaCall, short_words: Any) -> None:
    session = {
        "input_audio_format": "pcm16",
        "input_audio_transcription": {"model": "whisper-1", "language": "en", "prompt": None},
        "input_audio_noise_reduction": {"type": "near_field"},
        "turn_detection": DETECTION | {"threshold": 0.4},
        "modalities": ["text"],
        "include": ["item.input_audio_transcription.logprobs"],
        "client_secret": {"expires_at": {"anchor": "created_at", "seconds": 60}},
    }
    (updated,) = caller.send({"type": "transcription_session.update", "session": session})
    assert updated["type"] == "transcription_session.updated"
    assert updated["session"] == {
        "id": "sess_test",
        "object": "realtime.transcription_session",
        "input_audio_format": "pcm16",
        "input_audio_transcription": session["input_audio_transcription"],
        "turn_detection": {
            "type": "server_vad",
            "threshold": 0.4,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        },
    }
    assert kinds(caller.hear(short_words) + caller.wait(2_000))[-1].endswith(".failed")
    assert kinds(caller.send({"type": "response.create"})) == ["error"]


def test_a_connection_for_transcription_is_greeted_as_one(
    call_with: Callable[..., Any], check: Check
) -> None:
    session = Session(model="gpt-realtime").updated({"type": "transcription"})
    caller = BetaCall(call_with(session=session), check)
    assert kinds(caller.events) == ["transcription_session.created", "conversation.created"]


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        (
            {
                "type": "session.update",
                "session": {"turn_detection": {"type": "server_vad", "threshold": 2}},
            },
            "invalid_type",
            "session.turn_detection.threshold",
        ),
        (
            {"type": "session.update", "session": {"input_audio_transcription": 7}},
            "invalid_type",
            "session.input_audio_transcription",
        ),
        (
            {"type": "session.update", "session": {"output_audio_format": None}},
            "invalid_type",
            "session.output_audio_format",
        ),
        (
            {"type": "response.create", "response": {"max_response_output_tokens": "all"}},
            "invalid_value",
            "response.max_response_output_tokens",
        ),
        (
            {
                "type": "conversation.item.create",
                "item": {"type": "message", "role": "user", "content": [{"type": "text"}]},
            },
            "invalid_value",
            "item.content[0].type",
        ),
        ({"type": "session.update"}, "missing_required_parameter", "session"),
        ({"type": "transcription_session.update"}, "missing_required_parameter", "session"),
        ({"type": "conversation.item.create"}, "missing_required_parameter", "item"),
        ({"type": "response.create", "response": 7}, "invalid_type", "response"),
        ({"type": "no.such.event"}, "invalid_value", "type"),
    ],
)
def test_the_servers_refusals_name_the_clients_fields(
    caller: BetaCall, event: Event, code: str, param: str
) -> None:
    (answer,) = caller.send(event | {"event_id": "mine"})
    error = answer["error"]
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "mine")
    assert "audio.input" not in error["message"]
    assert "output_text" not in error["message"]
    if param.startswith("session."):
        assert f"'{param}'" in error["message"]


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update", "session": {"audio": {}}}, "session.audio"),
        ({"type": "session.update", "session": {"temperature": 2}}, "session.temperature"),
        ({"type": "response.create", "response": {"speed": 1}}, "response.speed"),
        ({"type": "response.create", "response": {"temperature": 0}}, "response.temperature"),
        (
            {
                "type": "response.create",
                "response": {"input": [{"content": [{}, {"type": "output_text"}]}]},
            },
            "response.input[0].content[1].type",
        ),
        (
            {"type": "conversation.item.create", "item": {"content": [{"type": "input_image"}]}},
            "item.content[0].type",
        ),
        (
            {"type": "transcription_session.update", "session": {"voice": "sage"}},
            "session.voice",
        ),
    ],
)
def test_what_the_dialect_does_not_know_is_refused(event: Event, param: str) -> None:
    with pytest.raises(Refusal) as caught:
        BetaSession("conv_test").to_ga(event)
    assert caught.value.param == param


@pytest.mark.parametrize("name", ["max_output_tokens", "max_response_output_tokens"])
def test_a_responses_limit_has_two_names(name: str) -> None:
    event = {"type": "response.create", "event_id": "mine", "response": {name: 9}}
    assert BetaSession("conv_test").to_ga(event) == {
        "type": "response.create",
        "event_id": "mine",
        "response": {"max_output_tokens": 9},
    }


def test_every_event_of_the_server_has_its_name_or_goes_untold() -> None:
    known = types_of(GaServerEvent)
    assert known.keys() >= UNTOLD
    assert known.keys() >= DELTA_TYPES.keys()
    renamed = DELTA_TYPES | {"conversation.item.added": "conversation.item.created"}
    told = {renamed.get(kind, kind) for kind in known.keys() - UNTOLD}
    assert told | {"transcription_session.updated"} == types_of(RealtimeServerEvent).keys()
    assert not UNTOLD & types_of(RealtimeServerEvent).keys()


@pytest.mark.parametrize(("ga", "beta"), DELTA_TYPES.items())
def test_renamed_events_have_the_same_fields(ga: str, beta: str) -> None:
    fields = types_of(GaServerEvent)[ga].model_fields.keys()
    assert fields == types_of(RealtimeServerEvent)[beta].model_fields.keys()
    event = {"type": ga, "event_id": "event_1", "delta": "x"}
    assert BetaSession("conv_test").to_beta(event) == [event | {"type": beta}]


@pytest.mark.parametrize("kind", sorted(UNTOLD))
def test_what_has_no_word_goes_untold(kind: str) -> None:
    assert BetaSession("conv_test").to_beta({"type": kind, "event_id": "event_1"}) == []


@pytest.mark.parametrize("event", [{"type": "no.such.event"}, {"type": 7}, {}])
def test_an_unknown_event_passes_as_it_is(event: Event) -> None:
    assert BetaSession("conv_test").to_beta(event) == [event]
    assert BetaSession("conv_test").to_ga(event) == event


@pytest.mark.parametrize(
    ("change", "misfit"),
    [({"extra": 1}, "extra: unknown"), ({"audio_start_ms": "7"}, "audio_start_ms")],
)
def test_the_check_is_strict(check: Check, change: Event, misfit: str) -> None:
    event = {
        "type": "input_audio_buffer.speech_started",
        "event_id": "event_1",
        "item_id": "item_1",
        "audio_start_ms": 7,
    }
    assert check(event) == event
    with pytest.raises((AssertionError, ValidationError), match=misfit):
        check(event | change)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["text", "audio", "auto", ""]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "content", "input", "item", "temperature", "voice"]), inner
        )
    ),
    max_leaves=6,
)
CLIENT_TYPES = [
    "session.update",
    "transcription_session.update",
    "conversation.item.create",
    "response.create",
]


@given(
    st.sampled_from(CLIENT_TYPES),
    st.dictionaries(st.sampled_from(["session", "item", "response"]), JSON),
)
def test_no_field_of_a_client_breaks_the_translation(kind: str, fields: Event) -> None:
    event = {"type": kind} | fields
    with suppress(Refusal):
        event = BetaSession("conv_test").to_ga(event)
        kind = kind.removeprefix("transcription_")
    assert event["type"] == kind

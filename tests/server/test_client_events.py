from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.session_settings import Session


def refused(seen: list[dict[str, Any]]) -> dict[str, Any]:
    (event,) = seen
    assert event["type"] == "error"
    assert event["error"]["type"] == "invalid_request_error"
    return event["error"]


def audio_of(ms: int) -> str:
    return b64encode(bytes(48 * ms)).decode()


def message(role: str, **part: str) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [part]}


def say(call: Any, text: str, **more: Any) -> list[dict[str, Any]]:
    item = message("user", type="input_text", text=text) | more.pop("item", {})
    return call.send({"type": "conversation.item.create", "item": item} | more)


def test_the_greeting_is_the_whole_default_session(call: Any) -> None:
    (created,) = call.events
    session = created["session"]
    assert created["type"] == "session.created"
    assert session["model"] == "fast-1"
    assert session["id"] == "sess_test"
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 500,
        "create_response": True,
        "interrupt_response": True,
        "idle_timeout_ms": None,
    }


def test_updates_are_merged_field_by_field(call: Any) -> None:
    call.update(instructions="Be brief.", audio={"output": {"voice": "marin"}})
    call.update(audio={"input": {"turn_detection": {"silence_duration_ms": 200}}})
    (updated,) = call.update(
        type="realtime", audio={"input": {"transcription": {"model": "whisper-1"}}}
    )
    session = updated["session"]
    assert updated["type"] == "session.updated"
    assert session["instructions"] == "Be brief."
    assert session["audio"]["output"]["voice"] == "marin"
    assert session["audio"]["input"]["transcription"]["model"] == "whisper-1"
    assert session["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 200
    assert session["audio"]["input"]["turn_detection"]["threshold"] == 0.5


def test_another_kind_of_detection_replaces_the_first(call: Any) -> None:
    call.update(audio={"input": {"turn_detection": {"type": "semantic_vad"}}})
    call.update(audio={"input": {"turn_detection": None}})
    (updated,) = call.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    assert updated["session"]["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500


def test_lists_are_replaced(call: Any) -> None:
    tool = {"type": "function", "name": "book", "description": "Books.", "parameters": {}}
    call.update(tools=[tool, tool])
    (updated,) = call.update(tools=[tool], tool_choice={"type": "function", "name": "book"})
    assert updated["session"]["tools"] == [tool]


def test_everything_a_session_may_hold_is_given_back(call: Any) -> None:
    (updated,) = call.update(
        max_output_tokens=500,
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
        tracing="auto",
        prompt={"id": "p1"},
        include=["item.input_audio_transcription.logprobs"],
        parallel_tool_calls=False,
        reasoning={"effort": "low"},
        audio={"input": {"noise_reduction": {"type": "near_field"}}},
    )
    assert updated["session"]["truncation"]["retention_ratio"] == 0.8
    assert updated["session"]["audio"]["input"]["noise_reduction"] == {"type": "near_field"}


def test_the_model_stays_the_one_connected_to(call: Any) -> None:
    (updated,) = call.update(model="other")
    assert updated["session"]["model"] == "fast-1"


detections = st.fixed_dictionaries(
    {},
    optional={
        "type": st.just("server_vad"),
        "threshold": st.floats(0, 1),
        "silence_duration_ms": st.integers(0, 2_000),
        "create_response": st.booleans(),
    },
)


@given(st.lists(detections, max_size=5))
def test_merging_one_by_one_is_merging_all(patches: list[dict[str, Any]]) -> None:
    one_by_one, together = Session(), {}
    for patch in patches:
        one_by_one = one_by_one.updated({"audio": {"input": {"turn_detection": patch}}})
        together |= patch
    assert one_by_one == Session().updated({"audio": {"input": {"turn_detection": together}}})


@pytest.mark.parametrize(
    ("session", "code", "param"),
    [
        ({"modalities": ["audio"]}, "unknown_parameter", "session.modalities"),
        (
            {"audio": {"input": {"turn_detection": {"silence": 1}}}},
            "unknown_parameter",
            "session.audio.input.turn_detection.silence",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/opus"}}}},
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "invalid_value",
            "session.audio.input.format.rate",
        ),
        ({"output_modalities": []}, "invalid_type", "session.output_modalities"),
        ({"output_modalities": ["text", "audio"]}, "invalid_type", "session.output_modalities"),
        ({"max_output_tokens": 0}, "invalid_type", "session.max_output_tokens"),
        ({"audio": {"output": {"speed": 2.0}}}, "invalid_type", "session.audio.output.speed"),
        (
            {"audio": {"input": {"turn_detection": {"idle_timeout_ms": 100}}}},
            "invalid_type",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"threshold": "loud"}}}},
            "invalid_type",
            "session.audio.input.turn_detection.threshold",
        ),
        ({"audio": 7}, "invalid_type", "session.audio"),
    ],
)
def test_a_wrong_update_is_named_and_changes_nothing(
    call: Any, session: dict[str, Any], code: str, param: str
) -> None:
    before = call.responder.session
    error = refused(call.send({"type": "session.update", "event_id": "u1", "session": session}))
    assert (error["code"], error["param"], error["event_id"]) == (code, param, "u1")
    assert call.responder.session == before


def test_the_voice_is_fixed_once_it_was_heard(call: Any) -> None:
    call.update(audio={"output": {"voice": "ash"}})
    call.send({"type": "response.create"})
    call.wait(2_000)
    error = refused(call.update(audio={"output": {"voice": "marin"}}))
    assert error["code"] == "cannot_update_voice"
    assert call.update(audio={"output": {"voice": "ash"}})[0]["type"] == "session.updated"


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", '{"type": ', b"\xff\xfe", "[1, 2]", '"text"', "[" * 5_000],
)
def test_what_is_no_json_object_leaves_the_session_open(call: Any, text: str | bytes) -> None:
    assert refused(call.send(text))["code"] == "invalid_json"
    assert call.update()[0]["type"] == "session.updated"


@pytest.mark.parametrize("kind", ["output_audio_buffer.clear", "no.such", None, 5, ["x"]])
def test_an_unknown_event_is_refused_by_its_id(call: Any, kind: Any) -> None:
    error = refused(call.send(json.dumps({"type": kind, "event_id": "e7"})))
    assert (error["code"], error["param"], error["event_id"]) == ("invalid_value", "type", "e7")


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_message_breaks_the_session(call_with: Any, text: bytes) -> None:
    call = call_with()
    assert refused(call.send(text))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(
    st.sampled_from(
        [
            "session.update",
            "input_audio_buffer.append",
            "conversation.item.create",
            "conversation.item.retrieve",
            "conversation.item.delete",
            "conversation.item.truncate",
            "response.create",
            "response.cancel",
        ]
    ),
    st.dictionaries(
        st.sampled_from(
            ["session", "audio", "item", "item_id", "content_index", "response", "event_id"]
        ),
        json_values,
    ),
)
def test_no_field_breaks_the_session(call_with: Any, kind: str, fields: dict[str, Any]) -> None:
    call = call_with()
    call.send(json.dumps({"type": kind, **fields}))
    assert call.update()[0]["type"] == "session.updated"


@pytest.mark.parametrize("audio", ["***", "abc", None, 5, {}])
def test_audio_that_is_no_base64_is_refused(call: Any, audio: Any) -> None:
    append = {"type": "input_audio_buffer.append", "audio": audio, "event_id": "a1"}
    error = refused(call.send(json.dumps(append)))
    assert (error["param"], error["event_id"]) == ("audio", "a1")


def test_appends_are_not_acknowledged(call: Any) -> None:
    assert call.append(bytes(960)) == []
    assert call.send({"type": "input_audio_buffer.append", "audio": audio_of(20)}) == []


@pytest.mark.parametrize(("ms", "enough"), [(0, False), (99, False), (100, True), (500, True)])
def test_a_commit_needs_100_ms(call: Any, ms: int, enough: bool) -> None:
    call.update(audio={"input": {"turn_detection": None}})
    call.append(bytes(48 * ms))
    seen = call.send({"type": "input_audio_buffer.commit", "event_id": "c1"})
    if enough:
        assert seen[0]["type"] == "input_audio_buffer.committed"
        assert seen[1]["item"]["content"] == [{"type": "input_audio", "transcript": None}]
    else:
        error = refused(seen)
        assert (error["code"], error["event_id"]) == ("input_audio_buffer_commit_empty", "c1")
        assert f"{ms:.2f}ms" in error["message"]


def test_a_commit_empties_the_buffer_and_so_does_clear(call: Any) -> None:
    call.update(audio={"input": {"turn_detection": None}})
    commit = {"type": "input_audio_buffer.commit"}
    call.append(bytes(48 * 300))
    call.send(commit)
    assert refused(call.send(commit))["code"] == "input_audio_buffer_commit_empty"
    call.append(bytes(48 * 300))
    assert (
        call.send({"type": "input_audio_buffer.clear"})[0]["type"] == "input_audio_buffer.cleared"
    )
    assert refused(call.send(commit))["code"] == "input_audio_buffer_commit_empty"


def test_a_commit_during_speech_takes_the_announced_id(call: Any, short_words: Any) -> None:
    call.hear(short_words[: 24 * 1_000])
    announced = call.first("input_audio_buffer.speech_started")["item_id"]
    committed = call.send({"type": "input_audio_buffer.commit"})
    assert committed[0]["item_id"] == announced


def test_items_are_created_found_and_deleted(call: Any) -> None:
    added, done = say(call, "Hello.")
    assert (added["type"], done["type"]) == ("conversation.item.added", "conversation.item.done")
    assert added["previous_item_id"] is None
    item_id = added["item"]["id"]
    (found,) = call.send({"type": "conversation.item.retrieve", "item_id": item_id})
    assert found["item"] == added["item"]
    (gone,) = call.send({"type": "conversation.item.delete", "item_id": item_id})
    assert gone["item_id"] == item_id
    for verb in ("retrieve", "delete"):
        error = refused(call.send({"type": f"conversation.item.{verb}", "item_id": item_id}))
        assert error["code"] == f"item_{verb}_invalid_item_id"


def test_items_go_where_they_are_asked_to(call: Any) -> None:
    say(call, "b", item={"id": "b"})
    assert say(call, "a", item={"id": "a"}, previous_item_id="root")[0]["previous_item_id"] is None
    assert say(call, "c", item={"id": "c"})[0]["previous_item_id"] == "b"
    assert say(call, "ab", item={"id": "ab"}, previous_item_id="a")[0]["previous_item_id"] == "a"
    assert refused(say(call, "x", previous_item_id="none"))["param"] == "previous_item_id"
    assert refused(say(call, "x", item={"id": "a"}))["param"] == "item.id"


@pytest.mark.parametrize(
    "item",
    [
        {"type": "function_call_output", "call_id": "c1", "output": "{}"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "x"}]},
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "x"}],
        },
        {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "AAAA"}]},
    ],
)
def test_every_kind_of_item_is_taken(call: Any, item: dict[str, Any]) -> None:
    seen = call.send({"type": "conversation.item.create", "item": item})
    assert item.items() <= seen[0]["item"].items()


@pytest.mark.parametrize(
    ("item", "param"),
    [
        (None, "item"),
        ({"type": "poem"}, "item.type"),
        (
            {"type": "message", "role": "user", "content": [{"type": "text"}]},
            "item.content[0].type",
        ),
        (
            {"type": "message", "role": "user", "content": [{"type": "output_text"}]},
            "item.content[0].type",
        ),
        ({"type": "message", "role": "user"}, "item.content"),
    ],
)
def test_a_wrong_item_is_named(call: Any, item: Any, param: str) -> None:
    error = refused(call.send({"type": "conversation.item.create", "item": item}))
    assert error["param"] == param


def test_a_reply_is_truncated_to_what_was_played(call: Any) -> None:
    call.send({"type": "response.create"})
    item = call.wait(2_000)[-1]["response"]["output"][0]
    truncate = {
        "type": "conversation.item.truncate",
        "item_id": item["id"],
        "content_index": 0,
        "audio_end_ms": 250,
    }
    assert call.send(truncate)[0]["audio_end_ms"] == 250
    (found,) = call.send({"type": "conversation.item.retrieve", "item_id": item["id"]})
    assert found["item"]["content"] == [{"type": "output_audio"}]
    error = refused(call.send(truncate | {"audio_end_ms": 251}))
    assert error["message"] == "Audio content of 250ms is already shorter than 251ms"
    assert refused(call.send(truncate | {"item_id": "x"}))["param"] == "item_id"
    assert refused(call.send(truncate | {"audio_end_ms": -1}))["param"] == "audio_end_ms"


@pytest.mark.parametrize(
    ("response", "param"),
    [
        ({"output_modalities": ["smell"]}, "response.output_modalities[0]"),
        (
            {"audio": {"output": {"format": {"type": "audio/opus"}}}},
            "response.audio.output.format.type",
        ),
        ({"temperature": 0.8}, "response.temperature"),
        (7, "response"),
    ],
)
def test_a_wrong_wish_for_a_response_is_named(call: Any, response: Any, param: str) -> None:
    error = refused(call.send({"type": "response.create", "response": response}))
    assert error["param"] == param
    assert call.wait(1_000) == []

"""What OpenAI's GA wire says, in canonical form."""

from __future__ import annotations

import json
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter

from bench.dialects import DIALECTS
from bench.dialects.base import Kind, ServerEvent
from bench.dialects.openai import GA_KINDS, OPENAI
from bench.dialects.received import RAW_LIMIT

USAGE = {
    "total_tokens": 30,
    "input_tokens": 20,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 5, "audio_tokens": 15, "cached_tokens": 0},
    "output_token_details": {"text_tokens": 2, "audio_tokens": 8},
}
USER_ITEM = {
    "id": "item_1",
    "type": "message",
    "role": "user",
    "status": "completed",
    "content": [{"type": "input_audio", "transcript": None}],
}
REPLY_ITEM = {"id": "item_2", "type": "message", "role": "assistant", "content": []}
TEXT_PART = {"type": "audio", "transcript": ""}
PART = {
    "response_id": "resp_1",
    "item_id": "item_2",
    "output_index": 0,
    "content_index": 0,
}
CALL = {
    "response_id": "resp_1",
    "item_id": "item_4",
    "output_index": 0,
    "call_id": "call_1",
}
ITEM_DETAIL = {"item_type": "message", "role": "user"}
REPLY_DETAIL = {"item_type": "message", "role": "assistant"}
FAULT = {
    "type": "invalid_request_error",
    "code": "invalid_value",
    "message": "No such voice.",
    "param": "session.audio.output.voice",
    "event_id": "event_9",
}
TRANSCRIPTION = "conversation.item.input_audio_transcription"

GOLDEN: list[tuple[dict[str, Any], ServerEvent]] = [
    (
        {
            "type": "session.created",
            "session": {"type": "realtime", "id": "sess_1", "model": "gpt-realtime"},
        },
        ServerEvent(Kind.SESSION_CREATED, "session.created", detail={"session": "sess_1"}),
    ),
    (
        {"type": "session.updated", "session": {"type": "realtime", "id": "sess_1"}},
        ServerEvent(Kind.SESSION_UPDATED, "session.updated"),
    ),
    (
        {
            "type": "input_audio_buffer.speech_started",
            "audio_start_ms": 1_040,
            "item_id": "item_1",
        },
        ServerEvent(
            Kind.SPEECH_STARTED,
            "input_audio_buffer.speech_started",
            item_id="item_1",
            server_ms=1_040,
        ),
    ),
    (
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 3_840, "item_id": "item_1"},
        ServerEvent(
            Kind.SPEECH_STOPPED,
            "input_audio_buffer.speech_stopped",
            item_id="item_1",
            server_ms=3_840,
        ),
    ),
    (
        {
            "type": "input_audio_buffer.committed",
            "item_id": "item_1",
            "previous_item_id": None,
        },
        ServerEvent(Kind.COMMITTED, "input_audio_buffer.committed", item_id="item_1"),
    ),
    (
        {"type": "conversation.item.added", "item": USER_ITEM, "previous_item_id": None},
        ServerEvent(
            Kind.ITEM_ADDED, "conversation.item.added", item_id="item_1", detail=ITEM_DETAIL
        ),
    ),
    (
        {"type": "conversation.item.done", "item": USER_ITEM, "previous_item_id": None},
        ServerEvent(
            Kind.ITEM_DONE, "conversation.item.done", item_id="item_1", detail=ITEM_DETAIL
        ),
    ),
    (
        {
            "type": f"{TRANSCRIPTION}.delta",
            "item_id": "item_1",
            "content_index": 0,
            "delta": "What",
        },
        ServerEvent(Kind.INPUT_TRANSCRIPT_DELTA, f"{TRANSCRIPTION}.delta", item_id="item_1"),
    ),
    (
        {
            "type": f"{TRANSCRIPTION}.completed",
            "item_id": "item_1",
            "content_index": 0,
            "transcript": "What time?",
            "usage": {"type": "duration", "seconds": 3.0},
        },
        ServerEvent(
            Kind.INPUT_TRANSCRIPT_DONE,
            f"{TRANSCRIPTION}.completed",
            item_id="item_1",
            detail={"transcript": "What time?"},
        ),
    ),
    (
        {
            "type": f"{TRANSCRIPTION}.failed",
            "item_id": "item_1",
            "content_index": 0,
            "error": {"type": "transcription_error", "code": "audio_unintelligible"},
        },
        ServerEvent(
            Kind.INPUT_TRANSCRIPT_FAILED,
            f"{TRANSCRIPTION}.failed",
            item_id="item_1",
            detail={"type": "transcription_error", "code": "audio_unintelligible"},
        ),
    ),
    (
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        ServerEvent(Kind.RESPONSE_CREATED, "response.created", response_id="resp_1"),
    ),
    *(
        (
            {
                "type": f"response.output_item.{step}",
                "response_id": "resp_1",
                "output_index": 0,
                "item": REPLY_ITEM,
            },
            ServerEvent(
                Kind.RESPONSE_PART,
                f"response.output_item.{step}",
                item_id="item_2",
                response_id="resp_1",
                detail=REPLY_DETAIL,
            ),
        )
        for step in ("added", "done")
    ),
    *(
        (
            {"type": f"response.content_part.{step}", "part": TEXT_PART, **PART},
            ServerEvent(
                Kind.RESPONSE_PART,
                f"response.content_part.{step}",
                item_id="item_2",
                response_id="resp_1",
            ),
        )
        for step in ("added", "done")
    ),
    (
        {"type": "response.output_audio.delta", "delta": "AAEC", **PART},
        ServerEvent(
            Kind.OUTPUT_AUDIO_DELTA,
            "response.output_audio.delta",
            item_id="item_2",
            response_id="resp_1",
            audio="AAEC",
        ),
    ),
    (
        {"type": "response.output_audio.done", **PART},
        ServerEvent(
            Kind.OUTPUT_AUDIO_DONE,
            "response.output_audio.done",
            item_id="item_2",
            response_id="resp_1",
        ),
    ),
    (
        {"type": "response.output_audio_transcript.delta", "delta": "At ten", **PART},
        ServerEvent(
            Kind.OUTPUT_TRANSCRIPT_DELTA,
            "response.output_audio_transcript.delta",
            item_id="item_2",
            response_id="resp_1",
        ),
    ),
    (
        {"type": "response.output_audio_transcript.done", "transcript": "At ten.", **PART},
        ServerEvent(
            Kind.OUTPUT_TRANSCRIPT_DONE,
            "response.output_audio_transcript.done",
            item_id="item_2",
            response_id="resp_1",
            detail={"transcript": "At ten."},
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "resp_1",
                "status": "completed",
                "output": [REPLY_ITEM],
                "usage": USAGE,
            },
        },
        ServerEvent(
            Kind.RESPONSE_DONE,
            "response.done",
            response_id="resp_1",
            detail={"status": "completed", "usage": USAGE},
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "resp_1",
                "status": "cancelled",
                "status_details": {"type": "cancelled", "reason": "turn_detected"},
            },
        },
        ServerEvent(
            Kind.RESPONSE_DONE,
            "response.done",
            response_id="resp_1",
            detail={"status": "cancelled", "reason": "turn_detected"},
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {
                "id": "resp_1",
                "status": "failed",
                "status_details": {
                    "type": "failed",
                    "error": {"type": "server_error", "code": "rate_limit_exceeded"},
                },
            },
        },
        ServerEvent(
            Kind.RESPONSE_DONE,
            "response.done",
            response_id="resp_1",
            detail={"status": "failed", "error_code": "rate_limit_exceeded"},
        ),
    ),
    (
        {
            "type": "rate_limits.updated",
            "rate_limits": [
                {"name": "tokens", "limit": 9, "remaining": 8, "reset_seconds": 0.5},
            ],
        },
        ServerEvent(Kind.RATE_LIMITS, "rate_limits.updated"),
    ),
    (
        {"type": "input_audio_buffer.cleared"},
        ServerEvent(Kind.INPUT_CLEARED, "input_audio_buffer.cleared"),
    ),
    (
        {
            "type": "input_audio_buffer.timeout_triggered",
            "audio_start_ms": 5_000,
            "audio_end_ms": 11_000,
            "item_id": "item_3",
        },
        ServerEvent(
            Kind.IDLE_TIMEOUT,
            "input_audio_buffer.timeout_triggered",
            item_id="item_3",
            server_ms=11_000,
        ),
    ),
    (
        {
            "type": "conversation.item.truncated",
            "item_id": "item_2",
            "content_index": 0,
            "audio_end_ms": 640,
        },
        ServerEvent(
            Kind.ITEM_TRUNCATED,
            "conversation.item.truncated",
            item_id="item_2",
            detail={"audio_end_ms": 640},
        ),
    ),
    (
        {"type": "conversation.item.deleted", "item_id": "item_2"},
        ServerEvent(Kind.ITEM_DELETED, "conversation.item.deleted", item_id="item_2"),
    ),
    (
        {"type": "conversation.item.retrieved", "item": USER_ITEM},
        ServerEvent(
            Kind.BOOKKEEPING, "conversation.item.retrieved", item_id="item_1", detail=ITEM_DETAIL
        ),
    ),
    (
        {"type": "response.output_text.delta", "delta": "At", **PART},
        ServerEvent(
            Kind.OUTPUT_TEXT_DELTA,
            "response.output_text.delta",
            item_id="item_2",
            response_id="resp_1",
        ),
    ),
    (
        {"type": "response.output_text.done", "text": "At ten.", **PART},
        ServerEvent(
            Kind.OUTPUT_TEXT_DONE,
            "response.output_text.done",
            item_id="item_2",
            response_id="resp_1",
            detail={"transcript": "At ten."},
        ),
    ),
    (
        {"type": "response.function_call_arguments.delta", "delta": "{", **CALL},
        ServerEvent(
            Kind.TOOL_CALL_DELTA,
            "response.function_call_arguments.delta",
            item_id="item_4",
            response_id="resp_1",
        ),
    ),
    (
        {
            "type": "response.function_call_arguments.done",
            "name": "get_time",
            "arguments": '{"zone": "UTC"}',
            **CALL,
        },
        ServerEvent(
            Kind.TOOL_CALL,
            "response.function_call_arguments.done",
            item_id="item_4",
            response_id="resp_1",
            detail={"call_id": "call_1", "name": "get_time", "arguments": '{"zone": "UTC"}'},
        ),
    ),
    (
        {
            "type": "response.output_item.added",
            "response_id": "resp_1",
            "output_index": 0,
            "item": {
                "id": "item_4",
                "type": "function_call",
                "call_id": "call_1",
                "name": "get_time",
                "arguments": "",
            },
        },
        ServerEvent(
            Kind.RESPONSE_PART,
            "response.output_item.added",
            item_id="item_4",
            response_id="resp_1",
            detail={"item_type": "function_call", "call_id": "call_1", "name": "get_time"},
        ),
    ),
    (
        {
            "type": "response.created",
            "response": {"id": "resp_2", "metadata": {"asked": "aside"}},
        },
        ServerEvent(
            Kind.RESPONSE_CREATED,
            "response.created",
            response_id="resp_2",
            detail={"metadata": {"asked": "aside"}},
        ),
    ),
    (
        {
            "type": "response.done",
            "response": {"id": "resp_2", "status": "completed", "metadata": {"asked": "aside"}},
        },
        ServerEvent(
            Kind.RESPONSE_DONE,
            "response.done",
            response_id="resp_2",
            detail={"status": "completed", "metadata": {"asked": "aside"}},
        ),
    ),
    (
        {"type": "error", "error": FAULT},
        ServerEvent(Kind.ERROR, "error", detail=FAULT),
    ),
    (
        {"type": "error", "error": {"type": "server_error", "message": "Oops", "code": None}},
        ServerEvent(Kind.ERROR, "error", detail={"type": "server_error", "message": "Oops"}),
    ),
]
SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


def encoded(message: Any) -> bytes:
    return json.dumps(message).encode()


@pytest.mark.parametrize(
    ("message", "expected"), GOLDEN, ids=[f"{n}-{m['type']}" for n, (m, _) in enumerate(GOLDEN)]
)
class TestGolden:
    """Each listed event."""

    def test_becomes_its_canonical_form(
        self, message: dict[str, Any], expected: ServerEvent
    ) -> None:
        whole = {"event_id": "event_1", **message}
        assert OPENAI.parse(encoded(whole)) == expected
        assert OPENAI.parse(bytearray(encoded(whole))) == expected

    def test_is_what_the_openai_package_calls_so(
        self, message: dict[str, Any], expected: ServerEvent
    ) -> None:
        event = SERVER_EVENT.validate_python({"event_id": "event_1", **message})
        assert event.type == expected.type
        assert not event.model_extra

    def test_reads_the_same_with_fields_of_a_newer_server(
        self, message: dict[str, Any], expected: ServerEvent
    ) -> None:
        newer = {"x_new": {"deep": [1, None, "x" * 9_000]}, **message, "event_id": None}
        assert OPENAI.parse(encoded(newer)) == expected


def test_every_listed_type_has_a_golden_message() -> None:
    assert {message["type"] for message, _ in GOLDEN} == set(GA_KINDS)


def test_dialects_are_listed_under_their_own_names() -> None:
    assert DIALECTS["openai"] is OPENAI
    assert all(dialect.name == name for name, dialect in DIALECTS.items())


# every type of the package


def example(annotation: Any, *, full: bool, depth: int = 0) -> Any:
    """A JSON value of `annotation`: the least there is, or with every optional field."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return example(arguments[0], full=full, depth=depth)
    if origin is typing.Literal:
        return arguments[0]
    if origin in {list, typing.Iterable}:
        return [example(arguments[0], full=full, depth=depth + 1)] if full else []
    if origin is dict:
        return {"key": "value"} if full else {}
    if arguments:  # a union
        if type(None) in arguments and (not full or depth > 6):
            return None
        return example(
            next(a for a in arguments if a is not type(None)), full=full, depth=depth + 1
        )
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {
            field.alias or name: example(field.annotation, full=full, depth=depth + 1)
            for name, field in annotation.model_fields.items()
            if field.is_required() or (full and depth <= 6)
        }
    return {str: "x", int: 7, float: 1.5, bool: True}.get(annotation, {})


EVENT_CLASSES = typing.get_args(typing.get_args(RealtimeServerEvent)[0])
assert len(EVENT_CLASSES) > 40


@pytest.mark.parametrize("full", [False, True], ids=["least", "full"])
@pytest.mark.parametrize("event_class", EVENT_CLASSES, ids=lambda c: c.__name__)
def test_every_event_of_the_openai_package_is_listed_or_unknown(
    event_class: type[BaseModel], full: bool
) -> None:
    message = example(event_class, full=full)
    assert not event_class.model_validate(message).model_extra
    event = OPENAI.parse(encoded(message))
    assert event.type == message["type"]
    assert event.kind is GA_KINDS.get(message["type"], Kind.UNKNOWN)


def test_every_listed_type_is_one_of_the_openai_package() -> None:
    known = {example(event_class, full=False)["type"] for event_class in EVENT_CLASSES}
    assert set(GA_KINDS) <= known


# what nobody expects


def test_a_type_that_is_not_listed_is_kept_raw() -> None:
    text = '{"type":"response.audio.delta","delta":"é"}'
    event = OPENAI.parse(text.encode())
    assert event == ServerEvent(Kind.UNKNOWN, "response.audio.delta", detail={"raw": text})


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"hello",
        b"null",
        b"[]",
        b'"error"',
        b"{}",
        b'{"type":null}',
        b'{"type":3}',
        b'{"type":"error"',
        b'{"type":"error"} x',
        b'\xef\xbb\xbf{"type":"error"}',
        b'{"type":"response.done","response":"resp_1"}',
        b'{"type":"response.output_audio.delta","delta":[1]}',
        b'{"type":"input_audio_buffer.speech_started","audio_start_ms":"soon"}',
        b'{"type":"input_audio_buffer.speech_started","audio_start_ms":1e999}',
        b'{"type":"input_audio_buffer.speech_started","audio_start_ms":NaN}',
        b'{"type":"error","error":{"message":"\\ud800"}}',
        b'{"type":"error","error":{"message":"\xff\xfe"}}',
        b'{"type":"\xff"}',
        b'{"type":"response.done","response":{"usage":{"\xc3":1}}}',
    ],
)
def test_anything_else_is_malformed_and_kept_raw(message: bytes) -> None:
    event = OPENAI.parse(message)
    assert event.kind is Kind.MALFORMED
    assert event.type == ""
    assert event.detail is not None
    assert event.detail["raw"] == message.decode("utf-8", "replace")
    assert event.detail["error"]


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":"error","x":' + b"[" * 100_000,
        b'{"type":"response.done","response":{"usage":' + b'{"a":' * 100_000,
        b'{"type":"error","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["lists", "objects", "closed lists"],
)
def test_deep_nesting_is_malformed_and_does_not_raise(message: bytes) -> None:
    assert OPENAI.parse(message).kind is Kind.MALFORMED


def check_bounds(event: ServerEvent) -> None:
    assert len(event.type) <= 200
    if event.detail is not None:
        json.dumps(event.detail, ensure_ascii=False).encode()
    if event.kind in {Kind.UNKNOWN, Kind.MALFORMED, Kind.ERROR}:
        for value in (event.detail or {}).values():
            assert len(value) <= RAW_LIMIT


@given(st.binary(max_size=300))
def test_no_bytes_raise(message: bytes) -> None:
    check_bounds(OPENAI.parse(message))


junk = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = [
    "item_id",
    "response_id",
    "delta",
    "transcript",
    "audio_start_ms",
    "audio_end_ms",
    "item",
    "response",
    "session",
    "error",
]
inner_names = st.sampled_from(
    ["id", "type", "role", "status", "status_details", "usage", "code", "message", "error"]
)
inner = st.dictionaries(inner_names, junk, max_size=4)


@given(
    kind=st.one_of(st.sampled_from(sorted(GA_KINDS)), st.text(max_size=300)),
    fields=st.dictionaries(st.sampled_from(FIELDS), st.one_of(junk, inner), max_size=5),
    ascii_only=st.booleans(),
)
def test_no_fields_raise(kind: str, fields: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps({"type": kind, **fields}, ensure_ascii=ascii_only)
    event = OPENAI.parse(text.encode("utf-8", "surrogatepass"))
    assert event.kind in {GA_KINDS.get(kind, Kind.UNKNOWN), Kind.MALFORMED}
    check_bounds(event)


@given(golden=st.sampled_from(GOLDEN), data=st.data())
def test_no_damage_to_a_good_message_raises(
    golden: tuple[dict[str, Any], ServerEvent], data: st.DataObject
) -> None:
    message = bytearray(encoded(golden[0]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(message) - 1))
        message[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    check_bounds(OPENAI.parse(bytes(message)))


@pytest.mark.parametrize(
    "message",
    [
        b'{"type":"new","x":"' + b"x" * 1_000_000 + b'"}',
        b'{"type":"' + b"x" * 1_000_000 + b'"}',
        b"x" * 1_000_000,
        "é".encode() * 500_000,
        b'{"type":"error","error":{"message":"' + b"x" * 1_000_000 + b'"}}',
    ],
    ids=["unknown", "long type", "no JSON", "two bytes a character", "long error"],
)
def test_little_is_kept_of_a_huge_message(message: bytes) -> None:
    event = OPENAI.parse(message)
    check_bounds(event)
    assert len(json.dumps(event.detail, ensure_ascii=False)) < RAW_LIMIT + 300


def test_audio_passes_whole_whatever_its_size() -> None:
    audio = "A" * 4_000_000
    message = encoded({"type": "response.output_audio.delta", "delta": audio})
    assert OPENAI.parse(message) == ServerEvent(
        Kind.OUTPUT_AUDIO_DELTA, "response.output_audio.delta", audio=audio
    )


def test_an_audio_delta_without_audio_is_empty() -> None:
    assert OPENAI.parse(b'{"type":"response.output_audio.delta"}').audio == ""


def test_an_emoji_written_as_two_escapes_is_one_character() -> None:
    message = encoded({"type": f"{TRANSCRIPTION}.completed", "transcript": "😀"})
    assert b"\\ud83d" in message
    assert OPENAI.parse(message).detail == {"transcript": "😀"}

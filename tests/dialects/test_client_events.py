"""What the built-in dialects send, held against the openai package's types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects import DIALECTS
from bench.dialects.base import (
    CLIENT_KINDS,
    Dialect,
    Kind,
    SemanticVad,
    ServerVad,
    SessionSettings,
    Tool,
    Transcription,
)
from bench.dialects.openai import OPENAI
from bench.dialects.openai_beta import OPENAI_BETA
from bench.dialects.sent import image_item, text_item, tool_result_item
from bench.problem import Problem

from .strict import told

EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
PICTURE = "data:image/png;base64,AAEC"
TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
EVENTS: list[tuple[Kind, dict[str, Any]]] = [
    (Kind.APPEND, {"audio": "AAEC"}),
    (Kind.COMMIT, {}),
    (Kind.CLEAR, {}),
    (Kind.ITEM_CREATE, {"item": text_item("Hello"), "previous_item_id": "item_1"}),
    (Kind.ITEM_CREATE, {"item": text_item("Be brief", "system")}),
    (Kind.ITEM_CREATE, {"item": text_item("At ten.", "assistant")}),
    (Kind.ITEM_CREATE, {"item": tool_result_item("call_1", '{"time": "ten"}')}),
    (Kind.ITEM_TRUNCATE, {"item_id": "item_2", "audio_end_ms": 640}),
    (Kind.ITEM_DELETE, {"item_id": "item_2"}),
    (Kind.RESPONSE_CREATE, {}),
    (
        Kind.RESPONSE_CREATE,
        {
            "instructions": "Be brief.",
            "output_modality": "text",
            "voice": "alloy",
            "tools": [TOOL],
            "tool_choice": "none",
            "max_output_tokens": 40,
            "conversation": "none",
            "input": [text_item("Sum it up", "user"), text_item("At ten.", "assistant")],
            "metadata": {"asked": "aside"},
        },
    ),
    (Kind.RESPONSE_CREATE, {"output_modality": "audio"}),
    (Kind.RESPONSE_CANCEL, {}),
    (Kind.RESPONSE_CANCEL, {"response_id": "resp_1"}),
]


@EVERY
@pytest.mark.parametrize(
    ("kind", "fields"), EVENTS, ids=[f"{n}-{kind}" for n, (kind, _) in enumerate(EVENTS)]
)
def test_every_event_is_strictly_what_the_openai_package_describes(
    dialect: Dialect, kind: Kind, fields: dict[str, Any]
) -> None:
    told(dialect, dialect.client_event(kind, **fields))


def test_every_kind_a_client_sends_is_among_them() -> None:
    assert {kind for kind, _ in EVENTS} == CLIENT_KINDS - {Kind.SESSION_UPDATE}


def test_a_picture_is_strictly_what_the_openai_package_describes() -> None:
    item = image_item(PICTURE, "What is it?")
    told(OPENAI, OPENAI.client_event(Kind.ITEM_CREATE, item=item))
    assert [part["type"] for part in item["content"]] == ["input_image", "input_text"]
    assert [part["type"] for part in image_item(PICTURE)["content"]] == ["input_image"]


def test_the_beta_says_a_response_flat() -> None:
    event = OPENAI_BETA.client_event(Kind.RESPONSE_CREATE, **dict(EVENTS[10][1]))
    assert event["response"] == {
        "instructions": "Be brief.",
        "modalities": ["text"],
        "voice": "alloy",
        "tools": [TOOL],
        "tool_choice": "none",
        "max_response_output_tokens": 40,
        "conversation": "none",
        "input": [
            {**text_item("Sum it up"), "content": [{"type": "input_text", "text": "Sum it up"}]},
            {**text_item("At ten."), "role": "assistant"}
            | {"content": [{"type": "text", "text": "At ten."}]},
        ],
        "metadata": {"asked": "aside"},
    }
    spoken = OPENAI_BETA.client_event(Kind.RESPONSE_CREATE, output_modality="audio")
    assert spoken["response"] == {"modalities": ["audio", "text"]}


@EVERY
def test_a_bare_request_for_a_response_overrides_nothing(dialect: Dialect) -> None:
    assert dialect.client_event(Kind.RESPONSE_CREATE) == {"type": "response.create"}


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.COMMIT, {"audio": "AAEC"}),
        (Kind.ITEM_TRUNCATE, {"item_id": "item_2"}),
        (Kind.RESPONSE_CREATE, {"instruction": "typo"}),
        (Kind.SPEECH_STARTED, {}),
        (Kind.SESSION_UPDATE, {}),
    ],
)
@EVERY
def test_what_no_event_of_that_kind_has_is_a_type_error(
    dialect: Dialect, kind: Kind, fields: dict[str, Any]
) -> None:
    with pytest.raises(TypeError):
        dialect.client_event(kind, **fields)


@EVERY
def test_an_append_is_what_surrounds_its_audio(dialect: Dialect) -> None:
    before, after = dialect.append_envelope()
    assert (before, after) == (b'{"type":"input_audio_buffer.append","audio":"', b'"}')
    assert json.loads(before + b"AAEC" + after) == dialect.client_event(Kind.APPEND, audio="AAEC")


# sessions


def test_the_usual_session_is_these_bytes() -> None:
    event = OPENAI.session_update(SessionSettings("gpt-realtime", voice="marin"))
    assert json.dumps(event, separators=(",", ":")) == (
        '{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"],'
        '"audio":{"input":{"format":{"type":"audio/pcm","rate":24000},"transcription":null,'
        '"turn_detection":{"type":"server_vad","threshold":0.5,"prefix_padding_ms":300,'
        '"silence_duration_ms":500,"create_response":true,"interrupt_response":true}},'
        '"output":{"format":{"type":"audio/pcm","rate":24000},"voice":"marin"}}}}'
    )


settings_of_all_kinds = st.builds(
    SessionSettings,
    model=st.just("gpt-realtime"),
    voice=st.sampled_from([None, "alloy", "marin", "my own voice"]),
    turn_detection=st.one_of(
        st.none(),
        st.builds(
            ServerVad,
            st.floats(0, 1),
            st.integers(0, 2_000),
            st.integers(0, 5_000),
            st.booleans(),
            st.booleans(),
        ),
        st.builds(
            SemanticVad,
            st.sampled_from(["auto", "low", "medium", "high"]),
            st.booleans(),
            st.booleans(),
        ),
    ),
    transcription=st.one_of(
        st.none(),
        st.builds(Transcription, st.just("whisper-1"), st.sampled_from([None, "de"])),
    ),
    instructions=st.one_of(st.none(), st.text(max_size=40)),
    tools=st.sampled_from([(), (Tool("f", "d", {"type": "object"}),)]),
    input_codec=st.sampled_from(["pcm16", "pcmu", "pcma"]),
    output_codec=st.sampled_from(["pcm16", "pcmu", "pcma"]),
    output_modality=st.sampled_from(["audio", "text"]),
    max_output_tokens=st.sampled_from([None, 1, 4_096]),
    session_type=st.sampled_from(["realtime", "transcription"]),
)


@EVERY
@given(settings=settings_of_all_kinds)
def test_a_session_update_is_strictly_what_the_openai_package_describes(
    dialect: Dialect, settings: SessionSettings
) -> None:
    told(dialect, dialect.session_update(settings))


@given(settings=settings_of_all_kinds)
def test_ga_and_beta_ask_for_the_same_session(settings: SessionSettings) -> None:
    ga = OPENAI.session_update(settings)["session"]
    beta = OPENAI_BETA.session_update(settings)["session"]
    audio = ga["audio"]
    asked = audio["input"]
    codecs = {"audio/pcm": "pcm16", "audio/pcmu": "g711_ulaw", "audio/pcma": "g711_alaw"}
    assert beta["input_audio_format"] == codecs[asked["format"]["type"]]
    assert beta["turn_detection"] == asked["turn_detection"]
    assert beta["input_audio_transcription"] == asked["transcription"]
    if settings.session_type == "transcription":
        assert ga.keys() == {"type", "audio"}
        assert audio.keys() == {"input"}
        assert len(beta) == 3
        return
    assert beta["output_audio_format"] == codecs[audio["output"]["format"]["type"]]
    assert ("audio" in beta["modalities"]) == ("audio" in ga["output_modalities"])
    assert beta.get("voice") == audio["output"].get("voice") == settings.voice
    assert beta.get("instructions") == ga.get("instructions") == settings.instructions
    assert beta.get("tools") == ga.get("tools")
    assert ("tools" in ga) == bool(settings.tools)
    assert beta.get("max_response_output_tokens") == settings.max_output_tokens
    assert ga.get("max_output_tokens") == settings.max_output_tokens


@EVERY
def test_every_setting_of_turn_detection_arrives(dialect: Dialect) -> None:
    def detection(settings: SessionSettings) -> Any:
        session = dialect.session_update(settings)["session"]
        return (
            session["audio"]["input"]["turn_detection"]
            if "audio" in session
            else session["turn_detection"]
        )

    asked = ServerVad(0.25, 10, 200, create_response=False, interrupt_response=False)
    assert detection(SessionSettings("m", turn_detection=asked)) == {
        "type": "server_vad",
        "threshold": 0.25,
        "prefix_padding_ms": 10,
        "silence_duration_ms": 200,
        "create_response": False,
        "interrupt_response": False,
    }
    meaning = SemanticVad("low", create_response=False, interrupt_response=True)
    assert detection(SessionSettings("m", turn_detection=meaning)) == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": False,
        "interrupt_response": True,
    }
    assert detection(SessionSettings("m", turn_detection=None)) is None
    patient = ServerVad(idle_timeout_ms=6_000)
    assert detection(SessionSettings("m", turn_detection=patient))["idle_timeout_ms"] == 6_000


@EVERY
def test_a_codec_the_server_does_not_take_is_refused(dialect: Dialect) -> None:
    with pytest.raises(Problem, match=f"^dialect {dialect.name}: input codec 'pcm16_16k'.*pcmu"):
        dialect.session_update(SessionSettings("m", input_codec="pcm16_16k"))
    with pytest.raises(Problem, match=f"^dialect {dialect.name}: output codec 'pcm16_16k'"):
        dialect.session_update(SessionSettings("m", output_codec="pcm16_16k"))

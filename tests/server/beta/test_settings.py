from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.beta.settings import RESPONSE, SESSION, flat_path, flatten, nest, temperature
from bench.server.refusal import Refusal

PCMU = {"type": "audio/pcmu"}


@pytest.mark.parametrize(
    ("flat", "nested"),
    [
        ({}, {}),
        ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
        ({"modalities": ["text"]}, {"output_modalities": ["text"]}),
        ({"modalities": ["text", "audio"]}, {"output_modalities": ["audio"]}),
        ({"modalities": ["audio", "text"]}, {"output_modalities": ["audio"]}),
        ({"max_response_output_tokens": 7}, {"max_output_tokens": 7}),
        ({"input_audio_format": "g711_ulaw"}, {"audio": {"input": {"format": PCMU}}}),
        (
            {"output_audio_format": "pcm16", "voice": "sage", "speed": 1.2},
            {
                "audio": {
                    "output": {
                        "format": {"type": "audio/pcm", "rate": 24_000},
                        "voice": "sage",
                        "speed": 1.2,
                    }
                }
            },
        ),
        ({"turn_detection": None}, {"audio": {"input": {"turn_detection": None}}}),
        (
            {"input_audio_noise_reduction": {"type": "far_field"}, "tracing": "auto"},
            {"audio": {"input": {"noise_reduction": {"type": "far_field"}}}, "tracing": "auto"},
        ),
        ({"tool_choice": "none"}, {"tool_choice": "none"}),
        ({"tool_choice": "book"}, {"tool_choice": {"type": "function", "name": "book"}}),
        (
            {"tool_choice": {"type": "function", "function": {"name": "book"}}},
            {"tool_choice": {"type": "function", "name": "book"}},
        ),
        ({"temperature": 0.7, "client_secret": {"expires_after": None}}, {}),
    ],
)
def test_only_what_was_sent_is_nested(flat: dict[str, Any], nested: dict[str, Any]) -> None:
    assert nest(flat, SESSION, "session") == nested


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (
            {"type": "server_vad", "threshold": 0.3, "eagerness": "low"},
            {"type": "server_vad", "threshold": 0.3},
        ),
        (
            {"type": "semantic_vad", "silence_duration_ms": 1, "eagerness": "low"},
            {"type": "semantic_vad", "eagerness": "low"},
        ),
        ({"silence_duration_ms": 200}, {"silence_duration_ms": 200}),
    ],
)
def test_a_kind_of_detection_has_its_own_fields_only(
    sent: dict[str, Any], kept: dict[str, Any]
) -> None:
    nested = nest({"turn_detection": sent}, SESSION, "session")
    assert nested["audio"]["input"]["turn_detection"] == kept


@pytest.mark.parametrize(
    ("flat", "code", "param"),
    [
        ({"type": "realtime"}, "unknown_parameter", "session.type"),
        ({"audio": {}}, "unknown_parameter", "session.audio"),
        ({"output_modalities": ["audio"]}, "unknown_parameter", "session.output_modalities"),
        (
            {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 6_000}},
            "unknown_parameter",
            "session.turn_detection.idle_timeout_ms",
        ),
        (
            {"input_audio_transcription": {"delay": "low"}},
            "unknown_parameter",
            "session.input_audio_transcription.delay",
        ),
        (
            {"input_audio_noise_reduction": {"strength": 1}},
            "unknown_parameter",
            "session.input_audio_noise_reduction.strength",
        ),
        ({"modalities": ["audio"]}, "invalid_value", "session.modalities"),
        ({"modalities": "text"}, "invalid_value", "session.modalities"),
        ({"input_audio_format": "audio/pcm"}, "invalid_value", "session.input_audio_format"),
        ({"output_audio_format": []}, "invalid_value", "session.output_audio_format"),
    ],
)
def test_what_the_dialect_does_not_know_is_named(
    flat: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(Refusal) as caught:
        nest(flat, SESSION, "session")
    assert (caught.value.code, caught.value.param) == (code, param)
    assert param in caught.value.message


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (0.59, "invalid_value"),
        (1.21, "invalid_value"),
        ("1", "invalid_type"),
        (True, "invalid_type"),
    ],
)
def test_a_temperature_has_its_limits(value: Any, code: str) -> None:
    with pytest.raises(Refusal) as caught:
        temperature({"temperature": value}, "response")
    assert (caught.value.code, caught.value.param) == (code, "response.temperature")
    assert [temperature({"temperature": at}, "session") for at in (0.6, 1.2, None)] == [
        0.6,
        1.2,
        None,
    ]


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ("session.audio.input.turn_detection.threshold", "session.turn_detection.threshold"),
        ("session.audio.input.turn_detection", "session.turn_detection"),
        ("session.audio.input.format", "session.input_audio_format"),
        ("session.audio.output.voice", "session.voice"),
        ("session.output_modalities[0]", "session.modalities[0]"),
        ("session.max_output_tokens", "session.max_response_output_tokens"),
        ("session.audio.output.voices", "session.audio.output.voices"),
        ("session.instructions", "session.instructions"),
        ("response.audio.output.format", "response.output_audio_format"),
        ("response.max_output_tokens", "response.max_response_output_tokens"),
        ("item.content[0].type", "item.content[0].type"),
    ],
)
def test_paths_are_named_as_the_client_knows_them(nested: str, flat: str) -> None:
    assert flat_path(nested) == flat


FORMATS = st.sampled_from(["pcm16", "g711_ulaw", "g711_alaw"])
TEXTS = st.text(max_size=5)
MODALITIES = st.sampled_from([["text"], ["audio", "text"]])
LIMITS = st.just("inf") | st.integers(1, 4_096)
TOOL_CHOICES = st.sampled_from(["auto", "none", "required", "book"])
DETECTION = st.none() | st.fixed_dictionaries(
    {"type": st.just("server_vad")},
    optional={"threshold": st.floats(0, 1), "silence_duration_ms": st.integers(0, 2_000)},
)
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "modalities": MODALITIES,
        "instructions": TEXTS,
        "voice": TEXTS,
        "speed": st.floats(0.25, 1.5),
        "input_audio_format": FORMATS,
        "output_audio_format": FORMATS,
        "input_audio_transcription": st.none() | st.fixed_dictionaries({"model": TEXTS}),
        "input_audio_noise_reduction": st.none() | st.just({"type": "near_field"}),
        "turn_detection": DETECTION,
        "tool_choice": TOOL_CHOICES,
        "tools": st.just([{"type": "function", "name": "book"}]),
        "max_response_output_tokens": LIMITS,
        "tracing": st.none() | st.just("auto"),
    },
)


@given(SETTINGS)
def test_settings_survive_the_way_there_and_back(flat: dict[str, Any]) -> None:
    assert flatten(nest(flat, SESSION, "session"), SESSION) == flat


@given(st.sampled_from([SESSION, RESPONSE]), st.data())
def test_any_value_is_nested_or_refused(fields: Any, data: st.DataObject) -> None:
    value = st.recursive(
        st.none() | st.booleans() | st.floats() | TEXTS,
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
        max_leaves=4,
    )
    flat = data.draw(st.dictionaries(st.sampled_from(sorted(fields)), value, max_size=3))
    refused = None
    try:
        nest(flat, fields, "session")
    except Refusal as refusal:
        refused = refusal.param
    assert refused is None or refused.split(".")[1] in flat

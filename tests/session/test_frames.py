"""A pre-built frame is, to a server, an ordinary append event."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.audio.codec import PCM16
from bench.audio.microphone import room_tone
from bench.audio.utterance import Utterance
from bench.dialects.openai import OPENAI
from bench.session.frames import FrameStore, event_text, text_frame


def as_a_server_reads(stream: bytes) -> list[bytes]:
    """Text of each frame; a server's protocol refuses what is not masked."""
    protocol = ServerProtocol(state=State.OPEN)
    protocol.receive_data(stream)
    assert protocol.parser_exc is None
    frames = protocol.events_received()
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.opcode is Opcode.TEXT
        assert frame.fin
        assert (frame.rsv1, frame.rsv2, frame.rsv3) == (False, False, False)
    return [bytes(frame.data) for frame in frames if isinstance(frame, Frame)]


def utterance(size: int, name: str = "u") -> Utterance:
    pcm = np.random.default_rng(3).integers(-9_000, 9_000, size).astype(np.int16)
    return Utterance(name, "", "en", "command", pcm, 0, 1, (), trusted=True, sha256_pcm="")


@pytest.mark.parametrize("chunk_ms", range(20, 101, 10))
def test_speech_reads_back_as_append_events_with_the_exact_audio(chunk_ms: int) -> None:
    store = FrameStore(OPENAI, PCM16, chunk_ms, None)
    spoken = utterance(10_001)
    events = [json.loads(t) for t in as_a_server_reads(b"".join(store.speech(spoken)))]
    for event in events:
        assert set(event) == {"type", "audio"}
        assert event["type"] == "input_audio_buffer.append"
        assert len(base64.b64decode(event["audio"], validate=True)) == chunk_ms * 48
    audio = b"".join(base64.b64decode(event["audio"]) for event in events)
    samples = PCM16.decode(audio)
    assert np.array_equal(samples[:10_001], spoken.pcm)
    assert not samples[10_001:].any()


def test_tone_reads_back_as_append_events_of_the_room() -> None:
    store = FrameStore(OPENAI, PCM16, 20, -65.0)
    events = [json.loads(text) for text in as_a_server_reads(b"".join(store.tone))]
    assert len(events) == 100
    audio = b"".join(base64.b64decode(event["audio"]) for event in events)
    assert np.array_equal(PCM16.decode(audio), room_tone(-65.0))


def test_frames_are_built_once_and_shared() -> None:
    store = FrameStore(OPENAI, PCM16, 20, -65.0)
    spoken = utterance(5_000)
    frames = store.speech(spoken)
    assert store.speech(spoken) is frames
    assert all(a is b for a, b in zip(store.speech(spoken), frames, strict=True))
    assert store.tone is store.tone
    assert isinstance(frames, tuple)
    assert {type(frame) for frame in (*frames, *store.tone)} == {bytes}


def test_utterances_are_told_apart() -> None:
    store = FrameStore(OPENAI, PCM16, 20, None)
    assert len(store.speech(utterance(480, "short"))) == 1
    assert len(store.speech(utterance(4_800, "long"))) == 10


@given(st.binary(max_size=70_000))
def test_a_frame_of_any_length_reads_back(text: bytes) -> None:
    assert as_a_server_reads(text_frame(text)) == [text]


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536])
def test_a_frame_reads_back_on_both_sides_of_every_length_field(length: int) -> None:
    assert as_a_server_reads(text_frame(b"x" * length)) == [b"x" * length]


json_values: Any = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(st.characters(codec="utf-8"))),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=5), inner)),
    max_leaves=6,
)


@given(st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=9), json_values, max_size=4))
def test_an_event_reads_back(event: dict[str, Any]) -> None:
    text = event_text(event)
    assert json.loads(text) == event


def test_an_event_is_written_without_blanks() -> None:
    assert event_text({"type": "é", "a": [1, 2]}) == '{"type":"é","a":[1,2]}'.encode()

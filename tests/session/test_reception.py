"""What a session receives becomes one row each, with its audio measured."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest

from bench.audio.codec import PCM16
from bench.dialects.base import Kind
from bench.dialects.openai import OPENAI
from bench.runs.recorder import Recorder
from bench.session.inbox import Message
from bench.session.reception import Reception

from .loopback import recorded


class Desk:
    """A reception and the rows it made."""

    def __init__(self) -> None:
        self.recorder = Recorder("w0")
        self.reception = Reception(OPENAI, PCM16, self.recorder.begin_session())

    def delta(self, audio: bytes, response_id: str | None = "r1") -> tuple[Any, Any]:
        """Audio and silence recorded of a delta."""
        return self.raw_delta(base64.b64encode(audio).decode(), response_id)

    def raw_delta(self, text: str, response_id: str | None = "r1") -> tuple[Any, Any]:
        message = {"type": "response.output_audio.delta", "delta": text}
        if response_id is not None:
            message["response_id"] = response_id
        event, audio_ms = self.reception.take(Message(json.dumps(message).encode(), 5, 6), 0)
        row = recorded(self.recorder)[-1]
        assert event.kind is Kind.OUTPUT_AUDIO_DELTA
        assert row.audio_ms == audio_ms
        return row.audio_ms, row.silence_ms


def silence(duration_ms: int) -> bytes:
    return bytes(duration_ms * 48)


def sound(duration_ms: int) -> bytes:
    return PCM16.encode(np.full(duration_ms * 24, 3_000, np.int16))


def test_a_message_becomes_a_row_with_all_it_says() -> None:
    desk = Desk()
    text = b'{"type":"input_audio_buffer.speech_stopped","audio_end_ms":99.5,"item_id":"i"}'
    event, audio_ms = desk.reception.take(Message(text, 1_000, 1_500), 3)
    assert (event.kind, audio_ms) == (Kind.SPEECH_STOPPED, None)
    (row,) = recorded(desk.recorder)
    assert (row.session_id, row.seq, row.turn_index, row.direction) == ("w0-00000", 0, 3, "in")
    assert (row.kind, row.type) == ("speech_stopped", "input_audio_buffer.speech_stopped")
    assert (row.at_ns, row.read_ns, row.size_bytes) == (1_000, 1_500, len(text))
    assert (row.item_id, row.server_ms, row.detail) == ("i", 99.5, None)


def test_audio_is_not_recorded() -> None:
    desk = Desk()
    desk.delta(sound(100))
    assert all(len(str(value)) < 100 for value in recorded(desk.recorder)[0])


def test_silence_is_measured_until_the_response_is_heard() -> None:
    desk = Desk()
    assert desk.delta(silence(40)) == (40, 40)
    assert desk.delta(silence(10) + sound(30)) == (40, 10)
    assert desk.delta(silence(40)) == (40, None)
    assert desk.delta(sound(40)) == (40, None)


def test_each_response_is_heard_anew() -> None:
    desk = Desk()
    assert desk.delta(sound(20), "r1") == (20, 0)
    assert desk.delta(silence(20), "r2") == (20, 20)
    assert desk.delta(sound(20), "r2") == (20, 0)
    assert desk.delta(sound(20), "r2") == (20, None)


def test_a_response_without_an_id_is_measured_all_the_same() -> None:
    desk = Desk()
    assert desk.delta(silence(20), None) == (20, 20)
    assert desk.delta(silence(5) + sound(20), None) == (25, 5)


@pytest.mark.parametrize("size", [1, 959, 961])
def test_silence_that_ends_inside_a_sample_is_silent_to_its_end(size: int) -> None:
    desk = Desk()
    audio_ms, silence_ms = desk.delta(bytes(size))
    assert audio_ms == pytest.approx(size / 48)
    assert silence_ms == audio_ms
    assert desk.delta(sound(20)) == (20, 0)


def test_an_empty_delta_is_silent() -> None:
    desk = Desk()
    assert desk.raw_delta("") == (0, 0)
    assert desk.delta(sound(20)) == (20, 0)


@pytest.mark.parametrize("size", range(1, 8))
def test_padding_counts_for_nothing(size: int) -> None:
    desk = Desk()
    desk.delta(sound(20))
    assert desk.delta(b"\x01" * size)[0] == pytest.approx(size / 48)


@pytest.mark.parametrize("text", ["A", "AAA", "A*==", "é", "AAAA\n", "====", "AAAA=AAA"])
def test_audio_that_is_no_base64_has_no_duration(text: str) -> None:
    desk = Desk()
    assert desk.raw_delta(text) == (None, None)
    assert desk.delta(sound(20)) == (20, 0)


def test_a_malformed_message_is_recorded_with_what_it_was() -> None:
    desk = Desk()
    event, audio_ms = desk.reception.take(Message(b"\xff{", 1, 2), None)
    assert (event.kind, audio_ms) == (Kind.MALFORMED, None)
    row = recorded(desk.recorder)[0]
    assert row.type == ""
    assert json.loads(row.detail or "")["raw"] == "\ufffd{"

"""What a session receives becomes one row each, with its audio measured."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from websockets.client import ClientProtocol
from websockets.protocol import State
from websockets.uri import parse_uri

from bench.audio.codec import PCM16
from bench.dialects.base import Kind
from bench.dialects.openai import OPENAI
from bench.runs.recorder import Recorder
from bench.session.inbox import Inbox, Message
from bench.session.reception import Reception

from .loopback import frame, recorded


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
        return self.take(Message(json.dumps(message).encode(), 5, 6))

    def long_delta(self, audio: bytes, response_id: str | None = "r1") -> tuple[Any, Any]:
        """As `delta`, of a message so long that its middle is not kept."""
        return self.long_text(base64.b64encode(audio).decode(), response_id)

    def long_text(self, text: str, response_id: str | None = "r1") -> tuple[Any, Any]:
        """As `long_delta`, of Base64 as it is written in JSON."""
        event = f'{{"type":"response.output_audio.delta","delta":"{text}"'
        event += "}" if response_id is None else f',"response_id":"{response_id}"}}'
        stream = frame(event.encode())
        limit = 2**26
        uri = parse_uri("ws://host/")
        inbox = Inbox(ClientProtocol(uri, state=State.OPEN, max_size=limit), limit)
        messages: list[Message] = []
        for place in range(0, len(stream), 65_536):
            messages += inbox.feed(stream[place : place + 65_536], 5, 6)
        (message,) = messages
        assert message.elided_bytes > 0
        return self.take(message)

    def take(self, message: Message) -> tuple[Any, Any]:
        event, audio_ms = self.reception.take(message, 0)
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


class TestLongMessage:
    """What of a very long message was kept says less about its silence than about its length."""

    def test_what_is_audible_before_the_gap_is_known(self) -> None:
        desk = Desk()
        assert desk.long_delta(silence(400) + sound(9_600)) == (10_000, 400)
        assert desk.delta(sound(20)) == (20, None)

    @pytest.mark.parametrize("sound_at_ms", [5_000, 9_800, 10_000])
    def test_silence_that_goes_on_into_the_gap_is_not_known(self, sound_at_ms: int) -> None:
        desk = Desk()
        desk.delta(silence(20))
        audio = silence(sound_at_ms) + sound(10_000 - sound_at_ms)
        assert desk.long_delta(audio) == (10_000, None)
        assert desk.delta(sound(20)) == (20, None)
        assert desk.delta(sound(20), "r2") == (20, 0)

    def test_a_response_without_an_id_is_no_wiser(self) -> None:
        desk = Desk()
        assert desk.long_delta(silence(10_000) + b"\0", None)[1] is None
        assert desk.delta(b"\0" + sound(20), None)[1] == pytest.approx(1 / 24)

    def test_a_sample_that_was_cut_before_it_moves_nothing(self) -> None:
        desk = Desk()
        desk.delta(silence(20) + b"\0")
        assert desk.long_delta(b"\0" + silence(400) + sound(9_600))[1] == pytest.approx(
            400 + 1 / 24
        )

    def test_where_the_gap_lies_is_not_known_of_text_with_escapes(self) -> None:
        text = base64.b64encode(PCM16.encode(np.full(240_000, 32_767, np.int16))).decode()
        assert text[0] == "/"
        assert Desk().long_text(text) == (10_000, 0)
        assert Desk().long_text(text.replace("3/", "3\\/", 1)) == (10_000, None)

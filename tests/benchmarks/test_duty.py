"""The timetable that callers and targets of a benchmark share."""

from __future__ import annotations

import base64
import json

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.frames import Frame, Opcode

from bench.audio.catalogue import Catalogue, default_directory
from bench.dialects.base import Kind
from bench.dialects.openai import OPENAI
from tests.benchmarks.duty import PERIOD_MS, TURN_SIGN, UTTERANCE, Duty, Mark, script, text_of
from tests.benchmarks.wire import append_ms, frame_bounds, is_update, session_event

AUDIO = base64.b64encode(bytes(4_800)).decode()
STEPS = script(Duty(), [AUDIO] * 30)


def test_every_message_is_one_that_the_protocol_knows() -> None:
    adapter = TypeAdapter(RealtimeServerEvent)
    for step in STEPS:
        message = text_of(step, 12)
        assert TURN_SIGN.encode() not in message
        adapter.validate_json(message)
        assert OPENAI.parse(message).kind not in {Kind.UNKNOWN, Kind.MALFORMED}


def test_messages_are_in_order_and_fit_into_the_period() -> None:
    assert [step.at_ms for step in STEPS] == sorted(step.at_ms for step in STEPS)
    duty = Duty()
    assert duty.first_audio_ms + duty.reply_ms < PERIOD_MS
    assert STEPS[-1].at_ms < PERIOD_MS
    marks = [step.mark for step in STEPS if step.mark is not None]
    assert marks == list(Mark)


def test_turn_is_over_when_the_caller_s_speech_is() -> None:
    utterance = Catalogue.open(default_directory()).get(UTTERANCE)
    assert utterance.speech_end_ms is not None
    assert Duty().speech_stopped_ms > utterance.speech_end_ms
    assert utterance.duration_ms < PERIOD_MS


def test_turns_differ_by_their_ids() -> None:
    first, second = (json.loads(text_of(STEPS[5], turn)) for turn in (0, 1))
    assert first["type"] == "response.created"
    assert first["response"]["id"] == "resp_00000"
    assert second["response"]["id"] == "resp_00001"


def test_opening_is_read_off_masked_frames() -> None:
    update = Frame(Opcode.TEXT, b'{"type":"session.update","session":{}}').serialize(mask=True)
    start, end = frame_bounds(update + b"more")
    assert end == len(update)
    assert is_update(update, start)
    for chunk_ms in (20, 100):
        audio = base64.b64encode(bytes(48 * chunk_ms)).decode()
        text = json.dumps({"type": "input_audio_buffer.append", "audio": audio}).encode()
        frame = Frame(Opcode.TEXT, text).serialize(mask=True)
        start, end = frame_bounds(frame[:14])
        assert end == len(frame)
        assert not is_update(frame, start)
        assert append_ms(end - start) == chunk_ms


def test_half_a_head_is_not_a_frame() -> None:
    assert frame_bounds(b"\x81\xfe\x00")[1] > 3


def test_session_is_told_its_number() -> None:
    event = OPENAI.parse(session_event("created", 12)[4:])
    assert event.kind is Kind.SESSION_CREATED
    assert event.detail == {"session": "sess_000012"}

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.server.profiles.delay import Delay
from bench.server.profiles.profile import Delays, Profile
from bench.server.session_settings import TranscriptionSession

Samples = NDArray[np.int16]
SAID = "Lights off, please, and the heating too."
TYPE = "conversation.item.input_audio_transcription"
HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]
LOGPROBS = "item.input_audio_transcription.logprobs"
TURNED_ON = {"input": {"transcription": {"model": "whisper-1"}}}


class Heard:
    """One text for all speech."""

    def __init__(self, said: str) -> None:
        self._said = said

    def text(self, _from_ms: float, _to_ms: float) -> str:
        return self._said

    def complete(self, _voice_end_ms: float) -> bool:
        return True


def hears(said: str = SAID) -> Callable[[Samples, float], Heard]:
    return lambda _samples, _at_ms: Heard(said)


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def told(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["type"].startswith(TYPE)]


def test_what_was_said_comes_in_deltas_and_as_a_whole(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(recognise=hears())
    call.update(audio=TURNED_ON)
    events = told(call.hear(short_words) + call.wait(2_000))
    assert kinds(events) == [f"{TYPE}.delta"] * 3 + [f"{TYPE}.completed"]
    assert "".join(event["delta"] for event in events[:-1]) == SAID == events[-1]["transcript"]
    (segment,) = call.segments
    assert {(e["item_id"], e["content_index"]) for e in events} == {(segment.item_id, 0)}
    seconds = (segment.audio_end_ms - segment.audio_start_ms) / 1_000
    assert events[-1]["usage"] == {"type": "duration", "seconds": pytest.approx(seconds)}


def test_an_item_shows_its_transcript_once_it_was_told(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    slow = Profile(delays=Delays(transcript=Delay(1_000.0)))
    call = call_with(slow, recognise=hears())
    call.update(audio=TURNED_ON)
    call.hear(short_words)

    def transcript() -> Any:
        item_id = call.first("input_audio_buffer.committed")["item_id"]
        (got,) = call.send({"type": "conversation.item.retrieve", "item_id": item_id})
        return got["item"]["content"][0]["transcript"]

    assert transcript() is None
    call.wait(2_000)
    assert transcript() == SAID


def test_transcription_keeps_a_pace_of_its_own(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    slow = Profile(delays=Delays(reply=Delay(100.0), transcript=Delay(1_500.0)))
    call = call_with(slow, recognise=hears())
    call.update(audio=TURNED_ON)
    call.hear(short_words)
    call.wait(5_000)
    (committed_ns,) = call.when("input_audio_buffer.committed")
    (completed_ns,) = call.when(f"{TYPE}.completed")
    assert (completed_ns - committed_ns) / 1e6 == pytest.approx(1_500, abs=0.1)
    assert completed_ns > call.when("response.done")[0]


def test_nothing_is_told_unless_it_was_asked_for(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(recognise=hears())
    assert told(call.hear(short_words) + call.wait(2_000)) == []


def test_what_the_caller_says_is_answered_even_untranscribed(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(recognise=hears("My name is Anna."))
    call.update(output_modalities=["text"])
    call.hear(short_words)
    call.wait(2_000)
    text = call.first("response.output_text.done")["text"]
    assert text == "Nice to meet you, Anna."


@pytest.mark.parametrize("said", ["", None])
def test_speech_that_was_not_recognised_fails(
    call_with: Callable[..., Any], short_words: Samples, said: str | None
) -> None:
    call = call_with(recognise=hears(said) if said is not None else lambda _samples, _at: None)
    call.update(audio=TURNED_ON)
    (failed,) = told(call.hear(short_words) + call.wait(2_000))
    assert failed["type"] == f"{TYPE}.failed"
    assert failed["error"]["code"] == "transcription_failed"


def test_a_committed_turn_is_transcribed_too(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(recognise=hears())
    call.update(audio={"input": {"turn_detection": None, "transcription": {"model": "m"}}})
    call.hear(short_words)
    (committed, *_) = call.send({"type": "input_audio_buffer.commit"})
    events = told(call.wait(2_000))
    assert events[-1]["transcript"] == SAID
    assert events[-1]["item_id"] == committed["item_id"]


@pytest.mark.parametrize("chunk_ms", [20, 3_000])
def test_all_of_the_speech_is_there_to_be_recognised(
    call_with: Callable[..., Any], over_tone: Callable[..., Samples], chunk_ms: int
) -> None:
    asked: list[tuple[float, float]] = []

    def recognise(samples: Samples, at_ms: float) -> None:
        asked.append((at_ms, at_ms + len(samples) / 24))

    call = call_with(recognise=recognise)
    # Its onset lies right behind the border of two long appends.
    call.hear(over_tone("short", 2_720, 3_000), chunk_ms)
    (segment,) = call.segments
    assert asked == [(segment.audio_start_ms, segment.audio_end_ms)]
    assert segment.audio_start_ms < 3_000


def test_speech_whose_end_is_told_late_is_recognised_all_the_same(
    call_with: Callable[..., Any], over_tone: Callable[..., Samples]
) -> None:
    asked: list[tuple[float, float]] = []

    def recognise(samples: Samples, at_ms: float) -> Heard:
        asked.append((at_ms, at_ms + len(samples) / 24))
        return Heard(SAID)

    late = replace(Profile(delays=Delays(reply=Delay(4_000.0))), withhold_speech_stopped_ms=40.0)
    call = call_with(late, recognise=recognise)
    call.update(audio=TURNED_ON)
    call.hear(over_tone("short", 200, 6_000))
    call.wait(5_000)
    (segment,) = call.segments
    assert asked == [(segment.audio_start_ms, segment.audio_end_ms)]
    assert told(call.events)[-1]["transcript"] == SAID


# Sessions that only transcribe


@pytest.fixture
def listener(call_with: Callable[..., Any]) -> Any:
    return call_with(session=TranscriptionSession(), recognise=hears())


def test_a_session_of_transcription_is_shown_as_one(listener: Any) -> None:
    greeting = listener.first("session.created")["session"]
    assert (greeting["type"], greeting["object"]) == (
        "transcription",
        "realtime.transcription_session",
    )
    assert set(greeting) == {"type", "object", "id", "audio", "include"}
    assert set(greeting["audio"]) == {"input"}
    assert greeting["audio"]["input"]["transcription"] is not None


def test_in_it_speech_is_told_and_nobody_answers(listener: Any, short_words: Samples) -> None:
    seen = listener.hear(short_words) + listener.wait(20_000)
    assert kinds(seen) == [*HEARD, *[f"{TYPE}.delta"] * 3, f"{TYPE}.completed"]
    seen = listener.hear(short_words) + listener.wait(20_000)
    assert len(told(seen)) == 4
    assert listener.responses == []


def test_in_it_no_response_may_be_asked_for(listener: Any) -> None:
    (refused,) = listener.send({"type": "response.create", "event_id": "mine"})
    assert refused["type"] == "error"
    assert refused["error"]["event_id"] == "mine"
    assert listener.wait(5_000) == []
    (refused,) = listener.send({"type": "response.cancel"})
    assert refused["error"]["code"] == "response_cancel_not_active"


@pytest.mark.parametrize(
    ("patch", "param"),
    [
        ({"output_modalities": ["text"]}, "session"),
        ({"audio": {"output": {"voice": "verse"}}}, "session.audio"),
        ({"type": "realtime"}, "session.type"),
    ],
)
def test_it_has_no_settings_of_answers(listener: Any, patch: dict[str, Any], param: str) -> None:
    (refused,) = listener.update(**patch)
    assert refused["error"]["param"].startswith(param)


def test_it_is_updated_field_by_field(listener: Any) -> None:
    listener.update(type="transcription", audio={"input": {"turn_detection": None}})
    language = {"transcription": {"model": "m", "language": "en"}}
    (updated,) = listener.update(audio={"input": language}, include=[LOGPROBS])
    shown = updated["session"]
    assert shown["audio"]["input"]["turn_detection"] is None
    assert shown["audio"]["input"]["transcription"]["language"] == "en"
    assert shown["include"] == [LOGPROBS]


def test_a_session_may_become_one_of_transcription(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(recognise=hears())
    (updated,) = call.update(type="transcription", audio=TURNED_ON)
    assert updated["session"]["type"] == "transcription"
    seen = call.hear(short_words) + call.wait(5_000)
    assert kinds(seen)[: len(HEARD)] == HEARD
    assert told(seen)[-1]["transcript"] == SAID
    assert call.responses == []

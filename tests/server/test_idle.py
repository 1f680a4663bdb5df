from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune

Samples = NDArray[np.int16]
TRIGGERED = "input_audio_buffer.timeout_triggered"
IDLE_MS = 6_000
# Of the reply that every test voice speaks.
PLAYED_MS = 400
ASKED = [
    TRIGGERED,
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "rate_limits.updated",
]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def detect(**fields: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": {"type": "server_vad", **fields}}}


@pytest.fixture
def idle(call: Any) -> Any:
    """A call that asks after six seconds."""
    call.update(audio=detect(idle_timeout_ms=IDLE_MS))
    return call


def answer(call: Any) -> int:
    """Get one response to its end; the instant of `response.done`."""
    call.send({"type": "response.create"})
    while "response.done" not in kinds(call.wait(1)):
        pass
    done_ns: int = call.when("response.done")[-1]
    return done_ns


def test_an_idle_caller_is_asked_once_the_reply_was_played(idle: Any) -> None:
    done_ns = answer(idle)
    assert idle.wait(IDLE_MS + PLAYED_MS - 2) == []
    asked = idle.wait(4)
    assert kinds(asked) == ASKED
    waited_ms = (idle.when(TRIGGERED)[0] - done_ns) / 1e6
    assert waited_ms == pytest.approx(IDLE_MS + PLAYED_MS, abs=0.1)
    item_id = asked[0]["item_id"]
    assert asked[1]["item_id"] == item_id == asked[2]["item"]["id"]
    assert asked[2]["item"]["content"][0]["type"] == "input_audio"


def test_the_question_is_a_response_of_the_conversation(idle: Any) -> None:
    answer(idle)
    idle.wait(IDLE_MS + PLAYED_MS)
    seen = idle.wait(2_000)
    assert seen[-1]["type"] == "response.done"
    assert seen[-1]["response"]["status"] == "completed"
    assert seen[-1]["response"]["conversation_id"] == idle.responder.conversation_id
    silence_id = idle.first(TRIGGERED)["item_id"]
    added = next(event for event in seen if event["type"] == "conversation.item.added")
    assert added["previous_item_id"] == silence_id


def test_the_question_is_the_recorded_one(call_with: Callable[..., Any], call: Any) -> None:
    class Voices:
        def __init__(self, voices: Any) -> None:
            self.recorded = {"reply_neutral": "Well.", "reply_still_there": "Are you there?"}
            self.said: list[str] = []
            self._voices = voices

        def say(self, text: str, codec: Any, speed: float) -> Any:
            self.said.append(text)
            return self._voices.say(text, codec, speed)

    voices = Voices(call.responder._mind.voices)
    call = call_with(voices=voices)
    call.update(audio=detect(idle_timeout_ms=IDLE_MS))
    answer(call)
    call.wait(IDLE_MS + PLAYED_MS + 1)
    assert voices.said == ["Well.", "Are you there?"]


def test_the_silence_lies_on_the_audio_clock(idle: Any) -> None:
    idle.append(bytes(48 * 500))
    answer(idle)
    idle.hear(np.zeros(24 * (IDLE_MS + PLAYED_MS + 40), np.int16))
    triggered = idle.first(TRIGGERED)
    assert triggered["audio_end_ms"] == pytest.approx(500 + IDLE_MS + PLAYED_MS, abs=40)
    assert 0 <= triggered["audio_start_ms"] <= triggered["audio_end_ms"]
    # What was committed is not committed again.
    refused = idle.send({"type": "input_audio_buffer.commit"})[0]
    assert refused["error"]["code"] == "input_audio_buffer_commit_empty"


def test_the_silence_is_what_came_after_the_reply_was_played(idle: Any) -> None:
    idle.append(bytes(48 * 500))
    answer(idle)
    idle.hear(np.zeros(24 * (IDLE_MS + PLAYED_MS + 40), np.int16))
    triggered = idle.first(TRIGGERED)
    assert triggered["audio_start_ms"] == pytest.approx(500 + PLAYED_MS, abs=40)


def test_a_caller_who_speaks_is_not_asked(idle: Any, short_words: Samples) -> None:
    answer(idle)
    idle.wait(IDLE_MS + PLAYED_MS - 1_000)
    idle.hear(short_words[: 24 * 700])
    assert "input_audio_buffer.speech_started" in kinds(idle.events)
    idle.wait(IDLE_MS * 3)
    assert TRIGGERED not in kinds(idle.events)


def test_after_the_next_reply_the_time_counts_anew(idle: Any, short_words: Samples) -> None:
    answer(idle)
    idle.wait(4_000)
    idle.hear(short_words)
    idle.wait(IDLE_MS)
    assert TRIGGERED not in kinds(idle.events)
    idle.wait(2_000)
    (asked_ns,) = idle.when(TRIGGERED)
    waited_ms = (asked_ns - idle.when("response.done")[1]) / 1e6
    assert waited_ms == pytest.approx(IDLE_MS + PLAYED_MS, abs=0.1)


def test_a_response_that_was_asked_for_meanwhile_counts_anew(idle: Any) -> None:
    answer(idle)
    idle.wait(IDLE_MS + PLAYED_MS - 100)
    # Under way when the time has come.
    idle.send({"type": "response.create"})
    idle.wait(IDLE_MS)
    assert TRIGGERED not in kinds(idle.events)
    idle.wait(2_000)
    assert kinds(idle.events).count(TRIGGERED) == 1


@pytest.mark.parametrize(
    "detection",
    [None, {"type": "semantic_vad"}, {"type": "server_vad", "idle_timeout_ms": None}],
)
@pytest.mark.parametrize("late", [False, True])
def test_nobody_is_asked_unless_the_session_says_so(
    call_with: Callable[..., Any], detection: dict[str, Any] | None, late: bool
) -> None:
    call = call_with()
    if late:  # The time is running already.
        call.update(audio=detect(idle_timeout_ms=IDLE_MS))
        answer(call)
    call.update(audio={"input": {"turn_detection": detection}})
    if not late:
        answer(call)
    call.wait(60_000)
    assert TRIGGERED not in kinds(call.events)


def test_before_any_reply_nobody_is_asked(idle: Any) -> None:
    assert idle.wait(60_000) == []


def test_a_response_beside_the_conversation_starts_no_time(idle: Any) -> None:
    idle.send({"type": "response.create", "response": {"conversation": "none", "input": []}})
    idle.wait(60_000)
    assert TRIGGERED not in kinds(idle.events)


def test_written_replies_take_no_time_to_play(idle: Any) -> None:
    idle.update(output_modalities=["text"])
    done_ns = answer(idle)
    idle.wait(IDLE_MS + 1)
    (asked_ns,) = idle.when(TRIGGERED)
    assert (asked_ns - done_ns) / 1e6 == pytest.approx(IDLE_MS, abs=0.1)


def test_silence_is_not_transcribed(idle: Any) -> None:
    idle.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    answer(idle)
    idle.wait(IDLE_MS + 2_000)
    assert TRIGGERED in kinds(idle.events)
    assert "conversation.item.input_audio_transcription.failed" not in kinds(idle.events)


def test_a_question_that_does_not_fit_leaves_the_session_open(
    call_with: Callable[..., Any],
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=100.0))
    call.update(audio=detect(idle_timeout_ms=IDLE_MS))
    answer(call)
    call.update(truncation="disabled")
    words = [{"type": "input_text", "text": "x" * 200_000}]
    item = {"type": "message", "role": "user", "content": words}
    call.send({"type": "conversation.item.create", "item": item})
    seen = call.wait(IDLE_MS + 2_000)
    assert seen[-1]["error"]["code"] == "context_length_exceeded"

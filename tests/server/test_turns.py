from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from bench.audio.microphone import room_tone
from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune

Samples = NDArray[np.int16]
CREATED = ["response.created", "rate_limits.updated"]
ANNOUNCED = [
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
AUDIO = "response.output_audio.delta"
WORDS = "response.output_audio_transcript.delta"
DONE = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "response.output_item.done",
    "conversation.item.done",
    "response.done",
]
HEARD = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def detect(**fields: Any) -> dict[str, Any]:
    return {"input": {"turn_detection": {"type": "server_vad", **fields}}}


def test_a_turn_in_the_order_of_the_protocol(call: Any, short_words: Samples) -> None:
    seen = call.hear(short_words) + call.wait(2_000)
    assert kinds(seen) == [
        *HEARD,
        *CREATED,
        *ANNOUNCED,
        *[AUDIO, WORDS, AUDIO, AUDIO, WORDS, AUDIO, WORDS],
        *DONE,
    ]


@pytest.mark.parametrize(
    ("change", "misfit"),
    [
        ({"extra": 1}, "extra: unknown"),
        ({"item_id": None}, "item_id"),
        ({"audio_start_ms": 1.5}, "audio_start_ms"),
        ({"audio_start_ms": "7"}, "audio_start_ms"),
    ],
)
def test_the_check_of_events_is_strict(
    check_event: Callable[[str], Any], change: dict[str, Any], misfit: str
) -> None:
    event = {
        "type": "input_audio_buffer.speech_started",
        "event_id": "event_1",
        "item_id": "item_1",
        "audio_start_ms": 7,
    }
    assert check_event(json.dumps(event)) == event
    with pytest.raises((AssertionError, ValidationError), match=misfit):
        check_event(json.dumps(event | change))
    with pytest.raises((AssertionError, ValidationError)):
        check_event(json.dumps({key: event[key] for key in event if key != "item_id"}))


def test_the_ids_of_a_turn_belong_together(call: Any, short_words: Samples) -> None:
    seen = call.hear(short_words) + call.wait(2_000)
    said, answer = seen[0]["item_id"], seen[7]["item"]["id"]
    response = seen[5]["response"]["id"]
    assert [event["item_id"] for event in seen[:3]] == [said] * 3
    assert {event["item"]["id"] for event in seen[3:5]} == {said}
    assert seen[2]["previous_item_id"] is None
    assert seen[8]["previous_item_id"] == said
    deltas = [event for event in seen if event["type"] in {AUDIO, WORDS}]
    assert {(e["item_id"], e["response_id"]) for e in deltas} == {(answer, response)}
    assert seen[-1]["response"]["id"] == response
    event_ids = [event["event_id"] for event in call.events]
    assert len(set(event_ids)) == len(event_ids)


def test_what_is_said_adds_up(call: Any, short_words: Samples) -> None:
    seen = call.hear(short_words) + call.wait(2_000)
    words = "".join(event["delta"] for event in seen if event["type"] == WORDS)
    assert words == "Yes, it is."
    response = seen[-1]["response"]
    assert response["status"] == "completed"
    assert response["output"][0]["content"] == [{"type": "output_audio", "transcript": words}]
    assert response["output"][0]["status"] == "completed"
    usage = response["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["output_token_details"] == {"text_tokens": 3, "audio_tokens": 8}
    said = seen[1]["audio_end_ms"] - seen[0]["audio_start_ms"]
    assert usage["input_token_details"]["audio_tokens"] == said // 100


def test_each_response_bills_the_whole_conversation_again(call: Any, short_words: Samples) -> None:
    for _ in range(2):
        call.hear(short_words)
        call.wait(2_000)
    first, second = (
        event["response"]["usage"] for event in call.events if event["type"] == "response.done"
    )
    assert second["input_tokens"] > first["input_tokens"] + first["output_tokens"]


@pytest.mark.parametrize("delay_ms", [0.0, 15.0, 300.0])
def test_audio_is_due_the_drawn_delay_after_speech_stopped_was_written(
    call_with: Callable[..., Any], short_words: Samples, delay_ms: float
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=delay_ms, delta_ms=100, speed=5.0))
    call.hear(short_words)
    call.wait(2_000)
    stopped_ns = call.when("input_audio_buffer.speech_stopped")[0]
    due_ns = [
        due for due, event in zip(call.due_ns, call.events, strict=True) if event["type"] == AUDIO
    ]
    first_ns = stopped_ns + round(delay_ms * 1e6)
    assert due_ns == [first_ns + 20_000_000 * index for index in range(4)]
    announced_ns = call.when(ANNOUNCED[0])[0]
    assert announced_ns == pytest.approx(first_ns - min(delay_ms / 2, 20) * 1e6, abs=20_000)


def test_the_truth_is_what_was_written(call: Any, short_words: Samples) -> None:
    call.hear(short_words)
    call.wait(2_000)
    (segment,), (response,) = call.segments, call.responses
    stopped = call.first("input_audio_buffer.speech_stopped")
    assert segment.item_id == response.item_id == stopped["item_id"]
    assert segment.audio_end_ms == response.audio_end_ms == stopped["audio_end_ms"]
    assert segment.speech_started_ns == call.when("input_audio_buffer.speech_started")[0]
    assert segment.heard_ns == response.heard_ns
    assert response.speech_stopped_ns == call.when("input_audio_buffer.speech_stopped")[0]
    assert response.heard_ns == response.speech_stopped_ns - call.WRITE_NS
    assert response.response_created_ns == call.when("response.created")[0]
    assert response.first_audio_ns == call.when(AUDIO)[0]
    assert response.last_audio_ns == call.when(AUDIO)[-1]
    assert (response.deltas, response.status) == (4, "completed")
    assert response.reply_delay_ms == 300.0
    assert response.response_id == call.first("response.created")["response"]["id"]


def test_the_same_seed_draws_the_same_delays_for_a_session(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    profile = tune(Profile(), reply_delay_ms=300.0, reply_jitter_ms=100.0)

    def drawn(ordinal: int) -> list[float]:
        call = call_with(profile, ordinal)
        for _ in range(2):
            call.hear(short_words)
            call.wait(3_000)
        return [response.reply_delay_ms for response in call.responses]

    assert drawn(4) == drawn(4) == [profile.turn(4, turn).reply_delay_ms for turn in (0, 1)]
    assert drawn(4) != drawn(5)


def test_no_response_when_none_is_wanted(call: Any, short_words: Samples) -> None:
    call.update(audio=detect(create_response=False))
    assert kinds(call.hear(short_words) + call.wait(2_000)) == HEARD
    assert call.segments[0].speech_stopped_ns is not None
    assert call.responses == []


def test_a_turn_without_detection_waits_for_the_client(call: Any, short_words: Samples) -> None:
    call.update(audio={"input": {"turn_detection": None}})
    assert call.hear(short_words) + call.wait(2_000) == []
    committed = call.send({"type": "input_audio_buffer.commit"})
    assert kinds(committed) == HEARD[2:]
    assert call.wait(1_000) == []
    assert kinds(call.send({"type": "response.create"})) == CREATED
    created_ns = call.when("response.created")[0]
    call.wait(2_000)
    assert call.when(AUDIO)[0] == pytest.approx(created_ns + 300e6, abs=20_000)
    (response,) = call.responses
    assert (response.item_id, response.speech_stopped_ns) == (None, None)
    assert response.status == "completed"


def test_a_client_may_ask_before_anything_was_said(call: Any) -> None:
    seen = call.send({"type": "response.create", "response": {"metadata": {"topic": "greeting"}}})
    seen += call.wait(2_000)
    assert kinds(seen)[-1] == "response.done"
    assert seen[-1]["response"]["metadata"] == {"topic": "greeting"}


def test_an_answer_out_of_band_leaves_the_conversation_alone(call: Any) -> None:
    call.send({"type": "response.create", "response": {"conversation": "none", "input": []}})
    seen = call.wait(2_000)
    assert "conversation.item.added" not in kinds(seen)
    assert seen[-1]["response"]["conversation_id"] is None
    item_id = seen[-1]["response"]["output"][0]["id"]
    error = call.send({"type": "conversation.item.retrieve", "item_id": item_id})[0]["error"]
    assert error["code"] == "item_retrieve_invalid_item_id"


def test_speech_during_a_reply_stops_it(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=100.0, speed=0.25))
    call.hear(short_words)
    seen = call.hear(short_words[: 24 * 1_000])
    place = kinds(seen).index("input_audio_buffer.speech_started")
    assert AUDIO in kinds(seen[:place])
    assert kinds(seen[place + 1 :]) == DONE
    response = seen[-1]["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert response["output"][0]["status"] == "incomplete"
    transcript = response["output"][0]["content"][0]["transcript"]
    assert "Yes, it is.".startswith(transcript)
    assert transcript != "Yes, it is."
    (truth,) = call.responses
    assert truth.status == "cancelled"
    assert truth.deltas == kinds(call.events).count(AUDIO) < 4


def test_speech_before_the_reply_is_heard_stops_it_too(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=5_000.0))
    call.hear(short_words)
    seen = call.hear(short_words[: 24 * 1_000])
    assert kinds(seen) == ["input_audio_buffer.speech_started", "response.done"]
    assert seen[-1]["response"]["output"] == []
    assert call.responses[0].first_audio_ns is None


def test_the_turn_that_interrupted_is_answered(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=100.0, speed=0.25))
    call.hear(short_words)
    call.hear(short_words)
    call.wait(3_000)
    assert [response.status for response in call.responses] == ["cancelled", "completed"]
    assert call.responses[1].item_id == call.segments[1].item_id


def test_a_reply_that_may_not_be_interrupted_goes_on(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=100.0, speed=0.1))
    call.update(audio=detect(interrupt_response=False))
    call.hear(short_words)
    call.hear(short_words)
    assert call.first("error")["error"]["code"] == "conversation_already_has_active_response"
    call.wait(10_000)
    assert [response.status for response in call.responses] == ["completed"]


def test_the_client_may_cancel_once(call: Any) -> None:
    created = call.send({"type": "response.create"})
    call.wait(310)
    cancel = {"type": "response.cancel", "response_id": created[0]["response"]["id"]}
    seen = call.send(cancel)
    assert kinds(seen) == DONE
    assert seen[-1]["response"]["status_details"]["reason"] == "client_cancelled"
    assert call.wait(5_000) == []
    (late,) = call.send({**cancel, "event_id": "mine"})
    assert late["error"]["code"] == "response_cancel_not_active"
    assert late["error"]["event_id"] == "mine"


def test_a_session_that_ends_leaves_its_response_in_the_log(
    call: Any, short_words: Samples
) -> None:
    call.hear(short_words)
    call.responder.close()
    assert [response.status for response in call.responses] == ["disconnected"]
    call.responder.close()
    assert len(call.responses) == 1


def test_a_second_response_has_to_wait(call: Any) -> None:
    call.send({"type": "response.create"})
    (refused,) = call.send({"type": "response.create", "event_id": "two"})
    assert refused["error"]["code"] == "conversation_already_has_active_response"
    assert refused["error"]["event_id"] == "two"
    call.wait(2_000)
    assert kinds(call.send({"type": "response.create"})) == CREATED


def test_transcription_of_unknown_speech_fails_when_its_time_has_come(
    call: Any, short_words: Samples
) -> None:
    call.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    call.hear(short_words)
    call.wait(2_000)
    failed = call.first("conversation.item.input_audio_transcription.failed")
    assert failed["item_id"] == call.segments[0].item_id
    assert failed["error"]["code"] == "transcription_failed"
    committed_ns = call.when("input_audio_buffer.committed")[0]
    failed_ns = call.when("conversation.item.input_audio_transcription.failed")[0]
    assert failed_ns - committed_ns == pytest.approx(200e6, abs=50_000)


@pytest.mark.parametrize("chunk_ms", [20, 100, 3_000])
def test_the_size_of_appends_changes_no_position(
    call: Any, short_words: Samples, chunk_ms: int
) -> None:
    call.hear(short_words, chunk_ms)
    segment = call.segments[0]
    # The label: 340..980 ms of the clip, after 200 ms of tone; 300 ms padding, 500 ms silence.
    assert segment.audio_start_ms == pytest.approx(240, abs=30)
    assert segment.audio_end_ms == pytest.approx(1_720, abs=40)


def test_a_sample_cut_in_two_is_put_together(call: Any, short_words: Samples) -> None:
    audio = short_words.astype("<i2").tobytes()
    for place in range(0, len(audio), 961):
        call.append(audio[place : place + 961])
    pieces = call.segments[0]
    whole = type(call)()
    whole.hear(short_words)
    assert pieces.audio_end_ms == whole.segments[0].audio_end_ms


def test_other_settings_apply_from_the_next_append_on(call: Any, short_words: Samples) -> None:
    call.hear(short_words[: 24 * 1_200])
    call.update(audio={"input": {"turn_detection": {"silence_duration_ms": 200}}})
    call.hear(short_words[24 * 1_200 :])
    assert call.segments[0].audio_end_ms < 1_500


def test_detection_switched_on_later_keeps_the_clock(call: Any, short_words: Samples) -> None:
    call.update(audio={"input": {"turn_detection": None}})
    call.hear(np.zeros(24 * 4_000, np.int16))
    call.update(audio=detect())
    call.hear(short_words)
    assert 5_600 < call.segments[0].audio_end_ms < 5_800


def test_semantic_detection_waits_by_eagerness(call: Any, short_words: Samples) -> None:
    semantic = {"type": "semantic_vad", "eagerness": "high"}
    updated = call.update(audio={"input": {"turn_detection": semantic}})
    shown = updated[0]["session"]["audio"]["input"]["turn_detection"]
    assert shown == {**semantic, "create_response": True, "interrupt_response": True}
    call.hear(np.concatenate([short_words, room_tone(-65.0, 1_000)]))
    # 1,180 ms: the labelled end. What is not recognised waits for 700 ms when eagerness is high.
    assert 1_870 < call.segments[0].audio_end_ms < 1_980

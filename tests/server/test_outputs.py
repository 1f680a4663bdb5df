from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from bench.audio.catalogue import Catalogue
from bench.audio.codec import PCM16, PCMA, PCMU, Codec
from bench.server.conversation import client_entry
from bench.server.outbox import Outbox
from bench.server.output import Place, SpokenOutput
from bench.server.profiles.delay import Delay
from bench.server.profiles.profile import Delays, Profile
from bench.server.profiles.tuning import tune
from bench.server.voices import Reply, Voices

CREATED = ["response.created", "rate_limits.updated"]
ADDED = ["response.output_item.added", "conversation.item.added"]
DONE = ["response.output_item.done", "conversation.item.done", "response.done"]
TEXT, ARGUMENTS = "response.output_text", "response.function_call_arguments"
AUDIO, WORDS = "response.output_audio.delta", "response.output_audio_transcript.delta"
TOOL = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def only(events: list[dict[str, Any]], *types: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] in types]


def words(text: str, role: str = "user") -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def tell(call: Any, item: dict[str, Any]) -> str:
    added = call.send({"type": "conversation.item.create", "item": item})
    item_id: str = added[0]["item"]["id"]
    return item_id


def ask(call: Any, ms: float = 5_000, **response: Any) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = call.send({"type": "response.create", "response": response})
    seen += call.wait(ms)
    return seen


class Recorder:
    """Says the same to everything, and keeps what it was asked for."""

    recorded: ClassVar = {"reply_neutral": "All right."}

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.asked: list[tuple[str, Codec, float]] = []

    def say(self, text: str, codec: Codec, speed: float) -> Reply:
        self.asked.append((text, codec, speed))
        return self.reply


SPOKEN = Reply("a b c d", ("AAAA",) * 4, ("a", " b", " c", " d"), 100, 400.0)


def test_a_written_reply_in_the_order_of_the_protocol(call: Any) -> None:
    call.update(output_modalities=["text"])
    user_id = tell(call, words("Hello, my name is Anna Lind."))
    seen = ask(call)
    text = "Nice to meet you, Anna Lind."
    assert kinds(seen) == [
        *CREATED,
        *ADDED,
        "response.content_part.added",
        *[f"{TEXT}.delta"] * 3,
        f"{TEXT}.done",
        "response.content_part.done",
        *DONE,
    ]
    assert "".join(event["delta"] for event in only(seen, f"{TEXT}.delta")) == text
    assert only(seen, f"{TEXT}.done")[0]["text"] == text
    assert only(seen, "response.content_part.added")[0]["part"] == {"type": "text", "text": ""}
    assert only(seen, "response.content_part.done")[0]["part"] == {"type": "text", "text": text}
    response = seen[-1]["response"]
    assert response["output_modalities"] == ["text"]
    assert response["output"][0]["content"] == [{"type": "output_text", "text": text}]
    assert response["usage"]["output_token_details"] == {"text_tokens": 7, "audio_tokens": 0}
    placed = only(seen, "conversation.item.added", "conversation.item.done")
    assert [event["previous_item_id"] for event in placed] == [user_id] * 2
    item_id = response["output"][0]["id"]
    inner = [e for e in seen if e["type"].startswith(("response.output_text", "response.content"))]
    assert {(e["item_id"], e["response_id"], e["output_index"]) for e in inner} == {
        (item_id, response["id"], 0)
    }


def test_text_leaves_the_voice_free(call: Any) -> None:
    call.update(output_modalities=["text"])
    ask(call)
    assert kinds(call.update(audio={"output": {"voice": "verse"}})) == ["session.updated"]


def test_a_call_of_a_tool_and_its_output(call: Any) -> None:
    call.update(tools=[TOOL])
    tell(call, words("How is the weather in Lisbon?"))
    seen = ask(call)
    parts = len(only(seen, f"{ARGUMENTS}.delta"))
    assert kinds(seen) == [
        *CREATED,
        *ADDED,
        *[f"{ARGUMENTS}.delta"] * parts,
        f"{ARGUMENTS}.done",
        *DONE,
    ]
    assert parts > 1
    finished = only(seen, f"{ARGUMENTS}.done")[0]
    deltas = only(seen, f"{ARGUMENTS}.delta")
    assert "".join(event["delta"] for event in deltas) == finished["arguments"]
    assert json.loads(finished["arguments"]) == {"city": "Lisbon"}
    assert finished["name"] == "get_weather"
    item = seen[-1]["response"]["output"][0]
    assert {event["call_id"] for event in [*deltas, finished]} == {item["call_id"]}
    assert {event["item_id"] for event in [*deltas, finished]} == {item["id"]}
    shown = (item["type"], item["status"], item["name"], item["arguments"])
    assert shown == ("function_call", "completed", "get_weather", finished["arguments"])
    assert only(seen, *ADDED)[0]["item"]["arguments"] == ""
    usage = seen[-1]["response"]["usage"]["output_token_details"]
    assert usage == {"text_tokens": -(-len(finished["arguments"]) // 4), "audio_tokens": 0}

    tell(
        call,
        {"type": "function_call_output", "call_id": item["call_id"], "output": '{"sky": "clear"}'},
    )
    told = ask(call, output_modalities=["text"])
    assert told[-1]["response"]["output"][0]["content"][0]["text"] == "The answer is sky clear."


def test_the_answer_to_a_tool_has_a_delay_of_its_own(call_with: Callable[..., Any]) -> None:
    call = call_with(Profile(delays=Delays(reply=Delay(300.0), tool_reply=Delay(900.0))))
    tell(call, {"type": "function_call_output", "call_id": "call_1", "output": "4"})
    ask(call)
    assert call.responses[0].reply_delay_ms == 900.0
    waited_ms = (call.when(AUDIO)[0] - call.when("response.created")[0]) / 1e6
    assert waited_ms == pytest.approx(900, abs=0.1)


def test_a_response_may_override_the_session_for_itself(call_with: Callable[..., Any]) -> None:
    voices = Recorder(SPOKEN)
    call = call_with(voices=voices)
    call.update(tools=[TOOL], audio={"output": {"speed": 1.25, "format": {"type": "audio/pcmu"}}})
    tell(call, words("How is the weather?"))
    seen = ask(
        call,
        tool_choice="none",
        instructions="Be brief.",
        max_output_tokens=100,
        metadata={"a": "b"},
        audio={"output": {"voice": "verse", "format": {"type": "audio/pcma"}}},
    )
    for event in only(seen, "response.created", "response.done"):
        response = event["response"]
        assert response["audio"]["output"] == {"voice": "verse", "format": {"type": "audio/pcma"}}
        assert response["max_output_tokens"] == 100
        assert response["metadata"] == {"a": "b"}
    assert voices.asked == [("All right.", PCMA, 1.25)]
    ask(call, tools=[])
    assert voices.asked[1:] == [("All right.", PCMU, 1.25)]
    seen = ask(call, tool_choice="required")
    assert seen[-1]["response"]["output"][0]["type"] == "function_call"
    session = call.update()[0]["session"]
    assert session["instructions"] == ""
    assert session["audio"]["output"]["format"] == {"type": "audio/pcmu"}


@pytest.mark.parametrize("override", [True, False])
@pytest.mark.parametrize("modality", ["text", "audio"])
def test_the_most_tokens_leave_a_response_incomplete(
    call: Any, modality: str, override: bool
) -> None:
    call.update(output_modalities=[modality])
    if not override:
        call.update(max_output_tokens=4)
    tell(call, words("My name is Anna Maria Lind."))
    seen = ask(call, **({"max_output_tokens": 4} if override else {}))
    response = seen[-1]["response"]
    assert response["status"] == "incomplete"
    assert response["status_details"] == {"type": "incomplete", "reason": "max_output_tokens"}
    assert response["max_output_tokens"] == 4
    assert response["output"][0]["status"] == "incomplete"
    assert kinds(seen)[-5 if modality == "text" else -6 :][-3:] == DONE
    # A delta is whole, so the last one may go beyond, by no more than itself.
    assert 4 <= response["usage"]["output_tokens"] < 8
    assert call.responses[-1].status == "incomplete"
    # It is a turn of the conversation all the same.
    assert ask(call, max_output_tokens="inf")[-1]["response"]["status"] == "completed"


def test_a_reply_of_just_the_most_tokens_is_complete(call: Any) -> None:
    call.update(output_modalities=["text"])
    seen = ask(call, max_output_tokens=3)  # "Yes, it is." has eleven letters.
    assert seen[-1]["response"]["status"] == "completed"


def test_the_words_of_a_spoken_reply_count_as_they_are_said(
    call_with: Callable[..., Any],
) -> None:
    # 100 ms are two tokens of audio; each word is at most one of text.
    call = call_with(voices=Recorder(SPOKEN))
    seen = ask(call, max_output_tokens=5)
    assert len(only(seen, AUDIO)) == 2
    usage = seen[-1]["response"]["usage"]["output_token_details"]
    assert usage == {"text_tokens": 1, "audio_tokens": 4}


def test_a_cancelled_call_keeps_the_arguments_that_were_sent(
    call_with: Callable[..., Any],
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=300.0, speed=1.0))
    call.update(tools=[TOOL])
    tell(call, words("How is the weather?"))
    ask(call, 350)
    seen = call.send({"type": "response.cancel"})
    assert kinds(seen) == [f"{ARGUMENTS}.done", *DONE]
    item = seen[-1]["response"]["output"][0]
    assert item["status"] == "incomplete"
    assert item["arguments"] == only(call.events, f"{ARGUMENTS}.delta")[0]["delta"]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (1, 0, 3, 2), (0, 0, 1, 1, 2, 3)])
def test_deltas_out_of_order_make_the_same_reply(order: tuple[int, ...]) -> None:
    outbox = Outbox("x")
    output = SpokenOutput(Place(outbox, "resp_x"), SPOKEN, lambda _at_ns: None)
    output.announce(0)
    for index in order:
        output.send(index, 0)
    output.finish(0, whole=True)
    assert output.entry.text == "a b c d"
    assert (output.entry.audio_ms, output.entry.audio_tokens) == (400.0, 8)
    assert output.entry.text_tokens == 2


@pytest.mark.parametrize("codec", [PCM16, PCMU, PCMA], ids=lambda codec: str(codec.name))
def test_audio_comes_in_the_format_asked_for(
    call_with: Callable[..., Any], catalogue: Catalogue, codec: Codec
) -> None:
    profile = Profile()
    voices = Voices([catalogue.get("reply_lights")], None, profile)
    call = call_with(profile, voices=voices)
    types = {"pcm16": "audio/pcm", "pcmu": "audio/pcmu", "pcma": "audio/pcma"}
    call.update(audio={"output": {"format": {"type": types[codec.name]}}})
    seen = ask(call)
    audio = b"".join(b64decode(event["delta"]) for event in only(seen, AUDIO))
    clip = catalogue.get("reply_lights")
    spoken_ms = (clip.speech_end_ms or 0) - (clip.speech_start_ms or 0)
    assert codec.duration_ms(len(audio)) == pytest.approx(spoken_ms + 40, abs=1)
    samples = codec.decode(audio).astype(float)
    assert (samples**2).mean() ** 0.5 > 500
    assert "".join(event["delta"] for event in only(seen, WORDS)) == clip.text
    tokens = seen[-1]["response"]["usage"]["output_token_details"]["audio_tokens"]
    assert tokens == pytest.approx((spoken_ms + 40) / 50, abs=1)


# Out of band


def test_beside_a_response_others_may_be_asked_for(call: Any) -> None:
    tell(call, words("My name is Anna."))
    active = ask(call, 0)[0]["response"]["id"]
    beside: dict[str, Any] = {
        "conversation": "none",
        "metadata": {"topic": "summary"},
        "output_modalities": ["text"],
        "input": [words("What is my name?")],
    }
    seen = ask(call, **beside)
    finished = {e["response"]["id"]: e["response"] for e in only(seen, "response.done")}
    assert len(finished) == 2
    other = next(r for r in finished.values() if r["id"] != active)
    assert other["conversation_id"] is None
    assert finished[active]["conversation_id"] == call.responder.conversation_id
    assert finished[active]["metadata"] is None
    assert other["metadata"] == {"topic": "summary"}
    # Only what was given counts: the name was told in the conversation.
    assert other["output"][0]["content"][0]["text"] == "I do not know your name yet."
    placed = only(seen, "conversation.item.added", "conversation.item.done")
    assert {event["item"]["id"] for event in placed} == {finished[active]["output"][0]["id"]}
    assert {r.response_id: r.status for r in call.responses} == dict.fromkeys(
        finished, "completed"
    )


def test_items_may_be_referred_to(call: Any) -> None:
    told = tell(call, words("My name is Anna."))
    given = [{"type": "item_reference", "id": told}, words("What is my name?")]
    seen = ask(call, conversation="none", output_modalities=["text"], input=given)
    assert seen[-1]["response"]["output"][0]["content"][0]["text"] == "Your name is Anna."
    usage = seen[-1]["response"]["usage"]["input_token_details"]
    assert usage["text_tokens"] == sum(
        client_entry(item, "x").text_tokens for item in (words("My name is Anna."), given[1])
    )


def test_an_unknown_reference_is_refused_and_begins_nothing(call: Any) -> None:
    given = [{"type": "item_reference", "id": "item_nowhere"}]
    seen = ask(call, conversation="none", input=given)
    assert kinds(seen) == ["error"]
    assert kinds(ask(call))[-1] == "response.done"


def test_without_input_it_follows_on_the_conversation(call: Any) -> None:
    tell(call, words("My name is Anna."))
    seen = ask(call, conversation="none", output_modalities=["text"])
    text = seen[-1]["response"]["output"][0]["content"][0]["text"]
    assert text == "Nice to meet you, Anna."


def test_one_beside_does_not_keep_the_conversation_waiting(call: Any) -> None:
    ask(call, 0, conversation="none", input=[])
    ask(call, 0, conversation="none", input=[])
    assert kinds(ask(call, 0)) == CREATED
    assert kinds(ask(call, 0)) == ["error"]
    assert kinds(call.wait(5_000)).count("response.done") == 3


def test_each_is_cancelled_by_its_id(call: Any) -> None:
    active = ask(call, 0)[0]["response"]["id"]
    beside = ask(call, 0, conversation="none", input=[])[0]["response"]["id"]
    call.wait(350)
    (done,) = only(call.send({"type": "response.cancel", "response_id": beside}), "response.done")
    assert done["response"]["id"] == beside
    assert done["response"]["status_details"]["reason"] == "client_cancelled"
    (done,) = only(call.send({"type": "response.cancel"}), "response.done")
    assert done["response"]["id"] == active
    for name in (active, beside, "resp_nowhere"):
        (refused,) = call.send({"type": "response.cancel", "response_id": name})
        assert refused["error"]["code"] == "response_cancel_not_active"
    assert call.wait(5_000) == []


def test_speech_stops_only_the_conversation(
    call_with: Callable[..., Any], short_words: Any
) -> None:
    call = call_with(tune(Profile(), reply_delay_ms=3_000.0))
    active = ask(call, 0)[0]["response"]["id"]
    beside = ask(call, 0, conversation="none", input=[])[0]["response"]["id"]
    seen = call.hear(short_words[: 24 * 1_000])
    assert [e["response"]["id"] for e in only(seen, "response.done")] == [active]
    call.wait(5_000)
    assert {r.response_id: r.status for r in call.responses} == {
        active: "cancelled",
        beside: "completed",
    }


def test_what_is_beside_the_conversation_is_not_billed_with_it(call: Any) -> None:
    tell(call, words("x" * 400))
    before = ask(call, conversation="none")[-1]["response"]["usage"]["input_tokens"]
    after = ask(call, conversation="none")[-1]["response"]["usage"]["input_tokens"]
    assert before == after == 100


def test_what_was_truncated_away_is_forgotten(call: Any) -> None:
    call.update(
        output_modalities=["text"],
        truncation={
            "type": "retention_ratio",
            "retention_ratio": 0.8,
            "token_limits": {"post_instructions": 50},
        },
    )
    tell(call, words("My name is Anna."))
    tell(call, words("x" * 180))
    tell(call, words("What is my name?"))
    seen = ask(call)
    assert seen[-1]["response"]["usage"]["input_tokens"] < 50
    text = seen[-1]["response"]["output"][0]["content"][0]["text"]
    assert text == "I do not know your name yet."


@pytest.mark.parametrize(
    "truncation",
    [
        "never",
        {"type": "retention_ratio", "retention_ratio": "most"},
        {"type": "retention_ratio", "retention_ratio": None},
        {"type": "retention_ratio", "retention_ratio": 0.5, "token_limits": 7},
        {
            "type": "retention_ratio",
            "retention_ratio": 0.5,
            "token_limits": {"post_instructions": "few"},
        },
    ],
)
def test_a_wrong_truncation_is_refused(call: Any, truncation: Any) -> None:
    (refused,) = call.update(truncation=truncation)
    assert refused["error"]["param"].startswith("session.truncation")

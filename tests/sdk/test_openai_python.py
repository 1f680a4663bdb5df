"""The `openai` package's own client talks with the server as with the real one."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from bench.audio.catalogue import Catalogue
from bench.audio.codec import PCMA, PCMU, Codec
from bench.audio.utterance import Utterance

pytestmark = pytest.mark.end_to_end

WEATHER_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "Today's weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
}


@asynccontextmanager
async def connected(
    server: str, *, key: str = "sk-any", **options: Any
) -> AsyncIterator[AsyncRealtimeConnection]:
    base = f"{server.replace('ws', 'http', 1)}/v1"
    async with (
        AsyncOpenAI(api_key=key, base_url=base, websocket_base_url=f"{server}/v1") as client,
        client.realtime.connect(**(options or {"model": "gpt-realtime"})) as connection,
    ):
        first = await connection.recv()
        assert first.type == "session.created"
        yield connection


async def until(connection: AsyncRealtimeConnection, kind: str) -> list[Any]:
    seen: list[Any] = []
    while not seen or seen[-1].type != kind:
        seen.append(await connection.recv())
        assert seen[-1].type != "error", seen[-1].error
    return seen


async def configure(connection: AsyncRealtimeConnection, **session: Any) -> Any:
    await connection.session.update(session={"type": "realtime", **session})
    return (await until(connection, "session.updated"))[-1].session


async def say(connection: AsyncRealtimeConnection, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await connection.input_audio_buffer.append(audio=b64encode(chunk).decode())


async def write(connection: AsyncRealtimeConnection, text: str) -> None:
    content = [{"type": "input_text", "text": text}]
    await connection.conversation.item.create(
        item={"type": "message", "role": "user", "content": content}
    )


def kinds(events: list[Any]) -> list[str]:
    return [event.type for event in events]


def only(events: list[Any], kind: str) -> Any:
    (event,) = [event for event in events if event.type == kind]
    return event


def audio_of(events: list[Any]) -> bytes:
    deltas = [e.delta for e in events if e.type == "response.output_audio.delta"]
    return b"".join(map(b64decode, deltas))


def speech_ms(clip: Utterance) -> float:
    """What is said of a reply: little but the speech itself."""
    return clip.speech_end_ms - clip.speech_start_ms


def energy(samples: NDArray[np.int16], samples_per_ms: int) -> float:
    return float(np.sum(np.square(samples.astype(float)))) / samples_per_ms


async def with_transcript(connection: AsyncRealtimeConnection, kind: str) -> list[Any]:
    """Events up to `kind` and the transcript of what the user said, whichever is later."""
    wanted = {kind, "conversation.item.input_audio_transcription.completed"}
    seen: list[Any] = []
    while not wanted <= set(kinds(seen)):
        seen.append(await connection.recv())
        assert seen[-1].type != "error", seen[-1].error
        assert not seen[-1].type.endswith("transcription.failed")
    return seen


def test_a_turn_by_voice_activity(
    server: str, spoken: Any, catalogue: Catalogue, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            told = await configure(
                connection,
                audio={
                    "input": {
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
                        "transcription": {"model": "gpt-4o-transcribe"},
                    }
                },
            )
            assert told.audio.input.turn_detection.silence_duration_ms == 400
            assert told.audio.input.turn_detection.threshold == 0.5
            await say(connection, spoken("question"))
            seen = await with_transcript(connection, "response.done")
        clip = catalogue.get("question")
        started = only(seen, "input_audio_buffer.speech_started")
        stopped = only(seen, "input_audio_buffer.speech_stopped")
        committed = only(seen, "input_audio_buffer.committed")
        heard = only(seen, "conversation.item.input_audio_transcription.completed")
        done = only(seen, "response.done").response
        assert started.item_id == stopped.item_id == committed.item_id == heard.item_id
        assert heard.transcript == clip.text
        assert done.status == "completed"
        (item,) = done.output
        assert "train" in item.content[0].transcript
        spoken_text = [e.delta for e in seen if e.type == "response.output_audio_transcript.delta"]
        assert "".join(spoken_text) == item.content[0].transcript
        extra_ms = len(audio_of(seen)) / 48 - speech_ms(catalogue.get("reply_train"))
        assert 0 <= extra_ms <= 100
        assert done.usage.total_tokens == done.usage.input_tokens + done.usage.output_tokens
        assert done.usage.output_token_details.audio_tokens > 0

    run(test())


def test_a_turn_that_the_client_ends(server: str, spoken: Any, run: Callable[..., None]) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            await configure(connection, audio={"input": {"turn_detection": None}})
            await say(connection, spoken("question"))
            await connection.input_audio_buffer.commit()
            committed = await until(connection, "input_audio_buffer.committed")
            assert "input_audio_buffer.speech_started" not in kinds(committed)
            await connection.response.create()
            seen = await until(connection, "response.done")
            assert "train" in seen[-1].response.output[0].content[0].transcript
            assert audio_of(seen)

    run(test())


def test_turns_in_text_with_a_memory(server: str, run: Callable[..., None]) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            told = await configure(connection, output_modalities=["text"])
            assert told.output_modalities == ["text"]
            for text, answer in (
                ("Hello, my name is Ada.", "Nice to meet you, Ada."),
                ("What is my name?", "Your name is Ada."),
            ):
                await write(connection, text)
                await connection.response.create()
                seen = await until(connection, "response.done")
                deltas = [e.delta for e in seen if e.type == "response.output_text.delta"]
                assert "".join(deltas) == answer
                assert seen[-1].response.output[0].content[0].text == answer
                assert audio_of(seen) == b""

    run(test())


@pytest.mark.parametrize("by_voice", [False, True])
def test_a_tool_is_called_and_its_output_told(
    by_voice: bool, server: str, spoken: Any, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            await configure(connection, tools=[WEATHER_TOOL], tool_choice="auto")
            if by_voice:
                await say(connection, spoken("weather"))
            else:
                await write(connection, "What is the weather in Lisbon today?")
                await connection.response.create()
            seen = await until(connection, "response.done")
            (called,) = seen[-1].response.output
            arguments = only(seen, "response.function_call_arguments.done")
            assert (called.type, called.name) == ("function_call", "get_weather")
            assert arguments.call_id == called.call_id
            assert arguments.arguments == called.arguments
            assert json.loads(called.arguments) == {"city": "Lisbon"}
            await connection.conversation.item.create(
                item={
                    "type": "function_call_output",
                    "call_id": called.call_id,
                    "output": json.dumps({"forecast": "sunny", "degrees": 24}),
                }
            )
            await connection.response.create()
            seen = await until(connection, "response.done")
            told = seen[-1].response.output[0].content[0].transcript
            assert "sunny" in told
            assert "24" in told
            assert audio_of(seen)

    run(test())


def test_speech_over_a_reply_cancels_it(
    server: str, spoken: Any, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            await say(connection, spoken("question"))
            began = await until(connection, "response.output_audio.delta")
            await say(connection, spoken("barge_in"))
            seen = await until(connection, "response.done")
            cancelled = seen[-1].response
            assert cancelled.status == "cancelled"
            assert cancelled.status_details.reason == "turn_detected"
            assert "input_audio_buffer.speech_started" in kinds(seen)
            (item,) = cancelled.output
            assert item.status == "incomplete"
            # Played up to here only.
            await connection.conversation.item.truncate(
                item_id=item.id, content_index=0, audio_end_ms=80
            )
            seen = await until(connection, "conversation.item.truncated")
            assert (seen[-1].item_id, seen[-1].audio_end_ms) == (item.id, 80)
            # The interruption is a turn of its own.
            if "response.done" not in kinds(seen):
                seen += await until(connection, "response.done")
            after = only(seen, "response.done").response
            assert after.status == "completed"
            assert after.id != cancelled.id == began[-1].response_id

    run(test())


def test_a_client_cancels_a_reply(server: str, run: Callable[..., None]) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            await write(connection, "When is the last train?")
            await connection.response.create()
            await until(connection, "response.output_audio.delta")
            await connection.response.cancel()
            done = (await until(connection, "response.done"))[-1].response
            assert done.status == "cancelled"
            assert done.status_details.reason == "client_cancelled"

    run(test())


def test_a_response_beside_the_conversation(server: str, run: Callable[..., None]) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            content = [{"type": "input_text", "text": "Which train?"}]
            await connection.response.create(
                response={
                    "conversation": "none",
                    "metadata": {"purpose": "classify"},
                    "output_modalities": ["text"],
                    "input": [{"type": "message", "role": "user", "content": content}],
                }
            )
            seen = await until(connection, "response.done")
            done = seen[-1].response
            assert done.metadata == {"purpose": "classify"}
            assert done.conversation_id is None
            assert "train" in done.output[0].content[0].text
            assert "conversation.item.added" not in kinds(seen)

    run(test())


@pytest.mark.parametrize("by_address", [True, False])
def test_transcription_alone(
    by_address: bool, server: str, spoken: Any, catalogue: Catalogue, run: Callable[..., None]
) -> None:
    async def test() -> None:
        options: dict[str, Any] = {"extra_query": {"intent": "transcription"}}
        async with connected(server, **(options if by_address else {})) as connection:
            await connection.session.update(
                session={
                    "type": "transcription",
                    "audio": {"input": {"transcription": {"model": "gpt-4o-transcribe"}}},
                }
            )
            told = (await until(connection, "session.updated"))[-1].session
            assert told.type == "transcription"
            assert told.audio.input.transcription.model == "gpt-4o-transcribe"
            await say(connection, spoken("question"))
            seen = await until(connection, "conversation.item.input_audio_transcription.completed")
            deltas = [
                event.delta
                for event in seen
                if event.type == "conversation.item.input_audio_transcription.delta"
            ]
            assert seen[-1].transcript == "".join(deltas) == catalogue.get("question").text
            assert not [kind for kind in kinds(seen) if kind.startswith("response.")]

    run(test())


@pytest.mark.parametrize(
    "telephone", [("audio/pcmu", PCMU), ("audio/pcma", PCMA)], ids=["mu-law", "a-law"]
)
def test_telephone_audio_both_ways(
    telephone: tuple[str, Codec],
    server: str,
    spoken: Any,
    catalogue: Catalogue,
    run: Callable[..., None],
) -> None:
    name, codec = telephone

    async def test() -> None:
        async with connected(server) as connection:
            told = await configure(
                connection,
                audio={
                    "input": {
                        "format": {"type": name},
                        "transcription": {"model": "gpt-4o-transcribe"},
                    },
                    "output": {"format": {"type": name}},
                },
            )
            assert told.audio.input.format.type == told.audio.output.format.type == name
            await say(connection, spoken("question", codec))
            seen = await with_transcript(connection, "response.done")
        heard = only(seen, "conversation.item.input_audio_transcription.completed")
        assert heard.transcript == catalogue.get("question").text
        reply, clip = codec.decode(audio_of(seen)), catalogue.get("reply_train")
        assert 0 <= len(reply) / 8 - speech_ms(clip) <= 100
        # The same speech is as loud; codes decoded wrongly are louder by far.
        assert energy(reply, 8) == pytest.approx(energy(clip.pcm, 24), rel=0.25)

    run(test())


def test_a_client_secret_opens_a_session_as_it_was_described(
    server: str, run: Callable[..., None]
) -> None:
    async def test() -> None:
        base = f"{server.replace('ws', 'http', 1)}/v1"
        async with AsyncOpenAI(api_key="sk-any", base_url=base) as client:
            secret = await client.realtime.client_secrets.create(
                session={
                    "type": "realtime",
                    "model": "gpt-realtime",
                    "output_modalities": ["text"],
                }
            )
        assert secret.session.output_modalities == ["text"]
        async with connected(server, key=secret.value, model="gpt-realtime") as connection:
            await write(connection, "When is the last train?")
            await connection.response.create()
            done = (await until(connection, "response.done"))[-1].response
            assert done.output_modalities == ["text"]
            assert "train" in done.output[0].content[0].text

    run(test())


def test_mistakes_come_back_as_the_error_event_the_client_knows(
    server: str, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with connected(server) as connection:
            await connection.response.cancel(event_id="mine")
            event: Any = await connection.recv()
            assert event.type == "error"
            assert event.error.event_id == "mine"
            assert event.error.code == "response_cancel_not_active"

    run(test())

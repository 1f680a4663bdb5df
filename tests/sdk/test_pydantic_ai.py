"""The `pydantic-ai-slim` package runs its realtime agents against the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.messages import FunctionToolCallEvent, PartDeltaEvent, SpeechPart, TextPart
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.realtime import (
    RealtimeInputSpeechStartEvent,
    RealtimeSession,
    RealtimeTurnCompleteEvent,
)
from pydantic_ai.realtime.openai import OpenAIRealtimeModel

from bench.audio.catalogue import Catalogue

pytestmark = pytest.mark.end_to_end


@asynccontextmanager
async def talking(
    server: str, tools: list[Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[RealtimeSession, AsyncIterator[Any]]]:
    """A session, and its events."""
    base = f"{server.replace('ws', 'http', 1)}/v1"
    async with AsyncOpenAI(api_key="sk-any", base_url=base) as client:
        model = OpenAIRealtimeModel("gpt-realtime", provider=OpenAIProvider(openai_client=client))
        agent = Agent(instructions="Be brief.", tools=tools or [])
        bound = agent.realtime(model, model_settings=settings)
        async with bound.session() as session:
            yield session, aiter(session)


def is_complete(event: Any) -> bool:
    return isinstance(event, RealtimeTurnCompleteEvent)


def is_audio(event: Any) -> bool:
    return isinstance(event, PartDeltaEvent) and bool(getattr(event.delta, "audio_chunk", None))


async def say(session: RealtimeSession, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await session.send_audio(chunk)


def said(session: RealtimeSession) -> list[tuple[str, str | None]]:
    """Who said what."""
    parts = [part for message in session.all_messages() for part in message.parts]
    return [(p.speaker, p.transcript) for p in parts if isinstance(p, SpeechPart)] + [
        ("assistant", p.content) for p in parts if isinstance(p, TextPart)
    ]


def test_a_spoken_turn(
    server: str, spoken: Any, until: Any, catalogue: Catalogue, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with talking(server) as (session, events):
            await say(session, spoken("question"))
            seen = await until(events, is_complete)
            assert any(map(is_audio, seen))
        assert said(session) == [
            ("user", catalogue.get("question").text),
            ("assistant", catalogue.get("reply_train").text),
        ]

    run(test())


def test_a_turn_that_the_client_ends(
    server: str, spoken: Any, until: Any, catalogue: Catalogue, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with talking(server, turn_detection=False) as (session, events):
            await say(session, spoken("question"))
            await session.commit_audio()
            await session.create_response()
            await until(events, is_complete)
        assert ("assistant", catalogue.get("reply_train").text) in said(session)

    run(test())


def test_a_written_turn(server: str, until: Any, run: Callable[..., None]) -> None:
    async def test() -> None:
        async with talking(server, output_modality="text") as (session, events):
            await session.send("My name is Ada.")
            await until(events, is_complete)
            await session.send("What is my name?")
            await until(events, is_complete)
        assert [text for _, text in said(session)] == [
            "Nice to meet you, Ada.",
            "Your name is Ada.",
        ]

    run(test())


def test_a_tool_is_run(server: str, spoken: Any, until: Any, run: Callable[..., None]) -> None:
    asked = []

    def get_weather(city: str) -> str:
        """Today's weather in a city."""
        asked.append(city)
        return "sunny, 24 degrees"

    async def test() -> None:
        async with talking(server, [get_weather]) as (session, events):
            await say(session, spoken("weather"))
            seen = await until(events, is_complete)
            assert any(isinstance(event, FunctionToolCallEvent) for event in seen)
        assert asked == ["Lisbon"]
        assert said(session)[-1] == ("assistant", "The answer is sunny, 24 degrees.")

    run(test())


def test_speech_over_a_reply_cancels_it(
    server: str,
    spoken: Any,
    until: Any,
    frames: list[dict[str, Any]],
    run: Callable[..., None],
) -> None:
    async def test() -> None:
        async with talking(server) as (session, events):
            audio = session.stream_audio()
            await say(session, spoken("question"))
            await until(events, is_audio)
            assert len(await anext(audio)) >= 80 * 48
            await say(session, spoken("barge_in"))
            await until(events, lambda event: isinstance(event, RealtimeInputSpeechStartEvent))
            assert await session.interrupt(played_bytes=80 * 48)
            # The end of the cut-off turn, then that of the answer to the interruption.
            await until(events, is_complete)
            await until(events, is_complete)
        done = [event["response"] for event in frames if event["type"] == "response.done"]
        assert done[0]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        assert done[-1]["status"] == "completed"
        truncated = [e for e in frames if e["type"] == "conversation.item.truncated"]
        assert [e["audio_end_ms"] for e in truncated] == [80]
        assert not [event for event in frames if event["type"] == "error"]

    run(test())

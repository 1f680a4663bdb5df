"""The `openai-agents` package runs its realtime agents against the server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from agents import function_tool, set_tracing_disabled
from agents.realtime import RealtimeAgent, RealtimeRunner, RealtimeSession

from bench.audio.catalogue import Catalogue

pytestmark = pytest.mark.end_to_end

# Its traces would go to the real service.
set_tracing_disabled(True)

SETTINGS = {
    "model_name": "gpt-realtime",
    "audio": {
        "input": {
            "format": "pcm16",
            "transcription": {"model": "gpt-4o-mini-transcribe"},
            "turn_detection": {"type": "server_vad", "interrupt_response": True},
        },
        "output": {"format": "pcm16", "voice": "ash"},
    },
}


@asynccontextmanager
async def talking(
    server: str, tools: list[Any] | None = None
) -> AsyncIterator[tuple[RealtimeSession, AsyncIterator[Any]]]:
    """A session, and its events."""
    agent = RealtimeAgent(name="clerk", instructions="Be brief.", tools=tools or [])
    session = await RealtimeRunner(agent, config={"model_settings": SETTINGS}).run(
        model_config={"api_key": "sk-any", "url": f"{server}/v1/realtime?model=gpt-realtime"}
    )
    async with session:
        yield session, aiter(session)


async def say(session: RealtimeSession, chunks: list[bytes]) -> None:
    for chunk in chunks:
        await session.send_audio(chunk)


def is_kind(*kinds: str) -> Callable[[Any], bool]:
    def is_last(event: Any) -> bool:
        assert event.type != "error", event.error
        return event.type in kinds

    return is_last


def is_told(words: str) -> Callable[[Any], bool]:
    """Whether the assistant's part of the history now has `words`."""

    def is_last(event: Any) -> bool:
        assert event.type != "error", event.error
        return event.type == "history_updated" and any(
            words in text for role, text in said(event.history) if role == "assistant"
        )

    return is_last


def said(history: list[Any]) -> list[tuple[str, str]]:
    """Who said what."""
    parts = [(i.role, part) for i in history if i.type == "message" for part in i.content]
    return [
        (role, getattr(part, "transcript", None) or getattr(part, "text", None) or "")
        for role, part in parts
    ]


def test_a_spoken_turn(
    server: str, spoken: Any, until: Any, catalogue: Catalogue, run: Callable[..., None]
) -> None:
    async def test() -> None:
        async with talking(server) as (session, events):
            await say(session, spoken("question"))
            seen = await until(events, is_kind("audio_end"))
            if not any(map(is_told("ten forty"), seen)):
                seen += await until(events, is_told("ten forty"))
            heard = b"".join(event.audio.data for event in seen if event.type == "audio")
            clip = catalogue.get("reply_train")
            assert 0 <= len(heard) / 48 - (clip.speech_end_ms - clip.speech_start_ms) <= 100
            history = [event for event in seen if event.type == "history_updated"][-1].history
            assert said(history) == [
                ("user", catalogue.get("question").text),
                ("assistant", clip.text),
            ]

    run(test())


def test_a_tool_is_run(server: str, spoken: Any, until: Any, run: Callable[..., None]) -> None:
    asked = []

    @function_tool
    def get_weather(city: str) -> str:
        """Today's weather in a city."""
        asked.append(city)
        return "sunny, 24 degrees"

    async def test() -> None:
        async with talking(server, [get_weather]) as (session, events):
            await say(session, spoken("weather"))
            seen = await until(events, is_kind("tool_end"))
            assert seen[-1].output == "sunny, 24 degrees"
            seen = await until(events, is_told("sunny, 24 degrees"))
            assert any(event.type == "audio" for event in seen)
        assert asked == ["Lisbon"]

    run(test())


def test_a_written_turn(server: str, until: Any, run: Callable[..., None]) -> None:
    async def test() -> None:
        async with talking(server) as (session, events):
            await session.send_message("My name is Ada.")
            await until(events, is_told("Nice to meet you, Ada."))
            await until(events, is_kind("agent_end"))
            await session.send_message("What is my name?")
            await until(events, is_told("Your name is Ada."))

    run(test())


def test_speech_interrupts_the_agent(
    server: str,
    spoken: Any,
    until: Any,
    frames: list[dict[str, Any]],
    run: Callable[..., None],
) -> None:
    async def test() -> None:
        async with talking(server) as (session, events):
            await say(session, spoken("question"))
            began = await until(events, is_kind("audio"))
            await say(session, spoken("barge_in"))
            seen = await until(events, is_kind("audio_interrupted"))
            assert seen[-1].item_id == began[-1].item_id
            # The answer to the interruption.
            await until(events, lambda e: e.type == "audio_end" and e.item_id != began[-1].item_id)
        done = [event["response"] for event in frames if event["type"] == "response.done"]
        assert done[0]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        # The client tells what was played, and the server agrees.
        truncated = [e for e in frames if e["type"] == "conversation.item.truncated"]
        assert [e["item_id"] for e in truncated] == [began[-1].item_id]

    run(test())

"""A session that speaks the beta dialect over a socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from openai.types.beta.realtime import RealtimeServerEvent
from pydantic import TypeAdapter
from websockets.asyncio.client import connect

from bench.server.app import ServerSettings, serve_until
from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune

BETA: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)
GREETING = [{"type": "input_text", "text": "My name is Anna."}]


def talk(path: str, headers: dict[str, str], *sent: dict[str, Any]) -> list[dict[str, Any]]:
    async def session() -> list[dict[str, Any]]:
        stop = asyncio.Event()
        ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        quick = tune(Profile(), reply_delay_ms=20.0, speed=50.0)
        settings = ServerSettings(port=0, vad="energy", profile=quick, on_ready=ready.set_result)
        server = asyncio.create_task(serve_until(stop, settings))
        seen: list[dict[str, Any]] = []
        try:
            async with asyncio.timeout(10):
                url = await ready
                async with connect(url + path, additional_headers=headers) as client:
                    for event in sent:
                        await client.send(json.dumps(event))
                    while not seen or seen[-1]["type"] != "response.done":
                        seen.append(json.loads(await client.recv()))
        finally:
            stop.set()
            await server
        return seen

    return asyncio.run(session())


def check(seen: list[dict[str, Any]]) -> list[str]:
    for event in seen:
        if event["type"] != "error":
            BETA.validate_python(event)
    return [event["type"] for event in seen]


SENT: tuple[dict[str, Any], ...] = (
    {
        "type": "session.update",
        "session": {"voice": "ash", "temperature": 0.7, "turn_detection": {"type": "none"}},
    },
    {"type": "session.update", "event_id": "e1", "session": {"output_modalities": ["text"]}},
    {"type": "nonsense", "event_id": "e2"},
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": GREETING},
    },
    {"type": "response.create"},
)


def test_a_turn_in_the_beta_dialect() -> None:
    beta = {"OpenAI-Beta": "realtime=v1"}
    seen = talk("/v1/realtime?model=gpt-realtime", beta, *SENT)
    types = check(seen)
    assert types[:6] == [
        "session.created",
        "conversation.created",
        "session.updated",
        "error",
        "error",
        "conversation.item.created",
    ]
    assert seen[2]["session"]["voice"] == "ash"
    assert seen[2]["session"]["temperature"] == 0.7
    assert seen[2]["session"]["turn_detection"] is None
    errors = [event["error"] for event in seen if event["type"] == "error"]
    assert [error["event_id"] for error in errors] == ["e1", "e2"]
    assert errors[0]["param"] == "session.output_modalities"
    assert {"response.audio.delta", "response.audio_transcript.delta"} <= set(types)
    assert not any("output_audio" in name for name in types)
    output = seen[-1]["response"]["output"][0]["content"][0]
    assert output == {"type": "audio", "transcript": "Nice to meet you, Anna."}


def test_azure_preview_speaks_it_without_a_header() -> None:
    path = "/openai/realtime?api-version=2025-04-01-preview&deployment=gpt-realtime"
    assert "response.audio.delta" in check(talk(path, {}, {"type": "response.create"}))


def test_everyone_else_speaks_the_dialect_of_today() -> None:
    seen = talk("/openai/v1/realtime?model=m", {}, {"type": "response.create"})
    assert "response.output_audio.delta" in [event["type"] for event in seen]

"""500 callers tell the server 500 names at once, and ask for their own."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.pieces import PIECES_FOLDER, Pieces
from bench.load.embedded import embedded_server

CALLERS = 500
SILENCE = np.zeros(24 * 800, np.int16)
TEXT_ONLY = json.dumps(
    {
        "type": "session.update",
        "session": {
            "output_modalities": ["text"],
            "audio": {"input": {"transcription": {"model": "m"}}},
        },
    }
)


def appends(catalogue: Catalogue, utterance_id: str) -> list[str]:
    audio = np.concatenate([catalogue.get(utterance_id).pcm, SILENCE]).astype("<i2").tobytes()
    chunks = [b64encode(audio[at : at + 9_600]).decode() for at in range(0, len(audio), 9_600)]
    return [json.dumps({"type": "input_audio_buffer.append", "audio": text}) for text in chunks]


async def answer_to(client: ClientConnection, messages: list[str]) -> str:
    for message in messages:
        await client.send(message)
    async for message in client:
        event = json.loads(message)
        if event["type"] == "response.done":
            return str(event["response"]["output"][0]["content"][0]["text"])
    raise AssertionError("the server hung up")


@pytest.mark.parametrize("workers", [1, 2])
def test_nobody_is_called_by_another_ones_name(workers: int) -> None:
    catalogue = Catalogue.open(default_directory())
    pieces = Pieces.open(default_directory() / PIECES_FOLDER)
    names = [pieces.name_of(number) for number in range(CALLERS // workers)]
    question = appends(catalogue, "name_question")
    met = asyncio.Barrier(len(names))

    async def call(url: str, number: int) -> tuple[str, str]:
        async with connect(f"{url}/v1/realtime?model=m", open_timeout=60) as client:
            await client.send(TEXT_ONLY)
            greeting = await answer_to(client, appends(catalogue, f"name_{number:03}"))
            await met.wait()  # Everybody has told a name before anybody asks.
            return greeting, await answer_to(client, question)

    async def all_calls(url: str) -> list[tuple[str, str]]:
        async with asyncio.timeout(120):
            return await asyncio.gather(*(call(url, number) for number in range(len(names))))

    with embedded_server("--profile", "instant", "--workers", str(workers)) as server:
        told = asyncio.run(all_calls(server.url))
    assert told == [(f"Nice to meet you, {name}.", f"Your name is {name}.") for name in names]

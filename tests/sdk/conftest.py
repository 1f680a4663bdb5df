"""A server in a process of its own, callers' audio, and a strict eye on what clients get."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import PCM16, Codec
from bench.audio.microphone import room_tone
from bench.audio.resample import resample
from bench.audio.utterance import SAMPLE_RATE_HZ

TAIL_MS = 1_200
CHUNK_MS = 100
PATIENCE_S = 20.0
# A reply of three seconds goes on for one and a half: long enough to be interrupted.
BEHAVIOUR = ("--reply-delay-ms", "80", "--speed", "2")


def _checker() -> Callable[[str], dict[str, Any]]:
    # importmode=importlib puts no test folder on sys.path.
    path = Path(__file__).parents[1] / "server" / "conftest.py"
    spec = importlib.util.spec_from_file_location("tests_server_conftest", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.checked  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """Base URL of a server, such as ws://127.0.0.1:43210."""
    ours = ("RTBENCH_", "OPENAI_")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.cli", "serve", "--port", "0", *BEHAVIOUR],
        stdout=subprocess.PIPE,
        text=True,
        env=inherited | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "200"},
    )
    assert process.stdout is not None
    try:
        address = None
        while address is None:
            line = process.stdout.readline()
            assert line, f"the server ended with {process.wait(10)}"
            address = re.search(r"wss?://[^\s/]+", line)
        yield address[0]
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(autouse=True)
def frames(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Every event that a client received, whichever SDK it is; each is exactly of its type.

    All of them read through the same method of the same package.
    """
    check, read = _checker(), ClientConnection.recv
    seen: list[dict[str, Any]] = []
    mistakes: list[object] = []

    async def recv(self: ClientConnection, decode: bool | None = None) -> str | bytes:
        message = await read(self, decode)
        text = message if isinstance(message, str) else message.decode()
        try:
            seen.append(check(text))
        # Kept for the end, as an SDK may swallow it.
        except (AssertionError, KeyError, ValueError) as mistake:
            mistakes.append((mistake, text[:500]))
        return message

    monkeypatch.setattr(ClientConnection, "recv", recv)
    yield seen
    assert mistakes == []
    assert seen, "this SDK reads its socket in another way: nothing was checked"


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.open(default_directory())


@pytest.fixture(scope="session")
def spoken(catalogue: Catalogue) -> Callable[..., list[bytes]]:
    """Gives a clip and the silence that ends a turn, in chunks of a codec."""

    def speak(clip_id: str, codec: Codec = PCM16, *, tail_ms: int = TAIL_MS) -> list[bytes]:
        tone = np.resize(room_tone(-65.0), SAMPLE_RATE_HZ * tail_ms // 1000)
        samples = np.concatenate([catalogue.get(clip_id).pcm, tone])
        if codec.rate_hz != SAMPLE_RATE_HZ:
            samples = resample(samples, SAMPLE_RATE_HZ, codec.rate_hz)
        return codec.chunks(samples, CHUNK_MS)

    return speak


@pytest.fixture(scope="session")
def run() -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a test's coroutine, with patience that ends."""

    def run_bounded(test: Coroutine[Any, Any, None]) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(PATIENCE_S):
                await test

        asyncio.run(bounded())

    return run_bounded


@pytest.fixture(scope="session")
def until() -> Callable[..., Coroutine[Any, Any, list[Any]]]:
    """Reads events of anything iterable up to the first that `is_last`."""

    async def read(events: AsyncIterator[Any], is_last: Callable[[Any], bool]) -> list[Any]:
        seen = []
        async for event in events:
            seen.append(event)
            if is_last(event):
                break
        return seen

    return read

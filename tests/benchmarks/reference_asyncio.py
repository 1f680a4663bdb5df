"""A reference client as people write it: asyncio and `websockets`, two tasks a session."""

import asyncio
import base64
import contextlib
import json
from time import monotonic_ns

from websockets.asyncio.client import ClientConnection, connect

from tests.benchmarks.reference import SESSION_UPDATE, Pen, read_options, spoken_chunks


async def call(url: str, number: int, chunks: list[bytes], chunk_ms: int, pen: Pen) -> None:
    """One session, until cancelled."""
    async with connect(url, ping_interval=None) as ws:
        await ws.recv()
        await ws.send(json.dumps(SESSION_UPDATE))
        await ws.recv()
        receiving = asyncio.create_task(receive(ws))
        try:
            await speak(ws, number, chunks, chunk_ms, pen)
        finally:
            receiving.cancel()


async def speak(
    ws: ClientConnection, number: int, chunks: list[bytes], chunk_ms: int, pen: Pen
) -> None:
    """Send a chunk each `chunk_ms`, on a schedule that does not drift."""
    start_ns, index = monotonic_ns(), 0
    while True:
        due_ns = start_ns + (index + 1) * chunk_ms * 1_000_000
        await asyncio.sleep(max(due_ns - monotonic_ns(), 0) / 1e9)
        audio = base64.b64encode(chunks[index % len(chunks)]).decode()
        await ws.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        pen.append(number, index, due_ns, monotonic_ns())
        index += 1


async def receive(ws: ClientConnection) -> None:
    """Parse and stamp whatever comes."""
    stamps: list[tuple[str, int]] = []
    async for message in ws:
        event = json.loads(message)
        stamps.append((event["type"], monotonic_ns()))


async def main() -> None:
    """Spread the sessions, let them speak, write the record."""
    options = read_options(__doc__)
    chunks, pen = spoken_chunks(options.chunk_ms), Pen()
    start_s = asyncio.get_running_loop().time()
    calls = []
    for number in range(options.sessions):
        due_s = start_s + number / options.rate
        await asyncio.sleep(max(due_s - asyncio.get_running_loop().time(), 0))
        calls.append(asyncio.create_task(call(options.url, number, chunks, options.chunk_ms, pen)))
    await asyncio.sleep(start_s + options.seconds - asyncio.get_running_loop().time())
    for task in calls:
        task.cancel()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait(calls, timeout=15)
    pen.write(options.out)


if __name__ == "__main__":
    asyncio.run(main())

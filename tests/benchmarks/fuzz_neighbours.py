"""Says what callers notice of a client that sends almost right messages to the same server.

python -m tests.benchmarks.fuzz_neighbours
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bench.load.command import find_scenario, locust_command
from bench.load.embedded import embedded_server
from tests.server.fuzzing import message

CALLERS, SECONDS, PER_SECOND = 20, 20, 500


async def fuzz(url: str, until_s: float) -> int:
    """Send messages, at most so many a second, reconnecting when thrown out; how many."""
    draw, sent, loop = random.Random(3), 0, asyncio.get_running_loop()
    while loop.time() < until_s:
        try:
            async with connect(f"{url}/v1/realtime?model=m", max_queue=None) as client:
                while loop.time() < until_s:
                    await client.send(message(draw).decode("utf-8", "replace"))
                    sent += 1
                    await asyncio.sleep(1 / PER_SECOND)
        except ConnectionClosed:
            continue
    return sent


def added_ms(with_fuzz: bool) -> tuple[np.ndarray, int]:
    """What the server added to the delays it drew for the callers, and messages fuzzed."""
    with tempfile.TemporaryDirectory() as scratch:
        truth = Path(scratch) / "truth.jsonl"
        with embedded_server("--truth", str(truth)) as server:
            command = locust_command(
                find_scenario("ask"),
                users=CALLERS,
                spawn_rate=CALLERS,
                run_time=f"{SECONDS}s",
                host=server.url,
            )
            command += ["--runs-dir", scratch, "--run-id", "load"]
            quiet = subprocess.DEVNULL
            with subprocess.Popen(command, stdout=quiet, stderr=quiet) as load:

                async def meanwhile() -> int:
                    return await fuzz(server.url, asyncio.get_running_loop().time() + SECONDS)

                sent = asyncio.run(meanwhile()) if with_fuzz else 0
                load.wait(60)
        lines = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
    answers = [
        e for e in lines if e["kind"] == "response" and e["item_id"] and e["first_audio_ns"]
    ]
    spans = [(e["first_audio_ns"] - e["speech_stopped_ns"]) / 1e6 for e in answers]
    drawn = [e["reply_delay_ms"] for e in answers]
    return np.subtract(spans, drawn), sent


def main() -> None:
    """Print both, side by side."""
    for with_fuzz in (False, True):
        added, sent = added_ms(with_fuzz)
        p50, p99 = np.percentile(added, [50, 99])
        print(f"{sent} messages: p50 {p50:.2f} ms, p99 {p99:.2f} ms added, {len(added)} turns")


if __name__ == "__main__":
    main()

"""How many sessions the embedded server carries on one core, by its own log.

Each step loads it with more callers, the server on one core, the callers on another. Judged at
p99 over all turns of a step is what it adds to the delays it drew: from speech_stopped written to
the first audio written, less the drawn delay; beside it, how long a decision took to be written.
Reported, not asserted:

    python -m tests.benchmarks.server_capacity [--seconds 20]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import psutil

from bench.load.command import find_scenario, locust_command
from bench.load.embedded import embedded_server

LIMIT_MS = 5.0
STEPS = (100, 200, 300, 400, 500, 600, 800)


def step(vad: str, users: int, seconds: int) -> tuple[float, float, float, int]:
    """p99 of the added delay and of decision to write, ms; the server's share of a core; turns."""
    with tempfile.TemporaryDirectory() as scratch:
        truth = Path(scratch) / "truth.jsonl"
        with embedded_server("--vad", vad, "--truth", str(truth)) as server:
            process = psutil.Process(server.pid)
            process.cpu_affinity([0])
            command = locust_command(
                find_scenario("ask"),
                users=users,
                spawn_rate=max(users / 5, 1),
                run_time=f"{seconds}s",
                host=server.url,
            )
            command += ["--runs-dir", scratch, "--run-id", "load"]
            before_s = sum(process.cpu_times()[:2])
            with subprocess.Popen(command, stdout=-3, stderr=-3) as load:
                psutil.Process(load.pid).cpu_affinity([1])
                load.wait(seconds + 20)
                share = (sum(process.cpu_times()[:2]) - before_s) / seconds
                load.wait(120)
        lines = [json.loads(line) for line in truth.read_text("utf-8").splitlines()]
    replies = [
        line
        for line in lines
        if line["kind"] == "response" and line["first_audio_ns"] and line["speech_stopped_ns"]
    ]
    added = [
        (line["first_audio_ns"] - line["speech_stopped_ns"]) / 1e6 - line["reply_delay_ms"]
        for line in replies
    ]
    decided = [(line["speech_stopped_ns"] - line["heard_ns"]) / 1e6 for line in replies]
    p99 = [float(np.percentile(values, 99)) for values in (added, decided)]
    return p99[0], p99[1], share, len(replies)


def main() -> None:
    """Print a line for each step, until one is beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=20)
    seconds = parser.parse_args().seconds
    print("vad     sessions  turns  added p99  decision p99  CPU share")
    for vad in ("energy", "neural"):
        for users in STEPS:
            added, decided, share, turns = step(vad, users, seconds)
            print(f"{vad:7} {users:8} {turns:6} {added:8.2f} ms {decided:10.2f} ms {share:9.0%}")
            if added > LIMIT_MS:
                break


if __name__ == "__main__":
    main()

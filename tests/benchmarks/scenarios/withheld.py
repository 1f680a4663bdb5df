"""Shows that a server which withholds speech_stopped moves a split, and no headline figure."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.analysis.turn import Turn
from bench.load.embedded import embedded_server
from tests.benchmarks.scenarios.trial import run_trial, say

HEADS = (
    "from the server's decision, p50 in ms",
    "as ever",
    "withheld",
    "difference",
    "demand",
    "",
)
LIMIT_MS = 3.0

PLAIN = "[delays]\nspeech_stopped = 20\n"
"""Delays that never vary. The server recognises what was said before it tells that it is over:
some ms, which are within this delay of speech_stopped, whether that is then withheld or not."""

WITHHOLDS = "withhold_speech_stopped_ms = 40\n" + PLAIN


class Wait(NamedTuple):
    """Of one turn, in ms, each from the instant at which the server found that it was over.

    Where in its window that lies differs from turn to turn, and is none of the waiting.
    """

    ttfa_ms: float
    endpointing_ms: float
    response_ms: float


def waits(turns: Iterable[Turn], truth: Iterable[Mapping[str, Any]]) -> list[Wait]:
    """Waits of turns that the server's own log knows."""
    known = {line["response_id"]: line for line in truth if line["kind"] == "response"}
    found = []
    for turn in turns:
        line = known.get(turn.response_id)
        if line is None or turn.first_audio_ns is None or turn.speech_stopped_ns is None:
            continue
        if line["heard_ns"] is not None:
            endpointing_ms = (turn.speech_stopped_ns - line["heard_ns"]) / 1e6
            response_ms = (turn.first_audio_ns - turn.speech_stopped_ns) / 1e6
            found.append(Wait(endpointing_ms + response_ms, endpointing_ms, response_ms))
    return found


def run_withheld(users: int, seconds: float) -> tuple[str, tuple[str, ...], list[list[str]]]:
    """Title, heads and lines."""
    title = f"Withheld speech_stopped: ask, {users // 2} callers of each server, {seconds:g} s"
    with tempfile.TemporaryDirectory() as scratch:
        profiles = {"plain": PLAIN, "withheld": WITHHOLDS}
        with ThreadPoolExecutor() as pool:  # at once: whatever else the machine does is shared
            plain, withheld = pool.map(
                lambda name: _run(Path(scratch) / name, profiles[name], users // 2, seconds),
                profiles,
            )
    rows = []
    for what, figure, demand in (
        ("time to first audio", "ttfa_ms", "within 3 ms"),
        ("until speech_stopped", "endpointing_ms", "moves"),
        ("response latency", "response_ms", "moves"),
    ):
        before = median(getattr(wait, figure) for wait in plain)
        after = median(getattr(wait, figure) for wait in withheld)
        moved_ms = after - before
        met = abs(moved_ms) <= LIMIT_MS if demand == "within 3 ms" else abs(moved_ms) > 100
        rows.append(
            [
                *(what, f"{before:.2f}", f"{after:.2f}", f"{moved_ms:+.2f}", demand),
                "met" if met else "MISSED",
            ]
        )
        say("  ".join(rows[-1]))
    return title, HEADS, rows


def _run(folder: Path, profile: str, users: int, seconds: float) -> list[Wait]:
    path, truth = folder.with_suffix(".toml"), folder.with_suffix(".jsonl")
    path.write_text(profile, encoding="utf-8")
    with embedded_server("--profile", str(path), "--truth", str(truth)) as server:
        trial = run_trial(["ask"], server.url, folder, users=users, seconds=seconds)
    return waits(trial.turns, map(json.loads, truth.read_text("utf-8").splitlines()))

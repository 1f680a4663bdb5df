"""Shows that a server which withholds speech_stopped moves a split, and no headline figure."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.analysis.turns import Turn
from bench.load.embedded import embedded_server
from tests.benchmarks.scenarios.trial import run_trial, say

HEADS = ("figure, p50 in ms", "default", "withheld", "difference", "demand", "")
LIMIT_MS = 3.0


class Wait(NamedTuple):
    """Of one turn, in ms; `ttfa_ms` counts from when the server had decided that it was over.

    Each is less the reply delay that the server drew, which differs by profile.
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
        decided_ns, drawn_ms = line["heard_ns"], line["reply_delay_ms"]
        if decided_ns is not None:
            endpointing_ms = (turn.speech_stopped_ns - decided_ns) / 1e6
            response_ms = (turn.first_audio_ns - turn.speech_stopped_ns) / 1e6
            ttfa_ms = endpointing_ms + response_ms - drawn_ms
            found.append(Wait(ttfa_ms, endpointing_ms, response_ms))
    return found


def run_withheld(users: int, seconds: float) -> tuple[str, tuple[str, ...], list[list[str]]]:
    """Title, heads and lines."""
    title = f"Withheld speech_stopped: ask, {users} callers, {seconds:g} s"
    default, withheld = (_run(name, users, seconds) for name in ("default", "withheld"))
    rows = []
    for what, figure, demand in (
        ("ttfa, from the server's decision, less the delay it drew", "ttfa_ms", "within 3 ms"),
        ("endpointing, from the server's decision", "endpointing_ms", "moves"),
        ("response latency", "response_ms", "moves"),
    ):
        before = median(getattr(wait, figure) for wait in default)
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


def _run(profile: str, users: int, seconds: float) -> list[Wait]:
    with tempfile.TemporaryDirectory() as scratch:
        truth = Path(scratch) / "truth.jsonl"
        with embedded_server("--profile", profile, "--truth", str(truth)) as server:
            trial = run_trial(
                ["ask"], server.url, Path(scratch) / profile, users=users, seconds=seconds
            )
        return waits(trial.turns, map(json.loads, truth.read_text("utf-8").splitlines()))

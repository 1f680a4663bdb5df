"""Run folders as the real recorder writes them, of servers whose delays are known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.dialects.base import Kind
from bench.gate.reading import read_run
from bench.runs.event import SCHEMA_VERSION
from bench.runs.folder import RunFolder, part_files
from bench.runs.recorder import Recorder, SessionRecord

MS = 1_000_000
ZERO_NS = 9_000_000_000_000_000
SPEECH_END_MS = 980
ENDPOINTING_MS = 240.0


@dataclass(frozen=True)
class Made:
    """What to make: replies `reply_ms` after `speech_stopped`, a share of them `slow_ms` later."""

    seed: int = 0
    sessions: int = 20
    turns: int = 21
    """Of each session; the first is cold."""
    reply_ms: float = 300.0
    jitter_ms: float = 6.0
    slow_share: float = 0.0
    slow_ms: float = 0.0
    drift_ms: float = 0.0
    """By which the last reply of a session would be later than its first."""
    drift_until: float = 1.0
    """The share of a session after which replies drift no more."""
    failing: float = 0.0
    refused: int = 0
    ended: bool = True
    late_ms: float = 0.3
    options: tuple[tuple[str, Any], ...] = (("vad_silence_ms", 200), ("num_users", 20))
    plan: str = "a" * 64


def make_run(path: Path, made: Made | None = None, **changes: Any) -> Path:
    """Write events and appends, and derive the rest as every reader of a run does."""
    made = replace(made or Made(), **changes)
    rng = np.random.default_rng(made.seed)
    recorder = Recorder("w0")
    for _ in range(made.sessions):
        _session(recorder.begin_session(), made, rng)
    for _ in range(made.refused):
        pen = recorder.begin_session()
        pen.event("note", Kind.CONNECT_STARTED, ZERO_NS, detail={"url": "ws://x"})
        detail = {"class": "http_503", "message": "full"}
        pen.event("note", Kind.CONNECT_FAILED, ZERO_NS + 5 * MS, detail=detail)
    worker = {
        "host": "h",
        "ended": "closed",
        "parts": 1,
        "sessions": made.sessions,
        "clock_anchors": [],
        "kernel_stamps": True,
    }
    run = {
        "schema_version": SCHEMA_VERSION,
        "rtbench_version": "0",
        "run_id": path.name,
        "scenario": {"files": ["s.py"], "classes": ["Ask"]},
        "options": dict(made.options),
        "plan_sha256": made.plan,
        "target": "ws://127.0.0.1:1/v1/realtime",
        "dialect": "openai",
        "model": "gpt-realtime-2",
        "utterances": {"short": "b" * 64},
        "started_at": "2026-01-01T00:00:00+00:00",
        "ended_at": "2026-01-01T00:01:00+00:00" if made.ended else None,
        "workers": {"w0": worker},
        "environment": {"host": "h", "python": "3.11", "rtbench": "0"},
    }
    folder = RunFolder.create(path, run)
    for name, content in part_files("w0", 0, recorder.take()).items():
        folder.write_part_file(name, content)
    read_run(path)
    return path


def _session(pen: SessionRecord, made: Made, rng: np.random.Generator) -> None:
    at_ns = ZERO_NS + pen.number * 7 * MS
    pen.event("note", Kind.CONNECT_STARTED, at_ns, detail={"url": "ws://x", "user": "Ask"})
    pen.event("note", Kind.CONNECTED, at_ns + 3 * MS)
    pen.event("in", Kind.SESSION_UPDATED, at_ns + 8 * MS, read_ns=at_ns + 8 * MS)
    zero_ns = at_ns + 10 * MS
    pen.event("note", Kind.AUDIO_STARTED, zero_ns, detail={"chunk_ms": 20, "codec": "pcm16"})
    now_ms = 20.0
    for turn in range(made.turns):
        now_ms = _turn(pen, made, rng, turn=turn, zero_ns=zero_ns, begin_ms=now_ms)
    for index in range(0, int(now_ms) // 20, 50):
        due_ns = zero_ns + (index + 1) * 20 * MS
        pen.append(index, due_ns, due_ns + round(made.late_ms * MS))
    closed_ns = zero_ns + round(now_ms * MS)
    pen.event("note", Kind.CLOSED, closed_ns, detail={"by": "client", "code": 1000})


def _turn(
    pen: SessionRecord,
    made: Made,
    rng: np.random.Generator,
    *,
    turn: int,
    zero_ns: int,
    begin_ms: float,
) -> float:
    """One turn, from its utterance to its end; when that was on the audio clock."""

    def note(direction: str, kind: Kind, ms: float, **columns: Any) -> None:
        at_ns = zero_ns + round(ms * MS)
        read_ns = at_ns + 100_000 if direction == "in" else None
        pen.event(direction, kind, at_ns, turn_index=turn, read_ns=read_ns, **columns)

    detail = {
        "turn": turn,
        "utterance": "short",
        "category": "question",
        "duration_ms": 1018,
        "speech_start_ms": 340,
        "speech_end_ms": SPEECH_END_MS,
        "pauses": [],
        "watchdog_s": 10,
    }
    note("note", Kind.UTTERANCE, begin_ms, audio_ms=begin_ms, detail=detail)
    item, response = f"item_{pen.number}_{turn}", f"resp_{pen.number}_{turn}"
    end_ms = begin_ms + SPEECH_END_MS
    note("in", Kind.SPEECH_STARTED, begin_ms + 400, server_ms=begin_ms, item_id=item)
    if rng.random() < made.failing:
        end_ms += 10_000
        note("note", Kind.TURN_ENDED, end_ms, detail={"turn": turn, "reason": "watchdog"})
        return end_ms + 100
    stopped_ms = end_ms + ENDPOINTING_MS + rng.normal(0, made.jitter_ms / 3)
    note("in", Kind.SPEECH_STOPPED, stopped_ms, server_ms=end_ms + 200, item_id=item)
    note("in", Kind.COMMITTED, stopped_ms + 1, item_id=item)
    note("in", Kind.RESPONSE_CREATED, stopped_ms + 2, response_id=response)
    slow_ms = made.slow_ms if rng.random() < made.slow_share else 0.0
    first_ms = (
        stopped_ms
        + made.reply_ms
        + slow_ms
        + made.drift_ms * min(turn / made.turns, made.drift_until)
        + abs(rng.normal(0, made.jitter_ms))
    )
    for number in range(3):
        late_ms = first_ms + 5 * number
        columns = {"response_id": response, "audio_ms": 100.0, "silence_ms": 0.0}
        note("in", Kind.OUTPUT_AUDIO_DELTA, late_ms, **columns)
    note("in", Kind.RESPONSE_DONE, first_ms + 20, response_id=response, detail=DONE)
    note("note", Kind.TURN_ENDED, first_ms + 300, detail={"turn": turn, "reason": "done"})
    return float(first_ms + 400)


DONE = {
    "status": "completed",
    "usage": {
        "input_tokens": 100,
        "output_tokens": 50,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 100, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 0, "audio_tokens": 50},
    },
}
"""At $32 and $64 a million: 0.64 cents a turn."""

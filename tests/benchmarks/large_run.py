"""Turns a number of turns, deltas and frames into the parts of a run that never took place.

Callers talk all the time, each conversation followed by the next, as a closed workload does; two
workers wrote a part every two seconds. The same numbers give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA, SCHEMA_VERSION
from tests.benchmarks.row_columns import Rows, Words, dictionary, in_schema, known, own_words

MS = 1_000_000
WORKERS = 2
CALLERS = 1_000
TURNS_PER_SESSION = 10
TURN_MS = 8_000
PART_MS = 2_000
OPENING_MS = 600
ZERO_NS = 8_000_000_123_456_789
"""Start of the run on the monotonic clock: large, so that floats of it would lose nanoseconds."""

CLIPS = [
    {
        "utterance": f"clip_{number:02}",
        "category": "question",
        "duration_ms": 2_600 + 10 * number,
        "speech_start_ms": 300,
        "speech_end_ms": 2_300 + 10 * number,
        "pauses": [[800, 1_500]],
        "watchdog_s": 4,
    }
    for number in range(20)
]
OPENING = (
    ("connect_started", "note", -250, '{"url": "wss://host/v1/realtime", "user": "Caller"}'),
    ("connected", "note", -200, None),
    ("session_created", "in", -190, '{"session": "sess_1"}'),
    ("session_update", "out", -180, None),
    ("session_updated", "in", -150, None),
    ("audio_started", "note", 0, '{"chunk_ms": 20, "codec": "pcm"}'),
)


@dataclass(frozen=True)
class Size:
    """How large the run is; `deltas` are pairs of audio and text in each reply."""

    turns: int
    frames: int
    deltas: int

    @property
    def sessions(self) -> int:
        return -(-self.turns // TURNS_PER_SESSION)


class WorkerRecord:
    """What one worker of the run recorded."""

    def __init__(self, worker: int, size: Size) -> None:
        self.name = f"w{worker}"
        self._size = size
        self._random = np.random.default_rng(worker)
        sessions = np.arange(worker, size.sessions, WORKERS)
        self._sessions = sessions
        caller, round_ = sessions % CALLERS, sessions // CALLERS
        length_ms = TURN_MS * TURNS_PER_SESSION + 2 * OPENING_MS
        self.start_ns = ZERO_NS + MS * (caller * TURN_MS // CALLERS + round_ * length_ms + 300)
        self.ids = [f"{self.name}-{number:05d}" for number in range(len(sessions))]
        turns = np.arange(size.turns)
        turns = turns[(turns // TURNS_PER_SESSION) % WORKERS == worker]
        self._session = turns // TURNS_PER_SESSION // WORKERS
        self._turn = turns % TURNS_PER_SESSION
        self._clip = turns % len(CLIPS)
        self._number = turns

    def end_ns(self) -> NDArray[np.int64]:
        """When each session closed."""
        turns = np.bincount(self._session, minlength=len(self.ids))
        return self.start_ns + MS * (OPENING_MS + TURN_MS * turns)

    def _jitter_ns(self, mean_ms: float) -> NDArray[np.int64]:
        return (self._random.exponential(mean_ms, len(self._turn)) * MS).astype(np.int64)

    def events(self) -> pa.Table:
        """Rows of EVENT_SCHEMA by instant."""
        rows, details, ids = Rows(), Words(), Words()
        self._converse(rows, details, ids)
        sessions = np.arange(len(self.ids))
        for kind, direction, at_ms, detail in OPENING:
            at_ns = self.start_ns + at_ms * MS
            code = details.code(detail) if detail else -1
            rows.add(sessions, at_ns, kind=kind, direction=direction, detail=code)
        closed = details.code('{"by": "client", "code": 1000, "reason": ""}')
        rows.add(sessions, self.end_ns(), kind="closed", direction="note", detail=closed)
        found = rows.columns(
            {
                "session": 0,
                "at_ns": 0,
                "kind": "",
                "direction": "in",
                "turn": -1,
                "audio_ms": np.nan,
                "silence_ms": np.nan,
                "server_ms": np.nan,
                "item": -1,
                "response": -1,
                "detail": -1,
            }
        )
        seq = np.arange(len(found["session"]))
        seq -= np.searchsorted(found["session"], found["session"])
        order = np.argsort(found["at_ns"], kind="stable")
        found = {name: values[order] for name, values in found.items()}
        received = found["direction"] == "in"
        lag_ns = self._random.exponential(0.2 * MS, len(order)).astype(np.int64)
        columns = {
            "session_id": dictionary(found["session"], self.ids),
            "seq": pa.array(seq[order]),
            "turn_index": known(found["turn"]),
            "direction": pa.array(found["direction"]).dictionary_encode(),
            "kind": pa.array(found["kind"]).dictionary_encode(),
            "type": pa.array(np.where(received, found["kind"], "")).dictionary_encode(),
            "at_ns": pa.array(found["at_ns"]),
            "read_ns": pa.array(found["at_ns"] + lag_ns, mask=~received),
            "size_bytes": pa.array(np.full(len(order), 300), mask=~received),
            **{
                name: pa.array(found[name], from_pandas=True)
                for name in ("audio_ms", "silence_ms", "server_ms")
            },
            "item_id": ids.take(found["item"]),
            "response_id": ids.take(found["response"]),
            "detail": details.take(found["detail"]),
        }
        return in_schema(columns, EVENT_SCHEMA)

    def _converse(self, rows: Rows, details: Words, ids: Words) -> None:
        """Every turn: most are answered; some are cut off, unanswered or failed."""
        size, session, number = self._size, self._session, self._number
        began_ns = self.start_ns[session] + MS * (OPENING_MS + self._turn * TURN_MS)
        clip_ms = (OPENING_MS + self._turn * TURN_MS).astype(float)
        spoken_ns = MS * np.array([clip["speech_end_ms"] for clip in CLIPS])[self._clip]
        silent, failed, cut = number % 97 == 5, number % 211 == 7, number % 101 == 9
        stop_ns = began_ns + np.where(cut, 1_300 * MS, spoken_ns + 500 * MS) + self._jitter_ns(30)
        created_ns = stop_ns + 2 * MS + self._jitter_ns(20)
        first_ns = created_ns + 150 * MS + self._jitter_ns(150)
        item = np.array([ids.code(f"item_{n:09}_{'x' * 12}") for n in number.tolist()])
        response = np.array([ids.code(f"resp_{n:09}_{'x' * 12}") for n in number.tolist()])

        def say(kind: str, at_ns: NDArray[np.int64], where: Any = None, **columns: Any) -> None:
            columns["turn"] = self._turn
            columns = {n: np.broadcast_to(v, len(session)) for n, v in columns.items()}
            kept = slice(None) if where is None else where
            columns = {name: values[kept] for name, values in columns.items()}
            rows.add(session[kept], at_ns[kept], kind=kind, **columns)

        labels = [
            [details.code(json.dumps({"turn": turn, **clip})) for clip in CLIPS]
            for turn in range(TURNS_PER_SESSION)
        ]
        label = np.array(labels)[self._turn, self._clip]
        say("utterance", began_ns, direction="note", audio_ms=clip_ms, detail=label)
        onset_ns = began_ns + 400 * MS + self._jitter_ns(20)
        say("speech_started", onset_ns, item=item, server_ms=clip_ms)
        heard = ~silent
        stop_ms = clip_ms + (stop_ns - began_ns) / MS - 10
        say("speech_stopped", stop_ns, heard, item=item, server_ms=stop_ms)
        say("committed", stop_ns + MS, heard, item=item)
        hello = details.code('{"transcript": "Where is my order, please, and when will it come?"}')
        say("input_transcript_done", stop_ns + 150 * MS, heard, item=item, detail=hello)
        say("response_created", created_ns, heard, response=response)
        answered = heard & ~failed
        for index in range(size.deltas):
            at_ns = first_ns + index * 20 * MS
            say("output_transcript_delta", at_ns - 5 * MS, answered, response=response)
            # One in a thousand names a response that nobody created.
            of = np.where(number % 1_009 == index, ids.code("resp_of_nobody"), response)
            quiet = np.where(index == 0, 60.0, np.nan)
            say(
                "output_audio_delta",
                at_ns,
                answered,
                response=of,
                audio_ms=100.0,
                silence_ms=quiet,
            )
        last_ns = first_ns + size.deltas * 20 * MS
        usage = {"total_tokens": 900, "input_tokens": 500, "output_tokens": 400}
        done = details.code(json.dumps({"status": "completed", "usage": usage}))
        bad = details.code('{"status": "failed", "error_code": "server_error"}')
        say("response_done", last_ns, heard, response=response, detail=np.where(failed, bad, done))
        ended = [
            [details.code(json.dumps({"turn": turn, "reason": r})) for r in ("done", "watchdog")]
            for turn in range(TURNS_PER_SESSION)
        ]
        ended_ns = np.where(
            silent, began_ns + spoken_ns + 4_000 * MS, first_ns + MS * 100 * size.deltas
        )
        end = np.array(ended)[self._turn, silent.astype(int)]
        say("turn_ended", ended_ns, direction="note", detail=end)

    def frames(self) -> pa.Table:
        """Rows of APPEND_SCHEMA by part, session and index."""
        start_ns, length_ns = self.start_ns, self.end_ns() - self.start_ns
        first = self._sessions * TURNS_PER_SESSION
        ends = np.minimum([first, first + TURNS_PER_SESSION], self._size.turns)
        before, after = self._size.frames * ends // self._size.turns
        amounts = after - before
        session = np.repeat(np.arange(len(amounts)), amounts)
        index = np.arange(len(session)) - np.repeat(np.cumsum(amounts) - amounts, amounts)
        chunk_ns = np.repeat(length_ns // np.maximum(amounts, 1), amounts)
        due_ns = start_ns[session] + (index + 1) * chunk_ns
        late_ns = (self._random.lognormal(-2.5, 0.8, len(index)) * MS).astype(np.int64)
        unsent = self._random.random(len(index)) < 0.000_5
        order = np.lexsort((index, session, (due_ns - ZERO_NS) // (PART_MS * MS)))
        columns = {
            "session_id": dictionary(session[order], self.ids),
            "index": pa.array(index[order]),
            "due_ns": pa.array(due_ns[order]),
            "sent_ns": pa.array((due_ns + late_ns)[order], mask=unsent[order]),
        }
        return in_schema(columns, APPEND_SCHEMA)


def _parts(table: pa.Table, instant: str) -> Iterator[pa.Table]:
    """Cut where PART_MS have gone by."""
    part = (table.column(instant).to_numpy() - ZERO_NS) // (PART_MS * MS)
    ends = [*(np.flatnonzero(np.diff(part)) + 1).tolist(), len(part)]
    begin = 0
    for end in ends:
        yield table.slice(begin, end - begin)
        begin = end


def write_run(folder: Path, size: Size) -> None:
    """Write run.json and the parts, as workers leave them behind."""
    parts = folder / "parts"
    parts.mkdir(parents=True)
    workers = {}
    for worker in range(WORKERS):
        record = WorkerRecord(worker, size)
        number = 0
        for name, table, instant in (
            ("events", record.events(), "at_ns"),
            ("appends", record.frames(), "due_ns"),
        ):
            for number, part in enumerate(_parts(table, instant)):
                path = parts / f"{record.name}-{number:05}.{name}.parquet"
                # A part has words of its own, as a worker has that knows no other part.
                own = pa.table([own_words(c) for c in part.columns], schema=table.schema)
                pq.write_table(own, path, compression="zstd")
        workers[record.name] = {
            "host": "load-1",
            "ended": "closed",
            "parts": number + 1,
            "sessions": len(record.ids),
            "clock_anchors": [{"monotonic_ns": ZERO_NS, "realtime_ns": 1_740_830_400 * 10**9}],
            "kernel_stamps": True,
        }
    run = {
        "schema_version": SCHEMA_VERSION,
        "rtbench_version": "0",
        "run_id": folder.name,
        "scenario": {"files": ["scenarios/ask.py"], "classes": ["Caller"]},
        "options": {"users": CALLERS, "warmup_s": 10.0},
        "target": "wss://host/v1/realtime",
        "dialect": "openai",
        "model": "m",
        "utterances": {},
        "started_at": "2025-03-01T12:00:00Z",
        "ended_at": "2025-03-01T13:00:00Z",
        "workers": workers,
        "environment": {},
    }
    (folder / "run.json").write_text(json.dumps(run), "utf-8")

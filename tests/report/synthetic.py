"""A realistic run folder made of arithmetic: no server, no audio, no other part of rtbench."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

MS = 1_000_000
START_NS = 9_007_199_254_740_993  # past 2**53: as a float it would lose a nanosecond
CLIPS: dict[str, dict[str, Any]] = {
    "short": {"duration_ms": 1018, "speech_start_ms": 340, "speech_end_ms": 980, "pauses": []},
    "question": {"duration_ms": 2863, "speech_start_ms": 330, "speech_end_ms": 2820, "pauses": []},
    "mid_pause": {
        "duration_ms": 5400,
        "speech_start_ms": 330,
        "speech_end_ms": 5350,
        "pauses": [[2400, 3250]],
    },
    "long": {
        "duration_ms": 10738,
        "speech_start_ms": 336,
        "speech_end_ms": 10700,
        "pauses": [[3526, 3986], [7501, 7966]],
    },
}
CALLER = {"user": "Caller", "codec": "pcm", "chunk_ms": 20, "detection": "server_vad"}
"""What a session notes of its settings."""
METRICS = {
    "ttfa_ms": ("speech_end_ns", "first_audio_ns"),
    "voice_to_voice_ms": ("speech_end_ns", "first_audible_ns"),
    "endpointing_delay_ms": ("speech_end_ns", "speech_stopped_ns"),
    "response_latency_ms": ("speech_stopped_ns", "first_audio_ns"),
    "model_latency_ms": ("response_created_ns", "first_audio_ns"),
    "onset_delay_ms": ("speech_start_ns", "speech_started_ns"),
    "transcript_ms": ("speech_end_ns", "transcript_done_ns"),
    "transcript_lead_ms": ("first_audio_ns", "first_output_transcript_ns"),
}
INSTANTS = [
    "started_ns",
    "speech_start_ns",
    "speech_end_ns",
    "speech_started_ns",
    "speech_stopped_ns",
    "response_created_ns",
    "first_audio_ns",
    "first_audible_ns",
    "last_audio_ns",
    "response_done_ns",
    "transcript_done_ns",
    "first_output_transcript_ns",
    "ended_ns",
]
ID = pa.dictionary(pa.int32(), pa.string())
EVENTS = pa.schema(
    [
        ("session_id", ID),
        ("seq", pa.int64()),
        ("turn_index", pa.int32()),
        ("direction", ID),
        ("kind", ID),
        ("type", ID),
        ("at_ns", pa.int64()),
        ("read_ns", pa.int64()),
        ("size_bytes", pa.int64()),
        ("audio_ms", pa.float64()),
        ("silence_ms", pa.float64()),
        ("item_id", pa.string()),
        ("response_id", pa.string()),
        ("server_ms", pa.float64()),
        ("detail", pa.string()),
    ]
)
APPENDS = pa.schema(
    [("session_id", ID), ("index", pa.int64()), ("due_ns", pa.int64()), ("sent_ns", pa.int64())]
)
TURNS = pa.schema(
    [
        ("session_id", pa.string()),
        ("turn_index", pa.int32()),
        ("utterance", pa.string()),
        ("category", pa.string()),
        ("outcome", pa.string()),
        ("turn_class", pa.string()),
        ("cut_off", pa.bool_()),
        ("cut_off_pause", pa.int32()),
        *((name, pa.int64()) for name in INSTANTS),
        ("item_id", pa.string()),
        ("response_id", pa.string()),
        ("response_status", pa.string()),
        ("delta_count", pa.int32()),
        ("reply_ms", pa.float64()),
        ("error", pa.string()),
        ("censored_ms", pa.float64()),
        ("since_start_s", pa.float64()),
        *((name, pa.float64()) for name in METRICS),
        ("delivery_factor", pa.float64()),
    ]
)


class Recorder:
    """Rows of a run as they would have been stamped."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.events: list[dict[str, Any]] = []
        self.appends: list[pd.DataFrame] = []
        self.turns: list[dict[str, Any]] = []

    def event(self, session: str, kind: str, at_ns: int, **fields: Any) -> None:
        direction = fields.pop("direction", "in")
        detail = fields.pop("detail", None)
        self.events.append(
            {
                "session_id": session,
                "seq": len(self.events),
                "direction": direction,
                "kind": kind,
                "type": "" if direction == "note" else kind,
                "at_ns": at_ns,
                "read_ns": at_ns + 200_000 if direction == "in" else None,
                "detail": None if detail is None else json.dumps(detail),
                **fields,
            }
        )

    def note(self, session: str, kind: str, at_ns: int, **fields: Any) -> None:
        self.event(session, kind, at_ns, direction="note", **fields)

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def speak(
        self,
        session: str,
        turn: int,
        clip: str,
        start_ns: int,
        outcome: str,
        *,
        detection: str = "server_vad",
    ) -> int:
        """One turn; returns the instant at which it ended."""
        labels = CLIPS[clip]
        row: dict[str, Any] = dict.fromkeys(TURNS.names)
        row |= {
            "session_id": session,
            "turn_index": turn,
            "utterance": clip,
            "category": "question",
            "outcome": outcome,
            "turn_class": "cold" if turn == 0 else "measured",
            "cut_off": outcome == "cut_off",
            "started_ns": start_ns,
            "speech_start_ns": start_ns + labels["speech_start_ms"] * MS,
            "speech_end_ns": start_ns + labels["speech_end_ms"] * MS,
            "delta_count": 0,
            "reply_ms": 0.0,
        }
        self.note(
            session,
            "utterance",
            start_ns,
            turn_index=turn,
            detail={
                "turn": turn,
                "utterance": clip,
                "detection": detection,
                "modality": "audio",
                **labels,
            },
        )
        end_ns = row["speech_end_ns"]
        row["speech_started_ns"] = row["speech_start_ns"] + int(self.between(60, 140) * MS)
        self.event(session, "speech_started", row["speech_started_ns"], turn_index=turn)
        if outcome == "cut_off":
            row["cut_off_pause"] = 0
            end_of_first_part = start_ns + labels["pauses"][0][0] * MS
            row["speech_stopped_ns"] = end_of_first_part + int(self.between(510, 530) * MS)
        elif outcome != "no_reply":
            row["speech_stopped_ns"] = end_ns + int(self.between(505, 560) * MS)
        if outcome == "no_reply":
            row["ended_ns"] = end_ns + 10_000 * MS
            row["censored_ms"] = 10_000.0
            row["error"] = "watchdog"
        else:
            self._reply(row, session, turn)
        self.note(session, "turn_ended", row["ended_ns"], detail={"turn": turn, "reason": "done"})
        for name, (first, second) in METRICS.items():
            if row[first] is not None and row[second] is not None:
                row[name] = (row[second] - row[first]) / MS
        row["since_start_s"] = (end_ns - START_NS) / 1e9
        self.turns.append(row)
        return int(row["ended_ns"])

    def _reply(self, row: dict[str, Any], session: str, turn: int) -> None:
        stopped = row["speech_stopped_ns"]
        self.event(session, "speech_stopped", stopped, turn_index=turn)
        response = f"resp_{session}_{turn}"
        created = stopped + int(self.between(15, 40) * MS)
        wait_ms = 180 + float(self.random.lognormal(4.6, 0.6))
        first = created + int(wait_ms * MS)
        row |= {"response_created_ns": created, "first_audio_ns": first, "response_id": response}
        row["transcript_done_ns"] = stopped + int(self.between(150, 260) * MS)
        row["first_output_transcript_ns"] = first - int(self.between(5, 60) * MS)
        row["response_status"] = "completed"
        self.event(session, "response_created", created, turn_index=turn, response_id=response)
        silence_ms = self.between(40, 220)
        row["first_audible_ns"] = first + int(silence_ms * MS)
        at_ns = first
        amount = int(self.between(18, 40))
        for index in range(amount):
            audio_ms = 100.0 if index < 2 else 200.0
            quiet = min(max(silence_ms - 100 * index, 0), audio_ms)
            self.event(
                session,
                "output_audio_delta",
                at_ns,
                turn_index=turn,
                response_id=response,
                audio_ms=audio_ms,
                silence_ms=quiet if quiet else None,
                size_bytes=6500,
            )
            row["last_audio_ns"] = at_ns
            row["reply_ms"] += audio_ms
            at_ns += int(self.between(20, 60) * MS)
        row["delta_count"] = amount
        row["delivery_factor"] = row["reply_ms"] / ((row["last_audio_ns"] - first) / MS)
        row["response_done_ns"] = at_ns
        self.event(session, "response_done", at_ns, turn_index=turn, response_id=response)
        row["ended_ns"] = first + int(row["reply_ms"] * MS)

    def microphone(self, session: str, start_ns: int, end_ns: int) -> None:
        frames = np.arange(1, (end_ns - start_ns) // (20 * MS) + 1)
        due = start_ns + frames * 20 * MS
        late_ms = self.random.lognormal(-2.0, 0.6, len(frames))
        late_ms[self.random.random(len(frames)) < 0.002] += 4.0
        self.appends.append(
            pd.DataFrame(
                {
                    "session_id": session,
                    "index": frames - 1,
                    "due_ns": due,
                    "sent_ns": due + (late_ms * MS).astype(np.int64),
                }
            )
        )


def distribution(values: list[float], missing: int = 0, censored: int = 0) -> dict[str, Any]:
    """A Distribution as summary.json has it; censored values are ranked last."""
    ordered = sorted(values) + [math.inf] * censored
    entry: dict[str, Any] = {
        "n": len(values),
        "missing": missing,
        "censored": censored,
        "min": min(values, default=None),
        "mean": sum(values) / len(values) if values else None,
        "max": max(values, default=None),
    }
    for name, part, need in (("p50", 0.5, 1), ("p95", 0.95, 200), ("p99", 0.99, 1000)):
        value = ordered[max(math.ceil(part * len(ordered)) - 1, 0)] if ordered else None
        hidden = value == math.inf
        entry[name] = {
            "value": 10_000.0 if hidden else value,
            "censored": hidden,
            "enough": len(ordered) >= need,
        }
    return entry


def summarise(recorder: Recorder, sessions: int, duration_s: float) -> dict[str, Any]:
    """A summary.json for the recorded rows."""
    turns = recorder.turns
    measured = [t for t in turns if t["turn_class"] == "measured" and not t["cut_off"]]

    def over(rows: list[dict[str, Any]]) -> dict[str, Any]:
        table = {}
        for name in [*METRICS, "delivery_factor"]:
            values = [t[name] for t in rows if t[name] is not None]
            silent = len(rows) - len(values)
            waited = name in {"ttfa_ms", "voice_to_voice_ms", "endpointing_delay_ms"}
            table[name] = distribution(
                values, missing=0 if waited else silent, censored=silent if waited else 0
            )
        return table

    outcomes: dict[str, int] = {}
    for turn in turns:
        outcomes[turn["outcome"]] = outcomes.get(turn["outcome"], 0) + 1
    late = [
        float(value) / MS
        for frame in recorder.appends
        for value in (frame["sent_ns"] - frame["due_ns"])
    ]
    lag = [0.2 for event in recorder.events if event["direction"] == "in"]
    return {
        "schema_version": 1,
        "rtbench_version": "0.1.0",
        "run_id": "2025-03-01-120000-baseline",
        "validity": {"valid": True, "reasons": [], "warnings": []},
        "duration_s": duration_s,
        "sessions": {"started": sessions, "opened": sessions, "failed": 0},
        "turns": {
            "started": len(turns),
            "measured": sum(t["turn_class"] == "measured" for t in turns),
            "cold": sum(t["turn_class"] == "cold" for t in turns),
            "warmup": 0,
            "unreviewed": sum(t["turn_class"] == "unreviewed" for t in turns),
            "cut_off": sum(t["cut_off"] for t in turns),
            "outcomes": outcomes,
        },
        "metrics": over(measured),
        "by_utterance": {
            clip: {
                "turns": sum(t["utterance"] == clip for t in turns),
                "metrics": over([t for t in measured if t["utterance"] == clip]),
            }
            for clip in CLIPS
            if any(t["utterance"] == clip for t in measured)
        },
        "pacing": {
            "frames_due": len(late),
            "frames_sent": len(late),
            "lateness_ms": distribution(late),
            "held_back": {"frames": 0, "sessions": 0, "held_ms": distribution([])},
        },
        "client_lag_ms": distribution(lag),
        "unattributed": {"count": 0, "examples": []},
        "errors": [],
    }


def write_run(
    folder: Path,
    *,
    sessions: int = 10,
    turns_per_session: int = 6,
    outcomes: dict[int, str] | None = None,
    unreviewed: frozenset[int] = frozenset(),
    callers: tuple[dict[str, Any], ...] = (CALLER,),
    seed: int = 7,
) -> Path:
    """Write a whole run folder; `outcomes` names what turn number i (over all) came to.

    By default turn 20 is cut off in its pause and turn 33 gets no reply. The clips of the turns
    in `unreviewed` have a label that awaits review. Sessions are of `callers` by turns.
    """
    outcomes = {20: "cut_off", 33: "no_reply"} if outcomes is None else outcomes
    recorder = Recorder(seed)
    clips = list(CLIPS)
    last_ns = START_NS
    for index in range(sessions):
        session = f"w{index % 2}-{index:05d}"
        caller = callers[index % len(callers)]
        opened = START_NS + index * 1_500 * MS
        url = {"url": "wss://host", "user": caller["user"]}
        recorder.note(session, "connect_started", opened, detail=url)
        recorder.note(session, "connected", opened + 40 * MS)
        at_ns = opened + 300 * MS
        held = {name: caller[name] for name in ("chunk_ms", "codec")}
        recorder.note(session, "audio_started", at_ns, detail=held)
        for turn in range(turns_per_session):
            number = index * turns_per_session + turn
            outcome = outcomes.get(number, "ok")
            clip = "mid_pause" if outcome == "cut_off" else clips[(index + turn) % len(clips)]
            ended = recorder.speak(
                session, turn, clip, at_ns, outcome, detection=caller["detection"]
            )
            if number in unreviewed:
                recorder.turns[-1]["turn_class"] = "unreviewed"
            at_ns = ended + int(recorder.between(400, 900)) * MS
        recorder.microphone(session, opened + 300 * MS, at_ns)
        recorder.note(session, "closed", at_ns, detail={"by": "client", "code": 1000})
        last_ns = max(last_ns, at_ns)
    summary = summarise(recorder, sessions, (last_ns - START_NS) / 1e9)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", run_json(sessions))
    write_json(folder / "summary.json", summary)
    pq.write_table(pa.Table.from_pylist(recorder.turns, TURNS), folder / "turns.parquet")
    columns = {name: [e.get(name) for e in recorder.events] for name in EVENTS.names}
    pq.write_table(pa.table(columns, EVENTS), folder / "events.parquet")
    appends = [
        pa.Table.from_pandas(frames, APPENDS, preserve_index=False) for frames in recorder.appends
    ]
    table = pa.concat_tables(appends) if appends else APPENDS.empty_table()
    pq.write_table(table, folder / "appends.parquet")
    return folder


def run_json(sessions: int) -> dict[str, Any]:
    worker = {
        "host": "load-1",
        "pid": 4711,
        "ended": "closed",
        "parts": 12,
        "sessions": sessions // 2,
        "clock_anchors": [{"monotonic_ns": START_NS, "realtime_ns": 1_740_830_400_000_000_000}],
        "kernel_stamps": True,
        "cpu_s": 8.4,
        "max_rss_bytes": 143_000_000,
        "process": {
            "sending_s": 118.2,
            "cpu_user_s": 6.9,
            "cpu_system_s": 1.5,
            "cpu_share": 0.0712,
            "cpu_share_peak": 0.113,
            "loop_share": 0.0671,
            "loop_share_peak": 0.1042,
            "busy_s": 0.0,
            "waited_share": 0.0041,
            "stolen_share": 0.0,
            "rss_bytes": 141_000_000,
            "rss_max_bytes": 143_000_000,
            "open_files": [9, 8],
            "voluntary_switches": 60_123,
            "involuntary_switches": 871,
        },
        "stalls": {
            "limit_ms": 5.0,
            "count": 3,
            "total_ms": 31.4,
            "worst_ms": 17.6,
            "by_cause": {
                "host": {"count": 2, "total_ms": 13.8, "worst_ms": 7.3},
                "collector": {"count": 1, "total_ms": 17.6, "worst_ms": 17.6},
            },
            "worst": [
                {
                    "begin_ns": START_NS + 31_500 * MS,
                    "ms": 17.6,
                    "cause": "collector",
                    "session_id": None,
                },
                {
                    "begin_ns": START_NS + 64_250 * MS,
                    "ms": 7.3,
                    "cause": "host",
                    "session_id": None,
                },
            ],
        },
        "collector": {
            "generations": [
                {"count": 41, "total_ms": 12.1, "worst_ms": 0.6},
                {"count": 9, "total_ms": 10.4, "worst_ms": 2.31},
                {"count": 0, "total_ms": 0.0, "worst_ms": 0.0},
            ],
            "objects_found": 4_112,
        },
    }
    return {
        "schema_version": 1,
        "rtbench_version": "0.1.0",
        "run_id": "2025-03-01-120000-baseline",
        "scenario": {"files": ["scenarios/baseline.py"], "classes": ["Caller"]},
        "options": {"users": sessions, "chunk_ms": 20, "vad": {"silence_duration_ms": 500}},
        "plan_sha256": "ab" * 32,
        "target": "wss://api.example.test/v1/realtime",
        "dialect": "openai",
        "model": "gpt-realtime",
        "utterances": dict.fromkeys(CLIPS, "cd" * 32),
        "started_at": "2025-03-01T12:00:00Z",
        "ended_at": "2025-03-01T12:02:00Z",
        "workers": {"w0": worker, "w1": {**worker, "pid": 4712}},
        "environment": {"python": "3.11.2", "platform": "Linux", "cpus": 2},
    }


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")


def edit_json(path: Path, change: Any) -> None:
    """Apply `change` to the JSON object in `path`, in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    write_json(path, value)

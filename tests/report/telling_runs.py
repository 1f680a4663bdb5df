"""Changes synthetic runs so that there is something to hear, to interrupt and to hold back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

MS = 1_000_000
RATE_HZ = 24_000


def record(
    folder: Path,
    turns: Iterable[tuple[str, int, str]],
    *,
    seconds: float = 2.0,
    lost: int = 0,
) -> Path:
    """Give a run recordings of `turns` (session, index, class): a tone left until the end
    of speech, then one right."""
    audio = folder / "audio"
    audio.mkdir()
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    rng = np.random.default_rng(3)
    tone = 8_000 * np.sin(2 * np.pi * 440 * at) + rng.normal(0, 300, len(at))
    left, right = np.where(at < seconds / 2, tone, 0), np.where(at >= seconds / 2, tone, 0)
    lines = []
    for session_id, index, turn_class in turns:
        zero_ns = 5
        if (folder / "turns.parquet").exists():
            spoken_ns = int(turn_at(folder, session_id, index)["speech_end_ns"])
            zero_ns = spoken_ns - round(seconds / 2 * 1_000 * MS)
        rank = 1 + sum(line["class"] == turn_class for line in lines)
        name = f"{turn_class}-{rank}-{session_id}-turn{index}.flac"
        samples = np.column_stack([left, right]).astype(np.int16)
        soundfile.write(audio / name, samples, RATE_HZ, subtype="PCM_16")
        lines.append(
            {
                "file": name,
                "class": turn_class,
                "rank": rank,
                "session_id": session_id,
                "turn_index": index,
                "utterance": "question",
                "outcome": "ok",
                "ttfa_ms": 900.5,
                "voice_to_voice_ms": 1_000.5,
                "zero_ns": zero_ns,
                "zero_ms": 0,
                "speech_end_ms": 1_000.0,
                "first_audible_ms": 2_000.5,
                "duration_ms": 1_000 * seconds,
                "sample_rate_hz": RATE_HZ,
            }
        )
    (audio / "index.json").write_text(json.dumps({"lost": lost, "recordings": lines}))
    return folder


def change_rows(path: Path, change: Any, **columns: pa.DataType) -> None:
    """Replace the rows of a Parquet file by what `change` makes of a list of them."""
    table = pq.read_table(path)
    schema = table.schema
    for name, kind in columns.items():
        if name not in schema.names:
            schema = schema.append(pa.field(name, kind))
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema), path)


def interrupt(folder: Path, session_id: str, index: int, *, after_ms: int = 500) -> Path:
    """Have turn `index` of a session begin `after_ms` after the first audio of the one before.

    The server hears it 100 ms after it began, and sends two pieces more.
    """
    turns = pq.read_table(folder / "turns.parquet").to_pandas()
    turns = turns[turns["session_id"] == session_id].set_index("turn_index")
    old, new = turns.loc[index - 1], turns.loc[index]
    shift_ns = int(old["first_audio_ns"]) + after_ms * MS - int(new["speech_start_ns"])
    begun_ns = int(new["speech_start_ns"]) + shift_ns
    heard_ns = begun_ns + 100 * MS
    instants = [name for name in turns.columns if name.endswith("_ns")]

    def events(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept, late = [], 0
        for row in rows:
            mine = row["session_id"] == session_id
            of_new = mine and int(new["started_ns"]) <= row["at_ns"] <= int(new["ended_ns"])
            if of_new:
                row["at_ns"] += shift_ns
                if row["kind"] == "speech_started":
                    row["at_ns"] = heard_ns
                if row["kind"] == "utterance":
                    detail = json.loads(row["detail"]) | {"interrupts": index - 1}
                    row["detail"] = json.dumps(detail)
            elif mine and row["response_id"] == old["response_id"]:
                if row["kind"] == "output_audio_delta" and row["at_ns"] > heard_ns:
                    late += 1
                    if late > 2:
                        continue
                if row["kind"] == "response_done":
                    row |= {"at_ns": heard_ns + 5 * MS, "detail": '{"status": "cancelled"}'}
            kept.append(row)
        return sorted(kept, key=lambda row: (row["session_id"], row["at_ns"]))

    change_rows(folder / "events.parquet", events)
    came = pq.read_table(folder / "events.parquet").to_pandas()
    came = came[(came["response_id"] == old["response_id"]) & came["audio_ms"].notna()]
    last_ns = int(came["at_ns"].max())

    def judged(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            if row["session_id"] != session_id:
                continue
            if row["turn_index"] == index - 1:
                row |= {"outcome": "talked_over", "ended_ns": begun_ns - 300 * MS}
                row["last_audio_ns"] = last_ns
            elif row["turn_index"] == index:
                row |= {name: row[name] + shift_ns for name in instants if row[name] is not None}
                row["speech_started_ns"] = heard_ns
                row |= {"interrupts": index - 1, "barge_in_detect_ms": 100.0}
                row["barge_in_stop_ms"] = (last_ns - begun_ns) / MS
        return rows

    change_rows(
        folder / "turns.parquet",
        judged,
        interrupts=pa.int64(),
        barge_in_detect_ms=pa.float64(),
        barge_in_stop_ms=pa.float64(),
    )
    return folder


def hold_back(folder: Path, session_id: str, begin_ns: int, *, frames: int, until_ms: int) -> None:
    """Have the target read none of that many frames due from `begin_ns` on before `until_ms`."""
    left = frames

    def held(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nonlocal left
        for row in rows:
            row.setdefault("offered_ns", None)
            if row["session_id"] == session_id and row["due_ns"] >= begin_ns and left:
                row |= {"offered_ns": row["sent_ns"], "sent_ns": begin_ns + until_ms * MS}
                left -= 1
        return rows

    change_rows(folder / "appends.parquet", held, offered_ns=pa.int64())


def turn_at(folder: Path, session_id: str, index: int) -> pd.Series:
    """A row of turns.parquet."""
    turns = pq.read_table(folder / "turns.parquet").to_pandas()
    return turns[(turns["session_id"] == session_id) & (turns["turn_index"] == index)].iloc[0]

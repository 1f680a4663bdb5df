"""One turn's events and appends as milliseconds from its true end of speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.detail import parsed
from bench.report.data import TurnRecord

Span = tuple[float, float]


@dataclass(frozen=True)
class TurnClock:
    """A turn with 0 at the true end of the caller's speech; every value in milliseconds.

    An instant that never came is None. `deltas` are (arrival, audio); `playback` is when audio
    sounds at zero playout buffer, the first `silence` ms of it inaudible; `appends` are (due,
    lateness) of the frames sent while this turn was under way.
    """

    speech: list[Span]
    pauses: list[Span]
    blamed_pause: Span | None
    vad_started: float | None
    vad_stopped: float | None
    created: float | None
    response_done: float | None
    first_audio: float | None
    first_audible: float | None
    last_audio: float | None
    ended: float | None
    deltas: NDArray[np.float64]
    playback: list[Span]
    appends: NDArray[np.float64]

    @property
    def speech_start(self) -> float:
        """True start of the caller's speech."""
        return self.speech[0][0]


def on_turn_clock(record: TurnRecord) -> TurnClock | None:
    """The turn on its own clock; None when its end of speech was not recorded."""
    turn = record.turn
    if pd.isna(turn["speech_end_ns"]) or pd.isna(turn["speech_start_ns"]):
        return None
    zero_ns = int(turn["speech_end_ns"])

    def at(column: str) -> float | None:
        value = turn[column]
        return None if pd.isna(value) else (int(value) - zero_ns) / 1e6

    start = (int(turn["speech_start_ns"]) - zero_ns) / 1e6
    ended = at("ended_ns")
    pauses = _pauses(record, zero_ns)
    edges = [start, *(edge for pause in pauses for edge in pause), 0.0]
    blamed = turn["cut_off_pause"]
    index = -1 if pd.isna(blamed) else int(blamed)
    deltas = _deltas(record, zero_ns)
    return TurnClock(
        speech=list(zip(edges[::2], edges[1::2], strict=True)),
        pauses=pauses,
        blamed_pause=pauses[index] if 0 <= index < len(pauses) else None,
        vad_started=at("speech_started_ns"),
        vad_stopped=at("speech_stopped_ns"),
        created=at("response_created_ns"),
        response_done=at("response_done_ns"),
        first_audio=at("first_audio_ns"),
        first_audible=at("first_audible_ns"),
        last_audio=at("last_audio_ns"),
        ended=ended,
        deltas=deltas,
        playback=playback(deltas),
        appends=_appends(record, zero_ns, start, ended),
    )


def playback(deltas: NDArray[np.float64]) -> list[Span]:
    """When audio sounds if each delta (arrival ms, audio ms) plays as soon as it can."""
    spans: list[list[float]] = []
    for arrival, audio in deltas:
        if spans and arrival <= spans[-1][1]:
            spans[-1][1] += audio
        else:
            spans.append([float(arrival), float(arrival + audio)])
    return [(start, end) for start, end in spans]


def _utterance(record: TurnRecord) -> tuple[int, dict[str, Any]] | None:
    """Instant of the clip's first sample and the labels noted with it."""
    notes = record.events[record.events["kind"] == "utterance"]
    for at_ns, text in notes[["at_ns", "detail"]].itertuples(index=False):
        detail = parsed(text)
        if detail.get("turn") == int(record.turn["turn_index"]):
            return int(at_ns), detail
    return None


def _pauses(record: TurnRecord, zero_ns: int) -> list[Span]:
    found = _utterance(record)
    if found is None:
        return []
    at_ns, detail = found
    clip_ms = (at_ns - zero_ns) / 1e6
    return [(clip_ms + start, clip_ms + end) for start, end in detail.get("pauses") or []]


def _deltas(record: TurnRecord, zero_ns: int) -> NDArray[np.float64]:
    turn, events = record.turn, record.events
    if pd.isna(turn["first_audio_ns"]) or pd.isna(turn["last_audio_ns"]):
        return np.empty((0, 2))
    mine = events[
        (events["kind"] == "output_audio_delta")
        & (events["at_ns"] >= turn["first_audio_ns"])
        & (events["at_ns"] <= turn["last_audio_ns"])
    ]
    if pd.notna(turn["response_id"]):
        mine = mine[mine["response_id"] == turn["response_id"]]
    arrival = (mine["at_ns"] - zero_ns).to_numpy(dtype=np.float64) / 1e6
    return np.column_stack([arrival, mine["audio_ms"].fillna(0).to_numpy(dtype=np.float64)])


def _appends(
    record: TurnRecord, zero_ns: int, start: float, ended: float | None
) -> NDArray[np.float64]:
    sent = record.appends.dropna(subset=["sent_ns"])
    due = (sent["due_ns"] - zero_ns).to_numpy(dtype=np.float64) / 1e6
    late = (sent["sent_ns"] - sent["due_ns"]).to_numpy(dtype=np.float64) / 1e6
    until = np.inf if ended is None else ended
    kept = (due >= start) & (due <= until)
    return np.column_stack([due[kept], late[kept]])

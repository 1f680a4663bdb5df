"""Turns one turn's events and appends into milliseconds from its true end of speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.analysis.detail import number, parsed
from bench.analysis.moments import Delta
from bench.analysis.playback import PREBUFFER_MS, sounding
from bench.dialects.base import Kind
from bench.report.data import TurnRecord

Span = tuple[float, float]
"""Begin and end."""


@dataclass(frozen=True)
class Frames:
    """The microphone's frames that were due while a turn was under way.

    `late`, shape (n, 2), has when each was due and how late it was offered to the socket, of
    those that were offered; `held`, shape (m, 2), from when until when a frame waited because
    the target did not read, NaN where it was never taken.
    """

    late: NDArray[np.float64]
    held: NDArray[np.float64]
    never_offered: int


@dataclass(frozen=True)
class OldReply:
    """The reply that a turn speaks over.

    `arrivals` as those of TurnClock; `heard` is when it sounds in a player without a buffer,
    until `silenced`, when the player was stopped; `last_audio` is the last that came of it
    after the caller began to speak, None where all had come before.
    """

    turn_index: int
    arrivals: NDArray[np.float64]
    heard: list[Span]
    last_audio: float | None
    silenced: float | None


@dataclass(frozen=True)
class TurnClock:
    """A turn with 0 at the true end of the caller's speech; every value in milliseconds.

    An instant that never came is None. `arrivals`, shape (n, 2), has when each piece of audio
    came and how long it lasts; `heard` is when it sounds without a playout buffer, and
    `played` with one of PREBUFFER_MS: what lies between two spans is a stall. `overlays` are
    sounds of the caller that were not meant to stop the reply.
    """

    speech: list[Span]
    pauses: list[Span]
    blamed_pause: Span | None
    overlays: list[Span]
    vad_started: float | None
    vad_stopped: float | None
    requested: float | None
    created: float | None
    response_done: float | None
    first_audio: float | None
    first_audible: float | None
    last_audio: float | None
    ended: float | None
    arrivals: NDArray[np.float64]
    heard: list[Span]
    played: list[Span]
    frames: Frames
    old_reply: OldReply | None

    @property
    def speech_start(self) -> float:
        """True start of the caller's speech."""
        return self.speech[0][0]

    @property
    def turn_end(self) -> float | None:
        """When the turn was known to have ended: by the server's word, else by the client's."""
        return self.requested if self.vad_stopped is None else self.vad_stopped

    @property
    def old_reply_stopped(self) -> float | None:
        """Last audio of the reply that the turn speaks over, if some came since it began."""
        return None if self.old_reply is None else self.old_reply.last_audio

    @property
    def stalls(self) -> list[Span]:
        """When a player with a buffer of PREBUFFER_MS was dry though more was to come."""
        ends = [end for _, end in self.played]
        return list(zip(ends, [start for start, _ in self.played[1:]], strict=False))


def on_turn_clock(record: TurnRecord) -> TurnClock | None:
    """The turn on its own clock; None when its end of speech was not recorded."""
    turn = record.turn
    if pd.isna(turn["speech_end_ns"]) or pd.isna(turn["speech_start_ns"]):
        return None
    zero_ns = int(turn["speech_end_ns"])

    def at(column: str) -> float | None:
        value = turn.get(column)
        return None if value is None or pd.isna(value) else (int(value) - zero_ns) / 1e6

    start = (int(turn["speech_start_ns"]) - zero_ns) / 1e6
    ended = at("ended_ns")
    pauses = _pauses(record, zero_ns)
    edges = [start, *(edge for pause in pauses for edge in pause), 0.0]
    blamed = turn["cut_off_pause"]
    index = -1 if pd.isna(blamed) else int(blamed)
    deltas = _deltas_of(record)
    return TurnClock(
        speech=list(zip(edges[::2], edges[1::2], strict=True)),
        pauses=pauses,
        blamed_pause=pauses[index] if 0 <= index < len(pauses) else None,
        overlays=_overlays(record, zero_ns),
        vad_started=at("speech_started_ns"),
        vad_stopped=at("speech_stopped_ns"),
        requested=at("requested_ns"),
        created=at("response_created_ns"),
        response_done=at("response_done_ns"),
        first_audio=at("first_audio_ns"),
        first_audible=at("first_audible_ns"),
        last_audio=at("last_audio_ns"),
        ended=ended,
        arrivals=_arrivals(deltas, zero_ns),
        heard=_spans(deltas, 0.0, zero_ns),
        played=_spans(deltas, PREBUFFER_MS, zero_ns),
        frames=_frames(record, zero_ns, start, ended),
        old_reply=_old_reply(record, zero_ns),
    )


def _notes(record: TurnRecord, kind: Kind) -> list[tuple[int, dict[str, Any]]]:
    """Notes of that kind about the turn: when, and what they say."""
    rows = record.events[record.events["kind"] == kind.value]
    pairs = zip(rows["at_ns"], rows["detail"], strict=True)
    details = [(int(at_ns), parsed(text)) for at_ns, text in pairs]
    return [(at_ns, d) for at_ns, d in details if d.get("turn") == int(record.turn["turn_index"])]


def _pauses(record: TurnRecord, zero_ns: int) -> list[Span]:
    notes = _notes(record, Kind.UTTERANCE)
    if not notes:
        return []
    at_ns, detail = notes[0]
    clip_ms = (at_ns - zero_ns) / 1e6
    return [(clip_ms + start, clip_ms + end) for start, end in detail.get("pauses") or []]


def _overlays(record: TurnRecord, zero_ns: int) -> list[Span]:
    spans = []
    for at_ns, detail in _notes(record, Kind.OVERLAY):
        clip_ms = (at_ns - zero_ns) / 1e6
        end_ms = number(detail.get("speech_end_ms")) or number(detail.get("duration_ms"))
        if end_ms is not None:
            begin_ms = number(detail.get("speech_start_ms")) or 0.0
            spans.append((clip_ms + begin_ms, clip_ms + end_ms))
    return spans


def _deltas_of(record: TurnRecord) -> list[Delta]:
    """Audio of the turn's own reply."""
    turn = record.turn
    if pd.isna(turn["first_audio_ns"]) or pd.isna(turn["last_audio_ns"]):
        return []
    at_ns = record.events["at_ns"]
    within = (at_ns >= turn["first_audio_ns"]) & (at_ns <= turn["last_audio_ns"])
    return _deltas(record.events[within], turn["response_id"])


def _deltas(events: pd.DataFrame, response_id: object) -> list[Delta]:
    """Audio that came, of one response if it has an id."""
    rows = events[events["kind"] == Kind.OUTPUT_AUDIO_DELTA.value]
    if isinstance(response_id, str):
        rows = rows[rows["response_id"] == response_id]
    lengths_ms = rows["audio_ms"].fillna(0).tolist()
    return [Delta(int(at), ms, None) for at, ms in zip(rows["at_ns"], lengths_ms, strict=True)]


def _arrivals(deltas: list[Delta], zero_ns: int) -> NDArray[np.float64]:
    rows = [((delta.at_ns - zero_ns) / 1e6, delta.audio_ms or 0.0) for delta in deltas]
    return np.array(rows, dtype=np.float64).reshape(-1, 2)


def _spans(deltas: list[Delta], prebuffer_ms: float, zero_ns: int) -> list[Span]:
    spans = sounding(deltas, prebuffer_ms)
    return [((begin - zero_ns) / 1e6, (end - zero_ns) / 1e6) for begin, end in spans]


def _frames(record: TurnRecord, zero_ns: int, start: float, ended: float | None) -> Frames:
    """Frames due from `start` until the turn `ended`."""
    rows = record.appends
    due = _since(rows["due_ns"], zero_ns)
    under_way = (due >= start) & (due <= (np.inf if ended is None else ended))
    due = due[under_way]
    sent = _since(rows["sent_ns"], zero_ns)[under_way]
    waited = np.full(len(due), np.nan)
    if "offered_ns" in rows:
        waited = _since(rows["offered_ns"], zero_ns)[under_way]
    offered = np.where(np.isnan(waited), sent, waited)
    was_offered, was_held = ~np.isnan(offered), ~np.isnan(waited)
    return Frames(
        late=np.column_stack([due, offered - due])[was_offered],
        held=np.column_stack([waited, sent])[was_held],
        never_offered=int(np.count_nonzero(~was_offered)),
    )


def _since(instants_ns: pd.Series, zero_ns: int) -> NDArray[np.float64]:
    """Milliseconds from `zero_ns`, NaN where missing; whole nanoseconds until subtracted."""
    since: NDArray[np.float64] = (instants_ns - zero_ns).to_numpy(np.float64, na_value=np.nan)
    return since / 1e6


def _old_reply(record: TurnRecord, zero_ns: int) -> OldReply | None:
    old, turn = record.interrupted, record.turn
    if old is None:
        return None
    response_id = old["response_id"]
    deltas = _deltas(record.events, response_id) if isinstance(response_id, str) else []
    stop_ms = turn.get("barge_in_stop_ms")
    begun = (int(turn["speech_start_ns"]) - zero_ns) / 1e6
    silenced = _silenced(record, old, zero_ns)
    until = np.inf if silenced is None else silenced
    spans = _spans(deltas, 0.0, zero_ns)
    return OldReply(
        turn_index=int(old["turn_index"]),
        arrivals=_arrivals(deltas, zero_ns),
        heard=[(begin, min(end, until)) for begin, end in spans if begin < until],
        last_audio=None if stop_ms is None or pd.isna(stop_ms) else begun + float(stop_ms),
        silenced=silenced,
    )


def _silenced(record: TurnRecord, old: pd.Series, zero_ns: int) -> float | None:
    """When the player of the old reply was stopped: by the server's word, or by the caller's.

    The former is speech_started, or that the response was cancelled; the latter is what the
    client then tells of how much was heard.
    """
    turn, events = record.turn, record.events
    told = events[events["kind"] == Kind.ITEM_TRUNCATE.value]["at_ns"]
    stops = told[told >= turn["started_ns"]].tolist()
    done = events[events["kind"] == Kind.RESPONSE_DONE.value]
    done = done[done["response_id"] == old["response_id"]]
    for at_ns, detail in zip(done["at_ns"], done["detail"], strict=True):
        if parsed(detail).get("status") == "cancelled":
            stops.append(at_ns)
    if pd.notna(turn["speech_started_ns"]):
        stops.append(turn["speech_started_ns"])
    return (int(min(stops)) - zero_ns) / 1e6 if stops else None

"""Turns a turn into what its waterfall says in words and in numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.analysis.playback import PREBUFFER_MS
from bench.report.data import TurnRecord
from bench.report.sound import Recording
from bench.report.turn_clock import TurnClock
from bench.report.wording import ABSENT, count, instant, number, outcome_words, quantity

COLUMNS = ("what", "at, ms from end of speech", "lasts, ms")
"""Headings of `rows`."""

_STALLS = 10
"""Stalls that have a row each."""


def rows(turn: TurnClock) -> list[list[str]]:
    """Everything that the figure shows, in order; what never came is at the end."""
    moments = _moments(turn)
    if turn.old_reply is not None:
        moments += [
            (f"reply of turn {turn.old_reply.turn_index}: last audio", turn.old_reply.last_audio),
            (f"reply of turn {turn.old_reply.turn_index}: silenced", turn.old_reply.silenced),
        ]
    spans = [
        *(("pause", span) for span in turn.pauses),
        *(("sound over the reply", span) for span in turn.overlays),
        *(("stall", span) for span in turn.stalls[:_STALLS]),
    ]
    came = [(at, what, None) for what, at in moments if at is not None]
    lasting = [(start, what, end - start) for what, (start, end) in spans]
    table = [
        [what, number(round(at, 1)), ABSENT if lasts is None else number(round(lasts, 1))]
        for at, what, lasts in sorted([*came, *lasting], key=lambda row: row[:2])
    ]
    table += [[what, "never", ABSENT] for what, at in moments if at is None]
    return table + _amounts(turn)


def _moments(turn: TurnClock) -> list[tuple[str, float | None]]:
    moments = [
        ("caller's speech began", turn.speech_start),
        ("caller's speech ended", 0.0),
        ("server: speech started", turn.vad_started),
        ("server: speech stopped", turn.vad_stopped),
        ("response created", turn.created),
        ("first audio delta", turn.first_audio),
        ("first audible sample", turn.first_audible),
        ("last audio delta", turn.last_audio),
        ("response done", turn.response_done),
        ("heard to its end without a buffer", turn.heard[-1][1] if turn.heard else None),
        ("player with a buffer begins", turn.played[0][0] if turn.played else None),
        ("turn ended", turn.ended),
    ]
    if turn.requested is not None:
        moments.append(("client asked for a response", turn.requested))
    return moments


def _amounts(turn: TurnClock) -> list[list[str]]:
    """What has no instant, as rows of the same table."""
    frames, arrivals = turn.frames, turn.arrivals
    table: list[tuple[str, float | None]] = []
    if len(frames.late):
        table.append((f"latest of {count(len(frames.late), 'frame')}", frames.late[:, 1].max()))
    if len(frames.held):
        waited = frames.held[:, 1] - frames.held[:, 0]
        known = waited[~np.isnan(waited)]
        what = f"longest wait of {count(len(frames.held), 'frame')} that the target held back"
        table.append((what, known.max() if len(known) else None))
    if frames.never_offered:
        table.append((f"{count(frames.never_offered, 'frame')} never sent", None))
    if len(arrivals):
        what = f"audio of {count(len(arrivals), 'delta')}"
        table.append((what, arrivals[:, 1].sum()))
    if len(arrivals) > 1:
        table.append(("longest wait between two deltas", np.diff(arrivals[:, 0]).max()))
    if turn.stalls:
        whole = sum(end - start for start, end in turn.stalls)
        table.append((f"all of {count(len(turn.stalls), 'stall')}", whole))
    return [
        [what, ABSENT, ABSENT if lasts is None else number(float(lasts))] for what, lasts in table
    ]


def caption(record: TurnRecord, turn: TurnClock) -> str:
    """What is to be seen, with its numbers."""
    row = record.turn
    outcome = str(row["outcome"])
    place = f"Session {row['session_id']}, turn {row['turn_index']}"
    parts = [f"{place}, utterance {row['utterance']}: {outcome}."]
    if outcome_words(outcome).failed:
        parts.append(outcome_words(outcome).meaning)
    if turn.old_reply is not None:
        parts += _barge_in(turn)
    if turn.vad_stopped is not None:
        parts.append(f"Speech heard as ended at {instant(turn.vad_stopped)}")
        parts[-1] += ", while the caller still spoke." if turn.vad_stopped < 0 else "."
    if turn.first_audio is not None:
        heard = "never" if turn.first_audible is None else f"at {instant(turn.first_audible)}"
        parts.append(f"First audio at {instant(turn.first_audio)}, first audible sample {heard}.")
        if turn.played:
            parts.append(_stalls(turn))
    elif pd.notna(row["censored_ms"]):
        parts.append(f"No audio within {quantity(float(row['censored_ms']))}.")
    if len(turn.frames.held):
        held = count(len(turn.frames.held), "frame")
        parts.append(f"The target held back {held} of the caller's audio.")
    return " ".join(parts)


def _barge_in(turn: TurnClock) -> list[str]:
    old, began = turn.old_reply, turn.speech_start
    assert old is not None
    parts = [f"It interrupts the reply of turn {old.turn_index} at {instant(began)}."]
    if turn.vad_started is None:
        parts.append("The server never heard it.")
    else:
        parts.append(f"The server heard it {quantity(turn.vad_started - began)} later.")
    if old.last_audio is None:
        parts.append("All of the old reply had come before.")
    else:
        late = quantity(old.last_audio - began)
        parts.append(f"The last audio of the old reply came {late} after it began.")
    return parts


def _stalls(turn: TurnClock) -> str:
    player = f"A player with {quantity(PREBUFFER_MS)} of buffer"
    if not turn.stalls:
        return f"{player} never runs dry."
    whole = quantity(sum(end - start for start, end in turn.stalls))
    return f"{player} runs dry {count(len(turn.stalls), 'time')}, for {whole} in all."


def cue(record: TurnRecord, recording: Recording) -> str:
    """Where in a recording of the turn, or of the one that it interrupts, to listen."""
    turn, old = record.turn, record.interrupted
    is_of_old = old is not None and recording.turn_index != turn["turn_index"]
    whose = ""
    if is_of_old:
        whose = f"It is of turn {recording.turn_index}, which this one interrupts. "
    if recording.zero_ns is None:
        return whose
    what, instant_ns = "stops speaking", turn["speech_end_ns"]
    if is_of_old:
        what, instant_ns = "breaks in", turn["speech_start_ns"]
    at_s = (int(instant_ns) - recording.zero_ns) / 1e9
    length = ""
    if recording.duration_ms is not None:
        length = f" of {quantity(recording.duration_ms / 1000, 's')}"
    return f"{whose}The caller {what} at {quantity(at_s, 's')}{length}."

"""Turns a boundary of speech, as a server tells it, into its turn and its place in the clip."""

from __future__ import annotations

from collections.abc import Sequence

from bench.analysis.moments import Label, Mark, TurnMoments
from bench.runs.event import EventRow

EARLY_MS = 1_000.0
"""How far the server's audio clock may run ahead of ours: it counts what it has received."""

HELD_START_MS = 5_000.0
"""Longest a speech_started may be held back; servers send it while the caller speaks."""

HELD_STOP_MS = 30_000.0
"""Longest a speech_stopped may be held back; some servers keep it until the reply is ready."""

PADDING_MS = 1_000.0
"""audio_start_ms lies before the onset by the prefix padding: 300 ms by default."""


def under_way_at(at_ns: int, turns: Sequence[TurnMoments]) -> TurnMoments | None:
    """The latest turn begun by then, unless it had ended."""
    for turn in reversed(turns):
        if turn.label.started_ns <= at_ns:
            ended = turn.ended_ns is not None and turn.ended_ns < at_ns
            return None if ended else turn
    return None


def server_ms_of(row: EventRow, label: Label, held_ms: float) -> float | None:
    """The server's position on the audio clock, None when it cannot be on that clock.

    `label` is the latest utterance's. A server may count from its last commit, say. Then the
    position lies too far from where the audio stood when the row arrived, and only the arrival
    can be trusted.
    """
    if row.server_ms is None or label.audio_ms is None:
        return None
    now_ms = label.audio_ms + (row.at_ns - label.started_ns) / 1e6
    return row.server_ms if -EARLY_MS <= now_ms - row.server_ms <= held_ms else None


def place(
    row: EventRow, turns: Sequence[TurnMoments], server_ms: float | None, slack_ms: float
) -> Mark | None:
    """The turn a boundary belongs to and where it lies in the clip; None outside of every turn.

    `slack_ms` is how far before its clip a turn's boundary may lie.
    """
    if server_ms is None:
        turn = under_way_at(row.at_ns, turns)
        if turn is None:
            return None
        position_ms = (row.at_ns - turn.label.started_ns) / 1e6
        return Mark(turn, row.at_ns, row.seq, row.item_id, position_ms, by_server=False)
    for turn in reversed(turns):
        audio_ms = turn.label.audio_ms
        if audio_ms is not None and audio_ms <= server_ms + slack_ms:
            position_ms = server_ms - audio_ms
            if turn.is_over_at(position_ms):
                return None
            return Mark(turn, row.at_ns, row.seq, row.item_id, position_ms, by_server=True)
    return None

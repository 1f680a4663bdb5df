"""Turns the record of frames into which turns the instrument itself may have spoiled."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from bench.analysis.pacing import late_ns
from bench.analysis.turn import Turn
from bench.analysis.validity import LATENESS_LIMIT_MS

_LIMIT_NS = round(LATENESS_LIMIT_MS * 1e6)
_LONGEST_FRAME_NS = 100_000_000
"""The frame that ends the speech is due so long after it at most."""

_BY_HEARING = frozenset(
    {"cut_off", "missed_turn", "no_reply", "no_transcript", "false_turn", "false_interruption"}
)
"""Outcomes that a hole in what the server hears can bring about."""


class LateFrames:
    """Takes frames batch by batch and keeps eight bytes of each that left later than is valid."""

    def __init__(self) -> None:
        self._due_ns: dict[str, list[NDArray[np.int64]]] = {}

    def add(self, frames: pa.RecordBatch | pa.Table) -> None:
        """Take rows of APPEND_SCHEMA; only those of `pacing.APPEND_COLUMNS` are looked at."""
        late = frames.filter(pc.fill_null(pc.greater(late_ns(frames), _LIMIT_NS), False))
        if not late.num_rows:
            return
        sessions = np.asarray(late.column("session_id").to_pylist(), dtype=str)
        due_ns = late.column("due_ns").to_numpy()
        order = np.argsort(sessions, kind="stable")
        names, begins = np.unique(sessions[order], return_index=True)
        for name, some in zip(names.tolist(), np.split(due_ns[order], begins[1:]), strict=True):
            self._due_ns.setdefault(name, []).append(some)

    def excuse(self, turns: Iterable[Turn]) -> list[Turn]:
        """The same turns, those that the instrument may have spoiled as `client_late`."""
        due_ns = {name: np.sort(np.concatenate(some)) for name, some in self._due_ns.items()}
        return [
            replace(turn, outcome="client_late", error=None)
            if turn.outcome in _BY_HEARING and _spoiled(turn, due_ns.get(turn.session_id))
            else turn
            for turn in turns
        ]


def _spoiled(turn: Turn, due_ns: NDArray[np.int64] | None) -> bool:
    """Whether a frame with speech of the turn is among those late ones."""
    if due_ns is None:
        return False
    begin, end = np.searchsorted(
        due_ns, [turn.speech_start_ns, turn.speech_end_ns + _LONGEST_FRAME_NS], side="right"
    )
    return bool(end > begin)

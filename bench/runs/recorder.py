"""Collects what one worker stamps, in memory, until the next part is written."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA, EventRow


@dataclass(slots=True)
class _Appends:
    """Frames as columns: a row is three numbers, not an object."""

    session: array[int] = field(default_factory=lambda: array("i"))
    index: array[int] = field(default_factory=lambda: array("q"))
    due_ns: array[int] = field(default_factory=lambda: array("q"))
    sent_ns: array[int] = field(default_factory=lambda: array("q"))
    unsent: list[tuple[int, int, int]] = field(default_factory=list)


class SessionRecord:
    """The pen of one session: gives its rows their id and order."""

    def __init__(self, recorder: Recorder, session_id: str, number: int) -> None:
        self.session_id = session_id
        self.number = number
        self._recorder = recorder
        self._seq = 0
        self.turn_rows: list[EventRow] = []
        """Rows since the latest utterance began, or the session, for figures shown live."""

    def event(
        self,
        direction: str,
        kind: str,
        at_ns: int,
        *,
        wire_type: str = "",
        turn_index: int | None = None,
        read_ns: int | None = None,
        size_bytes: int | None = None,
        audio_ms: float | None = None,
        silence_ms: float | None = None,
        item_id: str | None = None,
        response_id: str | None = None,
        server_ms: float | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Record one event; the columns are those of `EventRow`."""
        row = EventRow(
            self.session_id,
            self._seq,
            turn_index,
            direction,
            kind,
            wire_type,
            at_ns,
            read_ns,
            size_bytes,
            audio_ms,
            silence_ms,
            item_id,
            response_id,
            server_ms,
            None if detail is None else json.dumps(detail, ensure_ascii=False),
        )
        self._seq += 1
        self.turn_rows.append(row)
        self._recorder.events.append(row)

    def append(self, index: int, due_ns: int, sent_ns: int) -> None:
        """Record a frame handed to the kernel at `sent_ns`."""
        appends = self._recorder.appends
        appends.session.append(self.number)
        appends.index.append(index)
        appends.due_ns.append(due_ns)
        appends.sent_ns.append(sent_ns)

    def append_unsent(self, index: int, due_ns: int) -> None:
        """Record a frame that was due and never handed over."""
        self._recorder.appends.unsent.append((self.number, index, due_ns))


@dataclass(frozen=True, slots=True)
class Batch:
    """What was recorded between two parts."""

    session_ids: list[str]
    events: list[EventRow]
    appends: _Appends

    def event_table(self) -> pa.Table:
        """Rows of EVENT_SCHEMA."""
        columns = zip(*self.events, strict=True) if self.events else [()] * len(EVENT_SCHEMA)
        arrays = [
            pa.array(list(values), field.type)
            for values, field in zip(columns, EVENT_SCHEMA, strict=True)
        ]
        return pa.table(arrays, schema=EVENT_SCHEMA)

    def append_table(self) -> pa.Table:
        """Rows of APPEND_SCHEMA, by session and index, so that neighbours differ little."""
        unsent = np.array(self.appends.unsent, np.int64).reshape(-1, 3)
        session = np.concatenate([np.array(self.appends.session, np.int64), unsent[:, 0]])
        index = np.concatenate([np.array(self.appends.index, np.int64), unsent[:, 1]])
        due_ns = np.concatenate([np.array(self.appends.due_ns, np.int64), unsent[:, 2]])
        sent_ns = np.concatenate([np.array(self.appends.sent_ns, np.int64), unsent[:, 2]])
        missing = np.arange(len(session)) >= len(self.appends.session)
        order = np.lexsort((index, session))
        used, codes = np.unique(session[order], return_inverse=True)
        ids = pa.DictionaryArray.from_arrays(
            pa.array(codes.astype(np.int32)),
            pa.array([self.session_ids[number] for number in used], pa.string()),
        )
        return pa.table(
            [
                ids,
                pa.array(index[order]),
                pa.array(due_ns[order]),
                pa.array(sent_ns[order], mask=missing[order]),
            ],
            schema=APPEND_SCHEMA,
        )

    def lateness_ms(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """Pacing lateness of every frame sent, for the live view."""
        sent = np.array(self.appends.sent_ns, np.int64)
        return (sent - np.array(self.appends.due_ns, np.int64)) / 1e6


class Recorder:
    """The record of one worker, between two parts."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.events: list[EventRow] = []
        self.appends = _Appends()
        self._session_ids: list[str] = []

    @property
    def session_count(self) -> int:
        """Sessions begun so far."""
        return len(self._session_ids)

    def begin_session(self) -> SessionRecord:
        """A pen for one more session, named `<worker>-<number>`."""
        number = len(self._session_ids)
        session_id = f"{self.worker}-{number:05d}"
        self._session_ids.append(session_id)
        return SessionRecord(self, session_id, number)

    def take(self) -> Batch:
        """Hand over what was recorded and go on with empty columns."""
        batch = Batch(self._session_ids, self.events, self.appends)
        self.events, self.appends = [], _Appends()
        return batch

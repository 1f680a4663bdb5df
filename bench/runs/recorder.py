"""Collects what one worker stamps, in memory, until the next part is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from bench.runs.columns import AppendColumns, EventColumns
from bench.runs.event import EventRow


class SessionRecord:
    """The pen of one session: gives its rows their id and order."""

    __slots__ = ("_recorder", "_seq", "_turn_values", "number", "session_id")

    def __init__(self, recorder: Recorder, session_id: str, number: int) -> None:
        self.session_id = session_id
        self.number = number
        self._recorder = recorder
        self._seq = 0
        self._turn_values: list[Any] = []  # one flat list: nothing new for a collection to visit

    @property
    def turn_rows(self) -> list[EventRow]:
        """Rows since `begin_turn_rows`, or the session began, for figures shown live."""
        values = iter(self._turn_values)
        return list(map(EventRow._make, zip(*[values] * len(EventRow._fields), strict=True)))

    def begin_turn_rows(self) -> None:
        """Forget the rows before those of the next turn."""
        self._turn_values.clear()

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
        row = (
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
        self._turn_values += row
        self._recorder.events.add(self.number, row)

    def append(self, index: int, due_ns: int, sent_ns: int, offered_ns: int | None = None) -> None:
        """Record a frame handed to the kernel at `sent_ns`; `offered_ns` if it had to wait."""
        appends = self._recorder.appends
        if offered_ns is not None:
            appends.offered_ns[len(appends.index)] = offered_ns
        appends.session.append(self.number)
        appends.index.append(index)
        appends.due_ns.append(due_ns)
        appends.sent_ns.append(sent_ns)

    def append_unsent(self, index: int, due_ns: int, offered_ns: int | None = None) -> None:
        """Record a frame that was due and never handed over; `offered_ns` if it waited."""
        self._recorder.appends.unsent.append((self.number, index, due_ns, offered_ns))


@dataclass(frozen=True, slots=True)
class Batch:
    """What was recorded between two parts."""

    session_ids: list[str]
    events: EventColumns
    appends: AppendColumns

    def event_table(self) -> pa.Table:
        """Rows of EVENT_SCHEMA."""
        return self.events.table(self.session_ids)

    def append_table(self) -> pa.Table:
        """Rows of APPEND_SCHEMA."""
        return self.appends.table(self.session_ids)


class Recorder:
    """The record of one worker, between two parts."""

    def __init__(self, worker: str) -> None:
        self.worker = worker
        self.events = EventColumns()
        self.appends = AppendColumns()
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
        self.events, self.appends = EventColumns(), AppendColumns()
        return batch

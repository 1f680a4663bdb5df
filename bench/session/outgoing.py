"""Turns what a caller does into an event on the line and a row of the record."""

from __future__ import annotations

import time
from typing import Any

from bench.dialects.base import Dialect, Kind
from bench.runs.recorder import SessionRecord
from bench.session.frames import SentEvent
from bench.session.line import Line

RAW_KIND = "raw"
"""Kind of an event that a scenario wrote itself."""


class Outgoing:
    """What one session sends besides audio."""

    def __init__(self, dialect: Dialect, record: SessionRecord) -> None:
        self._dialect = dialect
        self._record = record

    def send(self, line: Line, kind: Kind, turn_index: int | None, **fields: Any) -> bool:
        """Send the event of `kind`; False when the dialect has none, and nothing is sent."""
        if kind in self._dialect.unsent:
            return False
        event = SentEvent.of(self._dialect.client_event(kind, **fields))
        self.send_made(
            line,
            kind,
            turn_index,
            event,
            item_id=fields.get("item_id"),
            detail=_told(kind, fields),
        )
        return True

    def send_made(
        self,
        line: Line,
        kind: str,
        turn_index: int | None,
        event: SentEvent,
        *,
        item_id: str | None = None,
        detail: dict[str, Any] | None = None,
    ) -> None:
        """Send an event that is ready for the socket."""
        line.send(event.frame)
        self._record.event(
            "out",
            str(kind),
            time.monotonic_ns(),
            wire_type=event.type,
            turn_index=turn_index,
            size_bytes=event.size_bytes,
            item_id=item_id,
            detail=detail,
        )


def _told(kind: Kind, fields: dict[str, Any]) -> dict[str, Any] | None:
    """What the record keeps of an event: never what was said or shown."""
    match kind:
        case Kind.ITEM_CREATE:
            item = fields["item"]
            kept = {"item_type": item.get("type")}
            kept |= {name: item[name] for name in ("role", "call_id") if name in item}
        case Kind.ITEM_TRUNCATE:
            kept = {"audio_end_ms": fields["audio_end_ms"]}
        case Kind.RESPONSE_CREATE:
            names = ("conversation", "output_modality", "metadata")
            kept = {name: fields[name] for name in names if name in fields}
        case _:
            kept = {}
    return kept or None

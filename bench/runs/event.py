"""The columns of a run's record, and the row of each."""

from __future__ import annotations

from typing import NamedTuple

import pyarrow as pa

SCHEMA_VERSION = 1


class EventRow(NamedTuple):
    """One received, sent or noted event. Never audio or keys.

    Instants are monotonic nanoseconds of the host that recorded the row.
    """

    session_id: str
    seq: int
    """Order in which this session's events were recorded, from 0."""
    turn_index: int | None
    """Turn under way when the event was recorded; attribution is done anew by analysis."""
    direction: str
    """`in` from the server, `out` to it, `note` by rtbench itself."""
    kind: str
    """Canonical kind, see bench.dialects.base.Kind."""
    type: str
    """The wire's own event type; empty for notes."""
    at_ns: int
    """Received: arrival of its last segment in the kernel. Sent: handed to it. Noted: when."""
    read_ns: int | None
    """When our code saw it; None unless received. read_ns - at_ns is the client lag."""
    size_bytes: int | None
    """Length of the message on the wire, before any framing; None for notes."""
    audio_ms: float | None
    """Audio delta: duration of its audio. Utterance: its position on the audio clock."""
    silence_ms: float | None
    """Audio delta: silence before its first audible sample, all of audio_ms when there is none;
    None once the response was heard, because nothing after that is decoded, and from a delta on
    that is silent up to where the middle of its message, over 256 KiB, was not kept."""
    item_id: str | None
    response_id: str | None
    server_ms: float | None
    """Position on the audio clock as the server states it (audio_start_ms, audio_end_ms)."""
    detail: str | None
    """Small JSON object, by kind; see bench/README.md."""


_ID = pa.dictionary(pa.int32(), pa.string())

EVENT_SCHEMA = pa.schema(
    [
        pa.field("session_id", _ID, nullable=False),
        pa.field("seq", pa.int64(), nullable=False),
        pa.field("turn_index", pa.int32()),
        pa.field("direction", _ID, nullable=False),
        pa.field("kind", _ID, nullable=False),
        pa.field("type", _ID, nullable=False),
        pa.field("at_ns", pa.int64(), nullable=False),
        pa.field("read_ns", pa.int64()),
        pa.field("size_bytes", pa.int64()),
        pa.field("audio_ms", pa.float64()),
        pa.field("silence_ms", pa.float64()),
        pa.field("item_id", pa.string()),
        pa.field("response_id", pa.string()),
        pa.field("server_ms", pa.float64()),
        pa.field("detail", pa.string()),
    ],
    metadata={"rtbench_schema": str(SCHEMA_VERSION)},
)

APPEND_SCHEMA = pa.schema(
    [
        pa.field("session_id", _ID, nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("due_ns", pa.int64(), nullable=False),
        pa.field("sent_ns", pa.int64()),  # None: due but never handed to the kernel
        # When it was first offered, if the socket had no room then; None: at sent_ns, or never.
        pa.field("offered_ns", pa.int64()),
    ],
    metadata={"rtbench_schema": str(SCHEMA_VERSION)},
)

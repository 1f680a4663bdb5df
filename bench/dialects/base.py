"""What every dialect turns its wire into: canonical kinds that metrics know, and only those."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, Protocol


class Kind(enum.StrEnum):
    """Canonical kind of an event; a dialect maps its own names onto these.

    Everything behind the wire (conversation, turns, metrics) speaks of kinds only.
    """

    # received
    SESSION_CREATED = "session_created"
    SESSION_UPDATED = "session_updated"
    SPEECH_STARTED = "speech_started"
    SPEECH_STOPPED = "speech_stopped"
    COMMITTED = "committed"
    ITEM_ADDED = "item_added"
    ITEM_DONE = "item_done"
    INPUT_TRANSCRIPT_DELTA = "input_transcript_delta"
    INPUT_TRANSCRIPT_DONE = "input_transcript_done"
    INPUT_TRANSCRIPT_FAILED = "input_transcript_failed"
    RESPONSE_CREATED = "response_created"
    OUTPUT_AUDIO_DELTA = "output_audio_delta"
    OUTPUT_AUDIO_DONE = "output_audio_done"
    OUTPUT_TRANSCRIPT_DELTA = "output_transcript_delta"
    OUTPUT_TRANSCRIPT_DONE = "output_transcript_done"
    RESPONSE_PART = "response_part"  # output_item and content_part bookkeeping
    RESPONSE_DONE = "response_done"
    RATE_LIMITS = "rate_limits"
    ERROR = "error"
    UNKNOWN = "unknown"  # a type this dialect does not list: kept raw, bounded
    MALFORMED = "malformed"  # no JSON object with a type: kept raw, bounded
    # sent
    SESSION_UPDATE = "session_update"
    # noted by rtbench itself
    CONNECT_STARTED = "connect_started"
    CONNECTED = "connected"
    CONNECT_FAILED = "connect_failed"
    AUDIO_STARTED = "audio_started"
    AUDIO_ENDED = "audio_ended"
    UTTERANCE = "utterance"
    TURN_ENDED = "turn_ended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One received event in canonical form.

    `audio` is the Base64 text of an audio delta, untouched. `server_ms` is a position on the
    session's audio clock as the server states it. `detail` is a small JSON-ready dict.
    """

    kind: Kind
    type: str
    item_id: str | None = None
    response_id: str | None = None
    server_ms: float | None = None
    audio: str | None = None
    detail: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to open a session.

    `headers` may hold a key: never print or record them; `redacted_url` is for that.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    subprotocols: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Endpoint({self.redacted_url!r})"

    @property
    def redacted_url(self) -> str:
        """The URL without user info or query values that could be secrets."""
        scheme, _, rest = self.url.partition("?")[0].partition("#")[0].partition("://")
        authority, slash, path = rest.partition("/")
        return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session is asked to be, free of any dialect."""

    model: str
    vad_threshold: float
    vad_prefix_padding_ms: int
    vad_silence_duration_ms: int
    transcription_model: str | None
    voice: str
    instructions: str | None = None


class Dialect(Protocol):
    """One way to speak Realtime over a WebSocket. Implementations are pure."""

    name: str
    key_variable: str
    """Environment variable that holds the API key."""

    def endpoint(self, host: str, model: str, api_key: str | None) -> Endpoint:
        """Where a session for `model` on `host` is opened, and with which headers.

        Raises:
            Problem: `host` is no ws:// or wss:// URL, or no header can carry `api_key`.
        """

    def session_update(self, settings: SessionSettings) -> dict[str, Any]:
        """The client event that configures the session."""

    def append_envelope(self) -> tuple[bytes, bytes]:
        """Bytes before and after the Base64 audio of an append event."""

    def parse(self, message: bytes | bytearray) -> ServerEvent:
        """Canonical form of one received text message; never raises on what a server sends."""

"""What every dialect turns its wire into: canonical kinds that metrics know, and only those."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import msgspec

from bench.dialects.headers import Header


class Kind(enum.StrEnum):
    """Canonical kind of an event; a dialect maps its own names onto these.

    Everything behind the wire (conversation, turns, metrics) speaks of kinds only.
    """

    __hash__ = str.__hash__  # Enum's own runs Python code, and each event is looked up

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
    ITEM_TRUNCATED = "item_truncated"
    ITEM_DELETED = "item_deleted"
    INPUT_CLEARED = "input_cleared"
    IDLE_TIMEOUT = "idle_timeout"
    RESPONSE_CREATED = "response_created"
    OUTPUT_AUDIO_DELTA = "output_audio_delta"
    OUTPUT_AUDIO_DONE = "output_audio_done"
    OUTPUT_TRANSCRIPT_DELTA = "output_transcript_delta"
    OUTPUT_TRANSCRIPT_DONE = "output_transcript_done"
    OUTPUT_TEXT_DELTA = "output_text_delta"
    OUTPUT_TEXT_DONE = "output_text_done"
    TOOL_CALL_DELTA = "tool_call_delta"
    TOOL_CALL = "tool_call"  # its arguments are complete
    RESPONSE_PART = "response_part"  # output_item and content_part bookkeeping
    RESPONSE_DONE = "response_done"
    RATE_LIMITS = "rate_limits"
    ERROR = "error"
    BOOKKEEPING = "bookkeeping"  # known, and nothing that a turn is measured by
    UNKNOWN = "unknown"  # a type this dialect does not list: kept raw, bounded
    MALFORMED = "malformed"  # no JSON object with a type: kept raw, bounded
    # sent
    SESSION_UPDATE = "session_update"
    APPEND = "append"
    COMMIT = "commit"
    CLEAR = "clear"
    ITEM_CREATE = "item_create"
    ITEM_TRUNCATE = "item_truncate"
    ITEM_DELETE = "item_delete"
    RESPONSE_CREATE = "response_create"
    RESPONSE_CANCEL = "response_cancel"
    # noted by rtbench itself
    CONNECT_STARTED = "connect_started"
    CONNECTED = "connected"
    CONNECT_FAILED = "connect_failed"
    AUDIO_STARTED = "audio_started"
    AUDIO_ENDED = "audio_ended"
    UTTERANCE = "utterance"  # a turn begins, of whatever kind
    OVERLAY = "overlay"  # a clip that is said over a reply and is not meant to stop it
    TURN_ENDED = "turn_ended"
    CLOSED = "closed"


HANDSHAKE = frozenset({Kind.SESSION_CREATED, Kind.SESSION_UPDATED})
"""What a server says before a session is ready; some say less."""

CLIENT_KINDS = frozenset(
    {
        Kind.SESSION_UPDATE,
        Kind.APPEND,
        Kind.COMMIT,
        Kind.CLEAR,
        Kind.ITEM_CREATE,
        Kind.ITEM_TRUNCATE,
        Kind.ITEM_DELETE,
        Kind.RESPONSE_CREATE,
        Kind.RESPONSE_CANCEL,
    }
)
"""What a client may send."""


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """One received event in canonical form; a struct, as one is made for every message.

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
class Proxy:
    """An HTTP proxy, to be asked for a way through to a host.

    `authorization` is what it wants to be shown, or None: never print or record it.
    """

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What may be said of it: its host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and how to open a session.

    `headers` and `subprotocols` may hold a key: never print or record them; `redacted_url` is
    for that. `secrets` names the environment variables whose values they carry, and
    `authorised_by` those of them that say who calls. `proxy` leads to the host; None where it
    is reached directly.
    """

    url: str
    headers: tuple[tuple[str, str], ...]
    subprotocols: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    authorised_by: tuple[str, ...] = ()
    proxy: Proxy | None = None

    def __repr__(self) -> str:
        return f"Endpoint({self.redacted_url!r})"

    @property
    def redacted_url(self) -> str:
        """The URL without user info or query values that could be secrets."""
        scheme, _, rest = self.url.partition("?")[0].partition("#")[0].partition("://")
        authority, slash, path = rest.partition("/")
        return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


@dataclass(frozen=True, slots=True)
class ServerVad:
    """The server ends a turn after a silence."""

    threshold: float = 0.5
    prefix_padding_ms: int = 300
    silence_duration_ms: int = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SemanticVad:
    """The server ends a turn when what was said sounds complete."""

    eagerness: Literal["auto", "low", "medium", "high"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


@dataclass(frozen=True, slots=True)
class Transcription:
    """The caller's speech is to be written down by `model`, as `language` (ISO 639-1)."""

    model: str
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; `parameters` is a JSON schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]


SessionType = Literal["realtime", "transcription"]
CodecName = Literal["pcm16", "pcm16_16k", "pcmu", "pcma"]


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session is asked to be, free of any dialect; None leaves it to the server.

    `turn_detection` None is the exception: turns are then ended by the client's own commit.
    Codecs go by their names in `bench.audio.codec`.
    """

    model: str
    voice: str | None = None
    turn_detection: ServerVad | SemanticVad | None = ServerVad()
    transcription: Transcription | None = None
    instructions: str | None = None
    tools: tuple[Tool, ...] = ()
    input_codec: CodecName = "pcm16"
    output_codec: CodecName = "pcm16"
    output_modality: Literal["audio", "text"] = "audio"
    max_output_tokens: int | None = None
    session_type: SessionType = "realtime"


class Dialect(Protocol):
    """One way to speak Realtime over a WebSocket. Implementations are pure."""

    name: str
    key_variable: str | None
    """Environment variable that holds the API key, for whoever must be told to set it."""
    default_model: str
    default_voice: str | None
    input_codecs: tuple[CodecName, ...]
    """Codecs the server takes, the usual one first; likewise `output_codecs`."""
    output_codecs: tuple[CodecName, ...]
    awaits: frozenset[Kind]
    """Which of SESSION_CREATED (before the client speaks) and SESSION_UPDATED (before audio is
    sent) the server is known to send; waiting for another would be in vain."""
    unsent: frozenset[Kind]
    """What the server has no event for: `client_event` refuses it."""
    commit_answers: bool
    """Whether a commit is answered at once, without a request for a response."""

    def endpoint(
        self,
        host: str,
        model: str,
        environment: Mapping[str, str],
        session_type: SessionType = "realtime",
        own: Sequence[Header] = (),
    ) -> Endpoint:
        """Where a session for `model` on `host` is opened, and with which headers.

        `environment` is where keys come from; a header whose variable is unset is left out.
        `own` are the user's headers, which take the place of the dialect's.

        Raises:
            Problem: `host` is no ws:// or wss:// URL, no header can carry the key, or there
                are two authorisations.
        """

    def session_update(self, settings: SessionSettings) -> dict[str, Any]:
        """The client event that configures the session.

        Raises:
            Problem: the dialect cannot say it.
        """

    def client_event(self, kind: Kind, **fields: Any) -> dict[str, Any]:
        """The client event of a kind; `bench.dialects.sent` lists the fields of each.

        Raises:
            Problem: the server has no such event.
            TypeError: a field is missing or none of that kind.
        """

    def append_envelope(self) -> tuple[bytes, bytes]:
        """Bytes before and after the Base64 audio of an append event."""

    def parse(self, message: bytes | bytearray) -> ServerEvent:
        """Canonical form of one received text message; never raises on what a server sends."""

"""OpenAI Realtime, general-availability shape: its events to canonical kinds and back.

Source of names and fields: the event types of the `openai` package (openai.types.realtime).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

import msgspec

from bench.dialects.base import Endpoint, Kind, ServerEvent, SessionSettings
from bench.problem import Problem

RAW_LIMIT = 2_000
"""Bytes kept of a message nobody understood, and characters of each field of an error."""

TRANSCRIPT_LIMIT = 20_000
"""Characters kept of a transcript: an hour of speech is longer, an utterance is not."""

_KINDS: dict[str, Kind] = {
    "session.created": Kind.SESSION_CREATED,
    "session.updated": Kind.SESSION_UPDATED,
    "input_audio_buffer.speech_started": Kind.SPEECH_STARTED,
    "input_audio_buffer.speech_stopped": Kind.SPEECH_STOPPED,
    "input_audio_buffer.committed": Kind.COMMITTED,
    "conversation.item.added": Kind.ITEM_ADDED,
    "conversation.item.done": Kind.ITEM_DONE,
    "conversation.item.input_audio_transcription.delta": Kind.INPUT_TRANSCRIPT_DELTA,
    "conversation.item.input_audio_transcription.completed": Kind.INPUT_TRANSCRIPT_DONE,
    "conversation.item.input_audio_transcription.failed": Kind.INPUT_TRANSCRIPT_FAILED,
    "response.created": Kind.RESPONSE_CREATED,
    "response.output_item.added": Kind.RESPONSE_PART,
    "response.output_item.done": Kind.RESPONSE_PART,
    "response.content_part.added": Kind.RESPONSE_PART,
    "response.content_part.done": Kind.RESPONSE_PART,
    "response.output_audio.delta": Kind.OUTPUT_AUDIO_DELTA,
    "response.output_audio.done": Kind.OUTPUT_AUDIO_DONE,
    "response.output_audio_transcript.delta": Kind.OUTPUT_TRANSCRIPT_DELTA,
    "response.output_audio_transcript.done": Kind.OUTPUT_TRANSCRIPT_DONE,
    "response.done": Kind.RESPONSE_DONE,
    "rate_limits.updated": Kind.RATE_LIMITS,
    "error": Kind.ERROR,
}


class _Item(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    role: str | None = None


class _Fault(msgspec.Struct):
    """An error's fields; look-alike servers put numbers or nothing where OpenAI puts text."""

    type: Any = None
    code: Any = None
    message: Any = None
    param: Any = None
    event_id: Any = None


class _StatusDetails(msgspec.Struct):
    type: str | None = None
    reason: str | None = None
    error: _Fault | str | None = None


class _Response(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    status_details: _StatusDetails | None = None
    usage: dict[str, Any] | None = None


class _Session(msgspec.Struct):
    id: str | None = None


class _Message(msgspec.Struct):
    """Every field that any listed event needs; msgspec skips the rest without building it."""

    type: str
    item_id: str | None = None
    response_id: str | None = None
    delta: str | None = None
    transcript: str | None = None
    audio_start_ms: float | None = None
    audio_end_ms: float | None = None
    item: _Item | None = None
    response: _Response | None = None
    session: _Session | None = None
    error: _Fault | str | None = None


_decoder = msgspec.json.Decoder(_Message)


class OpenAI:
    """The GA dialect, as the `openai` package's types describe it."""

    name = "openai"
    key_variable = "OPENAI_API_KEY"

    def endpoint(self, host: str, model: str, api_key: str | None) -> Endpoint:
        """`host` may be bare (ws://127.0.0.1:8765) or carry its own path and query.

        Raises:
            Problem: `host` is no ws:// or wss:// URL with a host name, or no header can carry
                the key.
        """
        try:
            parts = urlsplit(host)
            port_is_fine = parts.port is None or parts.port > 0
        except ValueError:
            parts, port_is_fine = urlsplit(""), False
        if parts.scheme not in {"ws", "wss"} or not parts.hostname or not port_is_fine:
            shown = host.partition("?")[0].rpartition("@")[2]
            raise Problem(
                f"--host {shown!r} is not a WebSocket URL; "
                "write ws://HOST:PORT or wss://HOST, for example ws://127.0.0.1:8765"
            )
        if api_key is not None and not (api_key.isascii() and api_key.isprintable()):
            raise Problem(
                f"{self.key_variable}: the key holds a line break or another character that "
                "no header can carry; set it anew"
            )
        if api_key is not None and parts.username is not None:
            raise Problem(
                f"--host carries user info and {self.key_variable} is set; one connection can "
                "have one authorisation only, so drop either"
            )
        path = parts.path if parts.path not in {"", "/"} else "/v1/realtime"
        query = parts.query
        if "model" not in parse_qs(query):
            query = f"{query}&" if query else ""
            query += f"model={quote(model, safe='')}"
        headers = () if api_key is None else (("Authorization", f"Bearer {api_key}"),)
        return Endpoint(urlunsplit((parts.scheme, parts.netloc, path, query, "")), headers)

    def session_update(self, settings: SessionSettings) -> dict[str, Any]:
        """A whole `session.update` event: PCM16 both ways and server VAD."""
        pcm = {"type": "audio/pcm", "rate": 24_000}
        transcription = (
            None
            if settings.transcription_model is None
            else {"model": settings.transcription_model}
        )
        session: dict[str, Any] = {
            "type": "realtime",
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "format": pcm,
                    "transcription": transcription,
                    "turn_detection": {
                        "type": "server_vad",
                        "threshold": settings.vad_threshold,
                        "prefix_padding_ms": settings.vad_prefix_padding_ms,
                        "silence_duration_ms": settings.vad_silence_duration_ms,
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"format": pcm, "voice": settings.voice},
            },
        }
        if settings.instructions is not None:
            session["instructions"] = settings.instructions
        return {"type": "session.update", "session": session}

    def append_envelope(self) -> tuple[bytes, bytes]:
        """JSON around the Base64 audio of `input_audio_buffer.append`."""
        return b'{"type":"input_audio_buffer.append","audio":"', b'"}'

    def parse(self, message: bytes | bytearray) -> ServerEvent:
        """Canonical form of one received message.

        A type not listed becomes UNKNOWN, anything that is no JSON object of the known shape
        MALFORMED; both keep the first 2,000 bytes.
        """
        try:
            event = _decoder.decode(message)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raw = bytes(message[:RAW_LIMIT]).decode("utf-8", "replace")
            return ServerEvent(Kind.MALFORMED, "", detail={"raw": raw, "error": str(error)})
        kind = _KINDS.get(event.type, Kind.UNKNOWN)
        if kind is Kind.OUTPUT_AUDIO_DELTA:  # nine of ten events: the short way
            return ServerEvent(
                kind, event.type, event.item_id, event.response_id, audio=event.delta or ""
            )
        if kind is Kind.UNKNOWN:
            raw = bytes(message[:RAW_LIMIT]).decode("utf-8", "replace")
            return ServerEvent(kind, event.type[:200], detail={"raw": raw})
        item_id = event.item_id or (event.item.id if event.item else None)
        response_id = event.response_id or (event.response.id if event.response else None)
        server_ms = event.audio_start_ms if event.audio_end_ms is None else event.audio_end_ms
        return ServerEvent(kind, event.type, item_id, response_id, server_ms, None, _detail(event))


def _detail(event: _Message) -> dict[str, Any] | None:
    """What is worth keeping of an event besides its ids; absent keys mean unknown."""
    if event.error is not None:
        return _fault(event.error)
    if event.response is not None and event.type == "response.done":
        details = event.response.status_details
        fault = _fault(details.error) if details and details.error is not None else {}
        usage = event.response.usage
        return _known(
            {
                "status": event.response.status,
                "reason": details.reason if details else None,
                "error_code": fault.get("code"),
                "usage": usage if len(str(usage)) <= RAW_LIMIT else None,
            }
        )
    if event.item is not None:
        return _known({"item_type": event.item.type, "role": event.item.role})
    if event.session is not None and event.type == "session.created":
        return _known({"session": event.session.id})
    if event.transcript is not None and event.type.startswith("conversation."):
        return {"transcript": event.transcript[:TRANSCRIPT_LIMIT]}
    return None


def _fault(error: _Fault | str) -> dict[str, str]:
    """An error's fields as text, bounded."""
    fields = {"message": error} if isinstance(error, str) else msgspec.structs.asdict(error)
    return {key: str(value)[:RAW_LIMIT] for key, value in fields.items() if value is not None}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


OPENAI = OpenAI()

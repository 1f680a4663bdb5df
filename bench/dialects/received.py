"""Turns a message of OpenAI's shape into a canonical event, by a table of its server's names.

Source of the fields: the event types of the `openai` package (openai.types.realtime and
openai.types.beta.realtime), which differ in names and agree in fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from bench.dialects.base import Kind, ServerEvent
from bench.dialects.sent import given

RAW_LIMIT = 2_000
"""Bytes kept of a message nobody understood, and characters of each field of an error."""

TRANSCRIPT_LIMIT = 20_000
"""Characters kept of a transcript: an hour of speech is longer, an utterance is not."""

_ON_THE_AUDIO_CLOCK = frozenset({Kind.SPEECH_STARTED, Kind.SPEECH_STOPPED, Kind.IDLE_TIMEOUT})


class _Item(msgspec.Struct):
    id: str | None = None
    type: str | None = None
    role: str | None = None
    call_id: str | None = None
    name: str | None = None


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
    status_details: _StatusDetails | str | None = None
    usage: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None


class _Session(msgspec.Struct):
    id: str | None = None


class _Message(msgspec.Struct):
    """Every field that any listed event needs; msgspec skips the rest without building it."""

    type: str
    item_id: str | None = None
    response_id: str | None = None
    delta: str | None = None
    transcript: str | None = None
    text: Any = None
    audio_start_ms: float | None = None
    audio_end_ms: float | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    item: _Item | None = None
    response: _Response | None = None
    session: _Session | None = None
    error: _Fault | str | None = None


_decode = msgspec.json.Decoder(_Message).decode
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
Path = tuple[str, ...]


class Reader:
    """Reads the messages of one kind of server: `kinds` has the kind of each of its names."""

    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = dict(kinds)

    def parse(self, message: bytes | bytearray) -> ServerEvent:
        """Canonical form of one received message.

        A type not listed becomes UNKNOWN, anything that is no JSON object of the known shape
        MALFORMED; both keep the first 2,000 bytes.
        """
        try:
            event = _decode(message)
        except _FAULTS as error:
            return _malformed(message, error)
        return _canonical(self._kinds.get(event.type, Kind.UNKNOWN), event, message)


class MovingReader:
    """Reads a server whose fields of some events stand elsewhere than OpenAI's.

    `places` has, by event name, where each field of ours stands: {("transcript",): ("text",)}.
    Such an event is decoded a second time, whole; any other is read as by `Reader`.
    """

    def __init__(
        self, kinds: Mapping[str, Kind], places: Mapping[str, Mapping[Path, Path]]
    ) -> None:
        self._kinds = dict(kinds)
        self._places = places

    def parse(self, message: bytes | bytearray) -> ServerEvent:
        """As `Reader.parse`."""
        try:
            try:
                event = _decode(message)
                moved = event.type in self._places
            except msgspec.ValidationError:  # a field of ours has another meaning there
                moved = True
            if moved:
                event = msgspec.convert(self._moved(msgspec.json.decode(message)), _Message)
        except _FAULTS as error:
            return _malformed(message, error)
        return _canonical(self._kinds.get(event.type, Kind.UNKNOWN), event, message)

    def _moved(self, found: Any) -> Any:
        """`found` with its fields where OpenAI has them."""
        name = found.get("type") if isinstance(found, dict) else None
        places = self._places.get(name) if isinstance(name, str) else None
        if places is None:
            return found
        values = {ours: _at(found, theirs) for ours, theirs in places.items()}
        for ours, value in values.items():
            home = found
            for step in ours[:-1]:
                inner = home.get(step)
                home[step] = dict(inner) if isinstance(inner, dict) else {}
                home = home[step]
            home[ours[-1]] = value
        return found


def _at(place: Any, path: Path) -> Any:
    for step in path:
        if not isinstance(place, dict):
            return None
        place = place.get(step)
    return place


def _malformed(message: bytes | bytearray, error: Exception) -> ServerEvent:
    raw = bytes(message[:RAW_LIMIT]).decode("utf-8", "replace")
    return ServerEvent(Kind.MALFORMED, "", detail={"raw": raw, "error": str(error)})


def _canonical(kind: Kind, event: _Message, message: bytes | bytearray) -> ServerEvent:
    if kind is Kind.OUTPUT_AUDIO_DELTA:  # nine of ten events: the short way
        return ServerEvent(
            kind, event.type, event.item_id, event.response_id, None, event.delta or ""
        )
    if kind is Kind.UNKNOWN:
        raw = bytes(message[:RAW_LIMIT]).decode("utf-8", "replace")
        return ServerEvent(kind, event.type[:200], detail={"raw": raw})
    item_id = event.item_id or (event.item.id if event.item else None)
    response_id = event.response_id or (event.response.id if event.response else None)
    server_ms = None
    if kind in _ON_THE_AUDIO_CLOCK:
        server_ms = event.audio_start_ms if event.audio_end_ms is None else event.audio_end_ms
    detail = _detail(kind, event)
    return ServerEvent(kind, event.type, item_id, response_id, server_ms, None, detail)


def _detail(kind: Kind, event: _Message) -> dict[str, Any] | None:
    """What is worth keeping of an event besides its ids; absent keys mean unknown."""
    if event.error is not None:
        return _fault(event.error)
    match kind:
        case Kind.RESPONSE_DONE if event.response is not None:
            return _response(event.response)
        case Kind.RESPONSE_CREATED if event.response is not None and event.response.metadata:
            return given(metadata=_small(event.response.metadata)) or None
        case Kind.SESSION_CREATED if event.session is not None:
            return given(session=event.session.id)
        case Kind.INPUT_TRANSCRIPT_DONE | Kind.OUTPUT_TRANSCRIPT_DONE if (
            event.transcript is not None
        ):
            return {"transcript": event.transcript[:TRANSCRIPT_LIMIT]}
        case Kind.OUTPUT_TEXT_DONE if isinstance(event.text, str):
            return {"transcript": event.text[:TRANSCRIPT_LIMIT]}
        case Kind.TOOL_CALL:
            called = (event.call_id, event.name, event.arguments)
            fields = zip(("call_id", "name", "arguments"), called, strict=True)
            return {key: text[:TRANSCRIPT_LIMIT] for key, text in fields if text is not None}
        case Kind.ITEM_TRUNCATED:
            return given(audio_end_ms=event.audio_end_ms)
        case _ if event.item is not None:
            item = event.item
            return given(item_type=item.type, role=item.role, call_id=item.call_id, name=item.name)
    return None


def _response(response: _Response) -> dict[str, Any]:
    details = response.status_details
    if isinstance(details, str):
        details = _StatusDetails(reason=details)
    fault = _fault(details.error) if details and details.error is not None else {}
    return given(
        status=response.status,
        reason=details.reason if details else None,
        error_code=fault.get("code"),
        usage=_small(response.usage),
        metadata=_small(response.metadata),
    )


def _fault(error: _Fault | str) -> dict[str, str]:
    """An error's fields as text, bounded."""
    fields = {"message": error} if isinstance(error, str) else msgspec.structs.asdict(error)
    return {key: str(value)[:RAW_LIMIT] for key, value in fields.items() if value is not None}


def _small(value: dict[str, Any] | None) -> dict[str, Any] | None:
    """`value` unless it is too large to keep in every row."""
    return value if value and len(str(value)) <= RAW_LIMIT else None

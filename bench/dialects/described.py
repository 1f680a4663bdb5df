"""Turns the content of a dialect file into a dialect: an address, changed events, own names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bench.dialects.address import Address
from bench.dialects.base import Dialect, Kind, SessionSettings
from bench.dialects.changes import Changes, Path
from bench.dialects.headers import read_header, read_template
from bench.dialects.openai import GA_KINDS, OPENAI, GaShape
from bench.dialects.openai_beta import BETA_KINDS, OPENAI_BETA, BetaShape
from bench.dialects.received import MovingReader, Reader
from bench.dialects.sent import Event
from bench.dialects.server import Server, Shape
from bench.dialects.table import (
    RECEIVED_KINDS,
    SENT_KINDS,
    ChangeTable,
    DialectTable,
    EventTable,
    quoted,
    read_table,
)
from bench.problem import Problem

_OURS: dict[str, Path] = {
    "item_id": ("item_id",),
    "response_id": ("response_id",),
    "session_id": ("session", "id"),
    "audio": ("delta",),
    "audio_start_ms": ("audio_start_ms",),
    "audio_end_ms": ("audio_end_ms",),
    "transcript": ("transcript",),
    "call_id": ("call_id",),
    "name": ("name",),
    "arguments": ("arguments",),
    "status": ("response", "status"),
    "reason": ("response", "status_details", "reason"),
    "usage": ("response", "usage"),
    "error_code": ("error", "code"),
    "error_message": ("error", "message"),
}
"""Where the reader looks for the fields that a file may say stand elsewhere."""


def described_dialect(name: str, table: Mapping[str, Any]) -> Dialect:
    """The dialect that a file's table describes.

    Raises:
        Problem: a key or value will not do; it begins with the path of the key.
    """
    read = read_table(table)
    beta = read.base == "openai-beta"
    base = OPENAI_BETA if beta else OPENAI
    kinds = dict(BETA_KINDS if beta else GA_KINDS)
    kinds |= {event: RECEIVED_KINDS[told.kind] for event, told in read.events.items()}
    places = {
        event: found for event, told in read.events.items() if (found := _places(event, told))
    }
    address = _address(read)
    reader = MovingReader(kinds, places) if places else Reader(kinds)
    variables = [name for header in address.headers for name in header.value.variables]
    variables += [name for protocol in address.subprotocols for name in protocol.variables]
    return Server(
        name,
        key_variable=variables[0] if variables else None,
        address=address,
        shape=_ChangedShape(
            BetaShape() if beta else GaShape(),
            {SENT_KINDS[kind]: _changes(kind, change) for kind, change in read.send.items()},
        ),
        parse=reader.parse,
        default_model=read.model or base.default_model,
        default_voice=read.voice,
        input_codecs=tuple(read.input_codecs),
        output_codecs=tuple(read.output_codecs),
        awaits=frozenset(RECEIVED_KINDS[kind] for kind in read.awaits),
        unsent=frozenset(SENT_KINDS[kind] for kind, told in read.send.items() if not told.sent),
        commit_answers=read.commit_answers,
    )


class _ChangedShape:
    """Events of a shape, each as its server wants it."""

    def __init__(self, shape: Shape, changes: Mapping[Kind, Changes]) -> None:
        self._shape = shape
        self._changes = changes

    def session_update(self, settings: SessionSettings) -> Event:
        event = self._shape.session_update(settings)
        changes = self._changes.get(Kind.SESSION_UPDATE)
        return event if changes is None else changes.made_to(event, settings.model)

    def client_event(self, kind: Kind, **fields: Any) -> Event:
        event = self._shape.client_event(kind, **fields)
        changes = self._changes.get(kind)
        return event if changes is None else changes.made_to(event)


def _address(read: DialectTable) -> Address:
    path, query = _url("url", read.url)
    transcription_path, transcription_query = (path, {"intent": "transcription"})
    if read.transcription_url is not None:
        transcription_path, transcription_query = _url("transcription_url", read.transcription_url)
    if transcription_path != path:
        raise Problem(
            f"transcription_url {read.transcription_url!r} has another path than url; "
            "give it the same, or write a file of its own for transcription"
        )
    return Address(
        path=path,
        query=query,
        transcription_query=transcription_query,
        headers=tuple(read_header(name, text, "headers") for name, text in read.headers.items()),
        subprotocols=tuple(
            read_template(text, f"subprotocols[{index}]")
            for index, text in enumerate(read.subprotocols)
        ),
    )


def _url(place: str, text: str) -> tuple[str, dict[str, str]]:
    """Path and query of a URL."""
    try:
        parts = urlsplit(text)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise Problem(
            f"{place} {text[:60]!r} is no WebSocket URL; write one such as "
            "wss://HOST/v1/realtime?model={model}"
        )
    if "$" in text or parts.username is not None:
        raise Problem(f"{place} is no place for a key; put it into headers as ${{MY_KEY}}")
    unknown = set(re.findall(r"\{[^}]*\}", text)) - {"{model}"}
    if unknown:
        raise Problem(f"{place} {min(unknown)} stands for nothing; there is {{model}}")
    return parts.path or "/", dict(parse_qsl(parts.query, keep_blank_values=True))


def _places(event: str, told: EventTable) -> dict[Path, Path]:
    given = told.model_dump(exclude={"kind"}, exclude_none=True)
    return {
        _OURS[field]: _path(f"events.{quoted(event)}.{field}", text)
        for field, text in given.items()
    }


def _changes(kind: str, told: ChangeTable) -> Changes:
    place = f"send.{kind}"
    return Changes(
        move={
            _path(f"{place}.move", source): _path(f"{place}.move", target)
            for source, target in told.move.items()
        },
        drop=tuple(_path(f"{place}.drop", text) for text in told.drop),
        drop_null=tuple(_path(f"{place}.drop_null", text) for text in told.drop_null),
        set=told.set,
    )


def _path(place: str, text: str) -> Path:
    steps = tuple(text.split("."))
    if not all(steps):
        raise Problem(f"{place} {text[:60]!r} is no path; write one such as session.voice")
    return steps

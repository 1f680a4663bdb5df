"""Turns a message of a client into an append or into the event it holds."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bench.server.refusal import Refusal

APPEND = "input_audio_buffer.append"
APPEND_LIMIT_BYTES = 15 * 1024 * 1024


class Append(msgspec.Struct):
    """An append, its audio decoded: 99 of 100 messages, so it is parsed in one pass."""

    type: Literal["input_audio_buffer.append"]
    audio: bytes
    event_id: str | None = None


_append_decoder = msgspec.json.Decoder(Append)


def parse(message: bytes | str) -> Append | dict[str, Any]:
    """Event in one text message; anything but a well-formed append is left as it came.

    Raises:
        Refusal: it is no JSON object.
    """
    try:
        return _append_decoder.decode(message)
    except msgspec.ValidationError:
        pass  # Another event, or an append whose mistake is named when it is handled.
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("invalid_json", f"The message is not valid JSON: {error}.") from None
    try:
        event = msgspec.json.decode(message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("invalid_json", f"The message is not valid JSON: {error}.") from None
    if not isinstance(event, dict):
        raise Refusal("invalid_json", "The message is not a JSON object.")
    return event


def as_append(event: dict[str, Any]) -> Append:
    """The append that an event of that type holds.

    Raises:
        Refusal: its audio is missing or is no Base64 text.
    """
    try:
        return msgspec.convert(event, Append)
    except msgspec.ValidationError as error:
        raise Refusal("invalid_value", f"Invalid 'audio': {error}.", "audio") from None


def event_id(event: Append | dict[str, Any] | None) -> str | None:
    """The id that the client gave an event, None where it gave none that is text."""
    if isinstance(event, Append):
        return event.event_id
    given = event.get("event_id") if event else None
    return given if isinstance(given, str) else None


def text_of(event: dict[str, Any], field: str) -> str:
    """A field that must be text.

    Raises:
        Refusal: it is missing or something else.
    """
    value = event.get(field)
    if not isinstance(value, str):
        raise Refusal("missing_required_parameter", f"Missing parameter: '{field}'.", field)
    return value


def whole_of(event: dict[str, Any], field: str) -> int:
    """A field that must be a whole number, 0 or more.

    Raises:
        Refusal: it is missing or something else.
    """
    value = event.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal("invalid_type", f"Invalid '{field}': expected a whole number.", field)
    return value

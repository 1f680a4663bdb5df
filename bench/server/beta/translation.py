"""Turns one session's events from the beta dialect into the server's own, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from bench.server.beta import settings
from bench.server.refusal import Refusal

Event = dict[str, Any]

DELTA_TYPES: Mapping[str, str] = {
    f"response.output_{part}.{step}": f"response.{part}.{step}"
    for part in ("audio", "audio_transcript", "text")
    for step in ("delta", "done")
}
"""Server events that have another name in the beta dialect and the same fields."""

UNTOLD = frozenset(
    {
        "conversation.item.done",
        "conversation.item.input_audio_transcription.segment",
        "input_audio_buffer.dtmf_event_received",
        "input_audio_buffer.timeout_triggered",
        "mcp_list_tools.completed",
        "mcp_list_tools.failed",
        "mcp_list_tools.in_progress",
        "response.mcp_call.completed",
        "response.mcp_call.failed",
        "response.mcp_call.in_progress",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
    }
)
"""Server events that the beta dialect has no word for."""

_GA_PARTS = {
    "input_text": "input_text",
    "input_audio": "input_audio",
    "text": "output_text",
    "audio": "output_audio",
}
_BETA_PARTS = {ga: beta for beta, ga in _GA_PARTS.items()}
_QUOTED = re.compile(r"'([\w.\[\]]+)'")
_USAGE_DETAILS = ("text_tokens", "audio_tokens", "cached_tokens")


class BetaSession:
    """Stands between a client of the beta dialect and one session of the server.

    It keeps what only that dialect has, the temperature. What the server answers to one event
    must pass `to_beta` before the next event passes `to_ga`. No event given is changed.
    """

    def __init__(self, conversation_id: str) -> None:
        """`conversation_id` is the one that the server's responses tell."""
        self._conversation_id = conversation_id
        self._temperature = settings.DEFAULT_TEMPERATURE
        self._asked: float | None = None
        """The temperature that the event under way asks for; in force once it is accepted."""
        self._of_response: dict[str, float] = {}
        self._from_client: dict[str, Callable[[Event], Event]] = {
            "session.update": self._update_session,
            "transcription_session.update": _update_transcription,
            "conversation.item.create": _create_item,
            "response.create": self._create_response,
        }
        self._from_server: dict[str, Callable[[Event], list[Event]]] = {
            "session.created": self._session_created,
            "session.updated": self._session_updated,
            "response.created": self._response_created,
            "response.done": self._response_done,
            "error": self._error,
            **_FROM_SERVER,
        }

    def to_ga(self, event: Event) -> Event:
        """A client's event in the server's dialect; what needs no translation is given back.

        Mistakes that the server finds itself are left to it.

        Raises:
            Refusal: the event has a field that the beta dialect does not know, or a value that
                cannot be said otherwise. `param` is the name that the client used.
        """
        self._asked = None
        kind = event.get("type")
        translate = self._from_client.get(kind) if isinstance(kind, str) else None
        return event if translate is None else translate(event)

    def to_beta(self, event: Event) -> list[Event]:
        """What a client is told of a server's event: none, one or two events."""
        kind = event.get("type")
        if not isinstance(kind, str):
            return [event]
        if kind in UNTOLD:
            return []
        renamed = DELTA_TYPES.get(kind)
        if renamed is not None:
            return [{**event, "type": renamed}]
        translate = self._from_server.get(kind)
        return [event] if translate is None else translate(event)

    # From the client

    def _update_session(self, event: Event) -> Event:
        session = event.get("session")
        if not isinstance(session, dict):
            return event
        nested = settings.nest(session, settings.SESSION, "session")
        self._asked = settings.temperature(session, "session")
        if self._asked is None and "temperature" in session:
            self._asked = settings.DEFAULT_TEMPERATURE
        return {**event, "session": {"type": "realtime", **nested}}

    def _create_response(self, event: Event) -> Event:
        response = event.get("response")
        if not isinstance(response, dict):
            return event
        nested = settings.nest(response, settings.RESPONSE, "response")
        given = nested.get("input")
        if isinstance(given, list):
            nested["input"] = [
                _ga_item(item, f"response.input[{index}]") for index, item in enumerate(given)
            ]
        self._asked = settings.temperature(response, "response")
        return {**event, "response": nested}

    # From the server

    def _session_created(self, event: Event) -> list[Event]:
        conversation = {"id": self._conversation_id, "object": "realtime.conversation"}
        begun = {
            "type": "conversation.created",
            "event_id": f"{event['event_id']}_conversation",
            "conversation": conversation,
        }
        return [self._tell_session(event), begun]

    def _session_updated(self, event: Event) -> list[Event]:
        asked = self._take_asked()
        if asked is not None:
            self._temperature = asked
        return [self._tell_session(event)]

    def _tell_session(self, event: Event) -> Event:
        session = event["session"]
        owned = {name: session[name] for name in ("id", "object") if name in session}
        if session.get("type") == "transcription":
            flat = settings.fold_transcription_session(session)
            told = {**event, "type": f"transcription_{event['type']}"}
        else:
            flat = settings.flatten(session, settings.SESSION)
            flat["temperature"] = self._temperature
            told = dict(event)
        told["session"] = owned | flat
        return told

    def _response_created(self, event: Event) -> list[Event]:
        asked = self._take_asked()
        degree = self._temperature if asked is None else asked
        self._of_response[event["response"]["id"]] = degree
        return [_tell_response(event, degree)]

    def _response_done(self, event: Event) -> list[Event]:
        degree = self._of_response.pop(event["response"]["id"], self._temperature)
        return [_tell_response(event, degree)]

    def _error(self, event: Event) -> list[Event]:
        self._asked = None
        error = dict(event["error"])
        if isinstance(error.get("param"), str):
            error["param"] = settings.flat_path(error["param"])
        if isinstance(error.get("message"), str):
            error["message"] = _QUOTED.sub(_requote, error["message"])
        return [{**event, "error": error}]

    def _take_asked(self) -> float | None:
        asked, self._asked = self._asked, None
        return asked


def _update_transcription(event: Event) -> Event:
    session = event.get("session")
    if isinstance(session, dict):
        nested = settings.nest(session, settings.TRANSCRIPTION, "session")
        session = {"type": "transcription", **nested}
    return {**event, "type": "session.update", "session": session}


def _create_item(event: Event) -> Event:
    return {**event, "item": _ga_item(event.get("item"), "item")}


def _ga_item(item: object, path: str) -> object:
    content = item.get("content") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(content, list):
        return item
    parts = [_ga_part(part, f"{path}.content[{at}].type") for at, part in enumerate(content)]
    return {**item, "content": parts}


def _ga_part(part: object, param: str) -> object:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(part, dict) or not isinstance(kind, str):
        return part
    if kind not in _GA_PARTS:
        known = ", ".join(f"'{name}'" for name in _GA_PARTS)
        message = f"Invalid '{param}': {kind!r:.200}. Supported values are: {known}."
        raise Refusal("invalid_value", message, param)
    return {**part, "type": _GA_PARTS[kind]}


def _beta_item(item: Event) -> Event:
    if not isinstance(item.get("content"), list):
        return item
    return {**item, "content": [_beta_part(part) for part in item["content"]]}


def _beta_part(part: Event) -> Event:
    return {**part, "type": _BETA_PARTS.get(part["type"], part["type"])}


def _tell_item(event: Event) -> list[Event]:
    return [{**event, "item": _beta_item(event["item"])}]


def _tell_part(event: Event) -> list[Event]:
    return [{**event, "part": _beta_part(event["part"])}]


def _item_created(event: Event) -> list[Event]:
    return [{**told, "type": "conversation.item.created"} for told in _tell_item(event)]


def _without(field: str) -> Callable[[Event], list[Event]]:
    return lambda event: [{name: value for name, value in event.items() if name != field}]


def _tell_response(event: Event, temperature: float) -> Event:
    told = settings.flatten(event["response"], settings.TOLD_RESPONSE)
    told["temperature"] = temperature
    if told.get("output") is not None:
        told["output"] = [_beta_item(item) for item in told["output"]]
    usage = told.get("usage")
    if usage is not None and usage.get("input_token_details") is not None:
        details = usage["input_token_details"]
        known = {name: details[name] for name in _USAGE_DETAILS if name in details}
        told["usage"] = {**usage, "input_token_details": known}
    return {**event, "response": told}


def _requote(quoted: re.Match[str]) -> str:
    """A field or a kind of content part named in a message, as the client knows it."""
    name = quoted[1]
    return f"'{_BETA_PARTS.get(name) or settings.flat_path(name)}'"


_FROM_SERVER: dict[str, Callable[[Event], list[Event]]] = {
    "conversation.item.added": _item_created,
    "conversation.item.created": _tell_item,
    "conversation.item.retrieved": _tell_item,
    "conversation.item.input_audio_transcription.completed": _without("languages"),
    "response.output_item.added": _tell_item,
    "response.output_item.done": _tell_item,
    "response.content_part.added": _tell_part,
    "response.content_part.done": _tell_part,
    "response.function_call_arguments.done": _without("name"),
}

"""OpenAI Realtime, the retired beta shape: flat sessions and older names.

Source of names and fields: the event types of the `openai` package
(openai.types.beta.realtime).
"""

from __future__ import annotations

from typing import Any

from bench.dialects.address import Address
from bench.dialects.base import CodecName, Kind, SessionSettings
from bench.dialects.headers import Header, Template
from bench.dialects.openai import GA_KINDS, tools, turn_detection
from bench.dialects.received import Reader
from bench.dialects.sent import Event, ga_event, given
from bench.dialects.server import Server

_RENAMED = {
    f"response.output_{part}.{step}": f"response.{part}.{step}"
    for part in ("audio", "audio_transcript", "text")
    for step in ("delta", "done")
} | {"conversation.item.added": "conversation.item.created"}

_GA_ONLY = frozenset({"conversation.item.done", "input_audio_buffer.timeout_triggered"})

BETA_KINDS: dict[str, Kind] = {
    **{_RENAMED.get(name, name): kind for name, kind in GA_KINDS.items() if name not in _GA_ONLY},
    "transcription_session.created": Kind.SESSION_CREATED,
    "transcription_session.updated": Kind.SESSION_UPDATED,
    "conversation.created": Kind.BOOKKEEPING,
}

_FORMATS: dict[CodecName, str] = {
    "pcm16": "pcm16",
    "pcm16_16k": "pcm16",
    "pcmu": "g711_ulaw",
    "pcma": "g711_alaw",
}
_MODALITIES = {"audio": ["audio", "text"], "text": ["text"]}
_PARTS = {"output_text": "text", "output_audio": "audio"}


class BetaShape:
    """What the beta dialect's events look like, whoever speaks it."""

    @staticmethod
    def session_update(settings: SessionSettings) -> Event:
        """A whole update; what is not asked for is left out, transcription is null."""
        asked = settings.transcription
        audio_in = {
            "input_audio_format": _FORMATS[settings.input_codec],
            "input_audio_transcription": asked
            and given(model=asked.model, language=asked.language),
            "turn_detection": turn_detection(settings),
        }
        if settings.session_type == "transcription":
            return {"type": "transcription_session.update", "session": audio_in}
        session = {
            "modalities": list(_MODALITIES[settings.output_modality]),
            **audio_in,
            "output_audio_format": _FORMATS[settings.output_codec],
        }
        session |= given(
            voice=settings.voice,
            instructions=settings.instructions,
            tools=tools(settings),
            max_response_output_tokens=settings.max_output_tokens,
        )
        return {"type": "session.update", "session": session}

    @staticmethod
    def client_event(kind: Kind, **fields: Any) -> Event:
        """As `Dialect.client_event`."""
        event = ga_event(kind, **fields)
        if kind is Kind.ITEM_CREATE:
            return {**event, "item": _item(event["item"])}
        if kind is Kind.RESPONSE_CREATE and "response" in event:
            return {**event, "response": _response(event["response"])}
        return event


def _response(ga: Event) -> Event:
    flat = dict(ga)
    modalities = flat.pop("output_modalities", None)
    if modalities is not None:
        flat["modalities"] = list(_MODALITIES[modalities[0]])
    audio = flat.pop("audio", None)
    if audio is not None:
        flat["voice"] = audio["output"]["voice"]
    limit = flat.pop("max_output_tokens", None)
    if limit is not None:
        flat["max_response_output_tokens"] = limit
    if "input" in flat:
        flat["input"] = [_item(item) for item in flat["input"]]
    return flat


def _item(ga: Event) -> Event:
    if "content" not in ga:
        return ga
    parts = [{**part, "type": _PARTS.get(part["type"], part["type"])} for part in ga["content"]]
    return {**ga, "content": parts}


OPENAI_BETA = Server(
    "openai-beta",
    key_variable="OPENAI_API_KEY",
    address=Address(
        path="/v1/realtime",
        query={"model": "{model}"},
        transcription_query={"intent": "transcription"},
        headers=(
            Header("Authorization", Template("Bearer ${OPENAI_API_KEY}")),
            Header("OpenAI-Beta", Template("realtime=v1")),
        ),
    ),
    shape=BetaShape(),
    parse=Reader(BETA_KINDS).parse,
    default_model="gpt-4o-realtime-preview",
    default_voice="alloy",
)

"""OpenAI Realtime, general-availability shape: its events to canonical kinds and back.

Source of names and fields: the event types of the `openai` package (openai.types.realtime).
"""

from __future__ import annotations

from typing import Any

from bench.dialects.address import Address
from bench.dialects.base import CodecName, Kind, SemanticVad, ServerVad, SessionSettings
from bench.dialects.headers import Header, Template
from bench.dialects.received import Reader
from bench.dialects.sent import Event, ga_event, given
from bench.dialects.server import Server

GA_KINDS: dict[str, Kind] = {
    "session.created": Kind.SESSION_CREATED,
    "session.updated": Kind.SESSION_UPDATED,
    "input_audio_buffer.speech_started": Kind.SPEECH_STARTED,
    "input_audio_buffer.speech_stopped": Kind.SPEECH_STOPPED,
    "input_audio_buffer.committed": Kind.COMMITTED,
    "input_audio_buffer.cleared": Kind.INPUT_CLEARED,
    "input_audio_buffer.timeout_triggered": Kind.IDLE_TIMEOUT,
    "conversation.item.added": Kind.ITEM_ADDED,
    "conversation.item.done": Kind.ITEM_DONE,
    "conversation.item.truncated": Kind.ITEM_TRUNCATED,
    "conversation.item.deleted": Kind.ITEM_DELETED,
    "conversation.item.retrieved": Kind.BOOKKEEPING,
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
    "response.output_text.delta": Kind.OUTPUT_TEXT_DELTA,
    "response.output_text.done": Kind.OUTPUT_TEXT_DONE,
    "response.function_call_arguments.delta": Kind.TOOL_CALL_DELTA,
    "response.function_call_arguments.done": Kind.TOOL_CALL,
    "response.done": Kind.RESPONSE_DONE,
    "rate_limits.updated": Kind.RATE_LIMITS,
    "error": Kind.ERROR,
}

_FORMATS: dict[CodecName, Event] = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "pcm16_16k": {"type": "audio/pcm", "rate": 16_000},
    "pcmu": {"type": "audio/pcmu"},
    "pcma": {"type": "audio/pcma"},
}


class GaShape:
    """What the GA dialect's events look like, whoever speaks it."""

    @staticmethod
    def session_update(settings: SessionSettings) -> Event:
        """A whole `session.update`: what is not asked for is left out, transcription is null."""
        return {"type": "session.update", "session": _session(settings)}

    @staticmethod
    def client_event(kind: Kind, **fields: Any) -> Event:
        """As `Dialect.client_event`."""
        return ga_event(kind, **fields)


def _session(settings: SessionSettings) -> Event:
    asked = settings.transcription
    audio_in = {
        "format": dict(_FORMATS[settings.input_codec]),
        "transcription": asked and given(model=asked.model, language=asked.language),
        "turn_detection": turn_detection(settings),
    }
    if settings.session_type == "transcription":
        return {"type": "transcription", "audio": {"input": audio_in}}
    session = {
        "type": "realtime",
        "output_modalities": [settings.output_modality],
        "audio": {
            "input": audio_in,
            "output": given(format=dict(_FORMATS[settings.output_codec]), voice=settings.voice),
        },
    }
    return session | given(
        instructions=settings.instructions,
        tools=tools(settings),
        max_output_tokens=settings.max_output_tokens,
    )


def turn_detection(settings: SessionSettings) -> Event | None:
    """The same in every shape; a transcription session answers nobody."""
    answers = settings.session_type == "realtime"
    match settings.turn_detection:
        case ServerVad() as vad:
            detection: Event = {
                "type": "server_vad",
                "threshold": vad.threshold,
                "prefix_padding_ms": vad.prefix_padding_ms,
                "silence_duration_ms": vad.silence_duration_ms,
            }
            if answers:
                detection["create_response"] = vad.create_response
                detection["interrupt_response"] = vad.interrupt_response
            return detection | given(idle_timeout_ms=vad.idle_timeout_ms if answers else None)
        case SemanticVad() as vad:
            detection = {"type": "semantic_vad", "eagerness": vad.eagerness}
            if answers:
                detection["create_response"] = vad.create_response
                detection["interrupt_response"] = vad.interrupt_response
            return detection
        case None:
            return None


def tools(settings: SessionSettings) -> list[Event] | None:
    """Tools as both shapes list them, None without any."""
    return [
        {
            "type": "function",
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.parameters),
        }
        for tool in settings.tools
    ] or None


OPENAI = Server(
    "openai",
    key_variable="OPENAI_API_KEY",
    address=Address(
        path="/v1/realtime",
        query={"model": "{model}"},
        transcription_query={"intent": "transcription"},
        headers=(Header("Authorization", Template("Bearer ${OPENAI_API_KEY}")),),
    ),
    shape=GaShape(),
    parse=Reader(GA_KINDS).parse,
    default_voice="marin",
)

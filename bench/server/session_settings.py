"""Turns partial session updates into one whole, checked session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from bench.server.refusal import Refusal

Milliseconds = Annotated[int, Meta(ge=0, le=60_000)]

# There is no model of meaning here: an eager session waits for less silence, and no more.
_EAGERNESS_SILENCE_MS = {"low": 1_200, "medium": 800, "auto": 800, "high": 500}


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """Fields as the API has them; UNSET ones are told to the client only once it sent them."""


class Pcm(_Part, tag_field="type", tag="audio/pcm"):
    """16-bit samples at 24 kHz, the one format offered."""

    rate: Literal[24000] = 24_000


class _Pcmu(_Part, tag_field="type", tag="audio/pcmu"):
    pass


class _Pcma(_Part, tag_field="type", tag="audio/pcma"):
    pass


class ServerVad(_Part, tag_field="type", tag="server_vad"):
    """Turns end by silence."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Milliseconds = 300
    silence_duration_ms: Milliseconds = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: int | None = None


class SemanticVad(_Part, tag_field="type", tag="semantic_vad"):
    """Turns end by meaning; here by silence whose length `eagerness` sets."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


class _NoiseReduction(_Part):
    type: Literal["near_field", "far_field"] | None = None
    strength: float | UnsetType = UNSET


class _Transcription(_Part):
    model: str | None = None
    language: str | None = None
    prompt: str | None = None
    delay: str | UnsetType = UNSET
    keywords: list[str] | UnsetType = UNSET
    languages: list[str] | UnsetType = UNSET


class _Input(_Part):
    format: Pcm | _Pcmu | _Pcma = field(default_factory=Pcm)
    transcription: _Transcription | None = None
    noise_reduction: _NoiseReduction | None = None
    turn_detection: ServerVad | SemanticVad | None = field(default_factory=ServerVad)


class _OutputRequest(_Part):
    format: Pcm | _Pcmu | _Pcma = field(default_factory=Pcm)
    voice: str | dict[str, str] | None = None


class _Output(_Part):
    format: Pcm | _Pcmu | _Pcma = field(default_factory=Pcm)
    voice: str | dict[str, str] | None = "alloy"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class _Audio(_Part):
    input: _Input = field(default_factory=_Input)
    output: _Output = field(default_factory=_Output)


class Session(_Part, tag_field="type", tag="realtime"):
    """A whole session as `session.created` and `session.updated` tell it."""

    model: str | None = None
    output_modalities: list[Literal["text", "audio"]] = field(default_factory=lambda: ["audio"])
    instructions: str | None = ""
    tools: list[dict[str, Any]] | None = []
    tool_choice: str | dict[str, Any] | None = "auto"
    max_output_tokens: int | Literal["inf"] | None = "inf"
    truncation: str | dict[str, Any] | None = "auto"
    tracing: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    include: list[str] | None = None
    audio: _Audio = field(default_factory=_Audio)
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: dict[str, Any] | UnsetType = UNSET

    @property
    def turn_detection(self) -> TurnDetection | None:
        """How turns end, or None when the client ends them."""
        asked = self.audio.input.turn_detection
        if asked is None:
            return None
        if isinstance(asked, ServerVad):
            vad = (asked.threshold, asked.prefix_padding_ms, asked.silence_duration_ms)
        else:
            vad = (0.5, 300, _EAGERNESS_SILENCE_MS[asked.eagerness])
        return TurnDetection(*vad, asked.create_response, asked.interrupt_response)

    def updated(self, patch: dict[str, Any]) -> Session:
        """The session with `patch` merged in, object by object; lists are replaced.

        An object of another `type` replaces the old one: the fields of one kind of turn
        detection mean nothing to the other. The model stays the one connected to.

        Raises:
            Refusal: a field is unknown, of the wrong type, or asks for what is not offered.
        """
        if patch.get("type", "realtime") != "realtime":
            raise _not_offered("session.type", patch["type"], "realtime")
        try:
            session = msgspec.convert(_merge(msgspec.to_builtins(self), patch), Session)
        except msgspec.ValidationError as error:
            raise Refusal.of(error, "session") from None
        _check_offer(session)
        return msgspec.structs.replace(session, model=self.model)


class _AudioRequest(_Part):
    output: _OutputRequest = field(default_factory=_OutputRequest)


class ResponseRequest(_Part):
    """What `response.create` may ask of one response beside the session's settings."""

    conversation: str | None = "auto"
    metadata: dict[str, str] | None = None
    output_modalities: list[Literal["text", "audio"]] = field(default_factory=lambda: ["audio"])
    audio: _AudioRequest = field(default_factory=_AudioRequest)
    instructions: str | None = None
    input: list[dict[str, Any]] | None = None
    max_output_tokens: int | Literal["inf"] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """How voice activity detection ends turns and what follows from it."""

    threshold: float
    prefix_padding_ms: int
    silence_duration_ms: int
    create_response: bool
    interrupt_response: bool


def response_request(asked: object) -> ResponseRequest:
    """The checked `response` of a `response.create`.

    Raises:
        Refusal: a field is unknown, of the wrong type, or asks for what is not offered.
    """
    try:
        request = msgspec.convert({} if asked is None else asked, ResponseRequest)
    except msgspec.ValidationError as error:
        raise Refusal.of(error, "response") from None
    if request.output_modalities != ["audio"]:
        raise _not_offered("response.output_modalities", request.output_modalities, "['audio']")
    _check_format("response.audio.output.format", request.audio.output.format)
    return request


def _merge(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in patch.items():
        before = merged.get(key)
        if (
            isinstance(value, dict)
            and isinstance(before, dict)
            and value.get("type", before.get("type")) == before.get("type")
        ):
            merged[key] = _merge(before, value)
        else:
            merged[key] = value
    return merged


def _check_offer(session: Session) -> None:
    if session.output_modalities != ["audio"]:
        raise _not_offered("session.output_modalities", session.output_modalities, "['audio']")
    _check_format("session.audio.input.format", session.audio.input.format)
    _check_format("session.audio.output.format", session.audio.output.format)
    if session.audio.output.speed != 1.0:
        raise _not_offered("session.audio.output.speed", session.audio.output.speed, "1.0")
    detection = session.audio.input.turn_detection
    if isinstance(detection, ServerVad) and detection.idle_timeout_ms is not None:
        param = "session.audio.input.turn_detection.idle_timeout_ms"
        raise _not_offered(param, detection.idle_timeout_ms, "null")


def _check_format(param: str, asked: Pcm | _Pcmu | _Pcma) -> None:
    if not isinstance(asked, Pcm):
        name = msgspec.to_builtins(asked)["type"]
        raise _not_offered(param, name, "{'type': 'audio/pcm', 'rate': 24000}")


def _not_offered(param: str, value: object, offered: str) -> Refusal:
    return Refusal(
        "unsupported_value",
        f"'{param}' {value!r} is not offered by this server; use {offered}.",
        param,
    )

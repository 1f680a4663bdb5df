"""Turns partial session updates into one whole, checked session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from bench.audio.codec import PCM16, PCMA, PCMU, Codec
from bench.server.refusal import Refusal

Milliseconds = Annotated[int, Meta(ge=0, le=60_000)]
Eagerness = Literal["low", "medium", "high", "auto"]
Modalities = Annotated[list[Literal["text", "audio"]], Meta(min_length=1, max_length=1)]
_Any = TypeVar("_Any", bound=msgspec.Struct)
TokenLimit = Annotated[int, Meta(ge=1, le=4_096)] | Literal["inf"]


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """Fields as the API has them; UNSET ones are told to the client only once it sent them."""


class Pcm(_Part, tag_field="type", tag="audio/pcm"):
    """16-bit samples at 24 kHz."""

    codec: ClassVar[Codec] = PCM16
    rate: Literal[24000] = 24_000


class Pcmu(_Part, tag_field="type", tag="audio/pcmu"):
    """G.711 mu-law at 8 kHz."""

    codec: ClassVar[Codec] = PCMU


class Pcma(_Part, tag_field="type", tag="audio/pcma"):
    """G.711 A-law at 8 kHz."""

    codec: ClassVar[Codec] = PCMA


Format = Pcm | Pcmu | Pcma


class ServerVad(_Part, tag_field="type", tag="server_vad"):
    """Turns end by silence."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Milliseconds = 300
    silence_duration_ms: Milliseconds = 500
    create_response: bool = True
    interrupt_response: bool = True
    idle_timeout_ms: Annotated[int, Meta(ge=5_000, le=30_000)] | None = None


class SemanticVad(_Part, tag_field="type", tag="semantic_vad"):
    """Turns end by meaning: how long to wait for more, `eagerness` sets."""

    eagerness: Eagerness = "auto"
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
    format: Format = field(default_factory=Pcm)
    transcription: _Transcription | None = None
    noise_reduction: _NoiseReduction | None = None
    turn_detection: ServerVad | SemanticVad | None = field(default_factory=ServerVad)


class _OutputRequest(_Part):
    format: Format | None = None
    voice: str | dict[str, str] | None = None


class _Output(_Part):
    format: Format = field(default_factory=Pcm)
    voice: str | dict[str, str] | None = "alloy"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class _Audio(_Part):
    input: _Input = field(default_factory=_Input)
    output: _Output = field(default_factory=_Output)


class _TranscriptionAudio(_Part):
    input: _Input = field(default_factory=lambda: _Input(transcription=_Transcription()))


class _TokenLimits(_Part):
    post_instructions: Annotated[int, Meta(ge=0)] | None = None


class _RetentionRatio(_Part, tag_field="type", tag="retention_ratio"):
    retention_ratio: Annotated[float, Meta(ge=0, le=1)]
    token_limits: _TokenLimits | UnsetType | None = UNSET


class Session(_Part, tag_field="type", tag="realtime"):
    """A whole session as `session.created` and `session.updated` tell it."""

    model: str | None = None
    output_modalities: Modalities = field(default_factory=lambda: ["audio"])
    instructions: str | None = ""
    tools: list[dict[str, Any]] | None = []
    tool_choice: str | dict[str, Any] | None = "auto"
    max_output_tokens: TokenLimit | None = "inf"
    truncation: Literal["auto", "disabled"] | _RetentionRatio | None = "auto"
    tracing: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    include: list[str] | None = None
    audio: _Audio = field(default_factory=_Audio)
    parallel_tool_calls: bool | UnsetType = UNSET
    reasoning: dict[str, Any] | UnsetType = UNSET

    def updated(self, patch: dict[str, Any]) -> AnySession:
        """The session with `patch` merged in, object by object; lists are replaced.

        An object of another `type` replaces the old one: the fields of one kind of turn
        detection mean nothing to the other. The model stays the one connected to. A session
        becomes one of transcription when the patch says so.

        Raises:
            Refusal: a field is unknown, or of the wrong type or value.
        """
        if patch.get("type", "realtime") == "transcription":
            start = TranscriptionSession(audio=_TranscriptionAudio(self.audio.input))
            return start.updated(patch)
        session = _merged(self, patch, Session)
        return msgspec.structs.replace(session, model=self.model)


class TranscriptionSession(_Part, tag_field="type", tag="transcription"):
    """A whole session in which nobody answers: speech goes in, its text comes out."""

    audio: _TranscriptionAudio = field(default_factory=_TranscriptionAudio)
    include: list[str] | None = None

    def updated(self, patch: dict[str, Any]) -> AnySession:
        """As `Session.updated`; its type never changes again.

        Raises:
            Refusal: as there, or the patch asks for another type.
        """
        if patch.get("type", "transcription") != "transcription":
            raise Refusal(
                "invalid_value",
                "A transcription session cannot become another one: connect anew.",
                "session.type",
            )
        return _merged(self, patch, TranscriptionSession)


AnySession = Session | TranscriptionSession


def turn_detection(session: AnySession) -> TurnDetection | None:
    """How turns end in `session`, or None when the client ends them."""
    asked = session.audio.input.turn_detection
    answers = isinstance(session, Session)
    if asked is None:
        return None
    create, interrupt = asked.create_response and answers, asked.interrupt_response
    if isinstance(asked, SemanticVad):
        return TurnDetection(0.5, 300, 500, create, interrupt, eagerness=asked.eagerness)
    return TurnDetection(
        asked.threshold,
        asked.prefix_padding_ms,
        asked.silence_duration_ms,
        create,
        interrupt,
        idle_timeout_ms=asked.idle_timeout_ms if answers else None,
    )


class _AudioRequest(_Part):
    output: _OutputRequest = field(default_factory=_OutputRequest)


class ResponseRequest(_Part):
    """What `response.create` may ask of one response beside the session's settings."""

    conversation: str | None = "auto"
    metadata: dict[str, str] | None = None
    output_modalities: Modalities | None = None
    audio: _AudioRequest = field(default_factory=_AudioRequest)
    instructions: str | None = None
    input: list[dict[str, Any]] | None = None
    max_output_tokens: TokenLimit | None = None
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
    idle_timeout_ms: int | None = None
    eagerness: Eagerness | None = None
    """Set where meaning ends turns, not silence alone."""


def response_request(asked: object) -> ResponseRequest:
    """The checked `response` of a `response.create`.

    Raises:
        Refusal: a field is unknown, or of the wrong type or value.
    """
    try:
        return msgspec.convert({} if asked is None else asked, ResponseRequest)
    except msgspec.ValidationError as error:
        raise Refusal.of(error, "response") from None


def _merged(session: _Any, patch: dict[str, Any], kind: type[_Any]) -> _Any:
    try:
        return msgspec.convert(_merge(msgspec.to_builtins(session), patch), kind)
    except msgspec.ValidationError as error:
        raise Refusal.of(error, "session") from None


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

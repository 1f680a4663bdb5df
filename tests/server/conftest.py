"""A session driven without a socket or a clock, and a strict check of what it says."""

from __future__ import annotations

import inspect
import json
import typing
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
from numpy.typing import NDArray
from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from openai.types.realtime.realtime_transcription_session_create_response import (
    RealtimeTranscriptionSessionCreateResponse,
)
from pydantic import BaseModel, TypeAdapter

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.microphone import room_tone
from bench.server.answers import Mind
from bench.server.hearing.energy import EnergyEar
from bench.server.input_audio import Recognise
from bench.server.outbox import End, Outgoing
from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune
from bench.server.responder import Responder
from bench.server.session_settings import AnySession, Session
from bench.server.truth import ResponseTruth, SegmentTruth, Truth
from bench.server.voices import Reply

# The service sends them and the response type has them; the type named by the event has not.
SERVER_OWNED = ("id", "object")


@cache
def event_classes() -> dict[str, type[BaseModel]]:
    union = get_args(RealtimeServerEvent)[0]
    return {get_args(cls.model_fields["type"].annotation)[0]: cls for cls in get_args(union)}


@cache
def adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def checked(text: str) -> dict[str, Any]:
    """The event in `text`, once it proved to be exactly of its published type."""
    event: dict[str, Any] = json.loads(text)
    cls = event_classes()[event["type"]]
    shown = dict(event)
    if event["type"].startswith("session."):
        settings = dict(event["session"])
        owned = {name: settings.pop(name) for name in SERVER_OWNED} | {"type": settings["type"]}
        transcribes = settings["type"] == "transcription"
        shape = (
            RealtimeTranscriptionSessionCreateResponse
            if transcribes
            else RealtimeSessionCreateResponse
        )
        adapter(shape).validate_python(owned)
        shown["session"] = settings
    adapter(cls).validate_python(shown, strict=True)
    assert type(adapter(RealtimeServerEvent).validate_python(shown)) is cls
    mistakes = misfits(shown, cls, event["type"])
    assert not mistakes, mistakes
    return event


def misfits(value: Any, annotation: Any, place: str) -> list[str]:
    """Where `value` has a field that no type of `annotation` knows, or lacks a required one.

    The package's own models let extra fields pass and build unions without looking.
    """
    if get_origin(annotation) is typing.Annotated:
        return misfits(value, get_args(annotation)[0], place)
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return model_misfits(value, annotation, place)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list:
        if not isinstance(value, list):
            return [f"{place}: not a list"]
        return [m for i, v in enumerate(value) for m in misfits(v, arguments[0], f"{place}[{i}]")]
    if origin is Literal:
        return [] if value in arguments else [f"{place}: {value!r} is not of {arguments}"]
    if origin is dict or annotation in {Any, object}:
        return []
    if arguments:  # A union: one member must fit.
        tried = [misfits(value, member, place) for member in arguments]
        return min(tried, key=len)
    if annotation is type(None):
        return [] if value is None else [f"{place}: not null"]
    if annotation is float:
        return [] if isinstance(value, int | float) else [f"{place}: {value!r} is no number"]
    fits = isinstance(value, annotation) and not (annotation is int and isinstance(value, bool))
    return [] if fits else [f"{place}: {value!r} is no {annotation}"]


def model_misfits(value: Any, model: type[BaseModel], place: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{place}: not an object"]
    found = []
    for name, member in value.items():
        field = model.model_fields.get(name)
        if field is None:
            found.append(f"{place}.{name}: unknown to {model.__name__}")
        else:
            found += misfits(member, field.annotation, f"{place}.{name}")
    for name, field in model.model_fields.items():
        if field.is_required() and name not in value:
            found.append(f"{place}.{name}: missing")
    return found


REPLY = Reply(
    text="Yes, it is.",
    audio=tuple(b64encode(bytes(4_800)).decode() for _ in range(4)),
    words=("Yes,", "", " it", " is."),
    delta_ms=100,
    duration_ms=400.0,
)


class FakeVoices:
    """Says the same, whatever it is asked to."""

    recorded: typing.ClassVar = {"yes": REPLY.text}

    def say(self, _text: str, _codec: object, _speed: float) -> Reply:
        return REPLY


class Call:
    """One session on a clock that only the test moves; every event is checked as it comes."""

    WRITE_NS = 1_000

    def __init__(
        self,
        profile: Profile | None = None,
        ordinal: int = 0,
        *,
        session: AnySession | None = None,
        voices: Any = None,
        recognise: Recognise = lambda _samples, _at_ms: None,
    ) -> None:
        self.now_ns = 1_000_000_000
        self.events: list[dict[str, Any]] = []
        self.at_ns: list[int] = []
        self.due_ns: list[int] = []
        self.truth: list[Truth] = []
        self.effects: list[End] = []
        self.responder = Responder(
            session_id="sess_test",
            ordinal=ordinal,
            session=session or Session(model="fast-1"),
            mind=Mind(
                profile or tune(Profile(), reply_delay_ms=300.0),
                voices or FakeVoices(),
                lambda start_ms: EnergyEar(start_ms=start_ms),
                recognise,
            ),
            record=self.truth.append,
        )
        self._take(self.responder.open(self.now_ns))

    def _take(self, events: list[Outgoing]) -> list[dict[str, Any]]:
        seen = []
        for event in events:
            if event.effect is not None:
                self.effects.append(event.effect)
                continue
            self.now_ns += self.WRITE_NS
            seen.append(checked(event.text))
            self.at_ns.append(self.now_ns)
            self.due_ns.append(event.due_ns)
            if event.written is not None:
                event.written(self.now_ns)
        self.events += seen
        return seen

    def send(self, event: dict[str, Any] | str | bytes) -> list[dict[str, Any]]:
        """What the server answers at once."""
        return self._take(self.responder.receive(event, self.now_ns))

    def update(self, **session: Any) -> list[dict[str, Any]]:
        return self.send({"type": "session.update", "session": session})

    def wait(self, ms: float) -> list[dict[str, Any]]:
        """Let time pass; each event comes when it is due."""
        end_ns = self.now_ns + round(ms * 1e6)
        seen = []
        while (due_ns := self.responder.next_due_ns()) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            seen += self._take(self.responder.advance(self.now_ns))
        self.now_ns = max(self.now_ns, end_ns)
        return seen

    def hear(self, samples: NDArray[np.int16], chunk_ms: int = 20) -> list[dict[str, Any]]:
        """Append audio as it would be spoken."""
        seen = []
        step = 24 * chunk_ms
        for start in range(0, len(samples), step):
            seen += self.wait(chunk_ms)
            seen += self.append(samples[start : start + step].astype("<i2").tobytes())
        return seen

    def append(self, audio: bytes) -> list[dict[str, Any]]:
        text = b64encode(audio).decode()
        return self.send(json.dumps({"type": "input_audio_buffer.append", "audio": text}))

    def first(self, kind: str) -> dict[str, Any]:
        return next(event for event in self.events if event["type"] == kind)

    def when(self, kind: str) -> list[int]:
        return [at for at, e in zip(self.at_ns, self.events, strict=True) if e["type"] == kind]

    @property
    def responses(self) -> list[ResponseTruth]:
        return [line for line in self.truth if isinstance(line, ResponseTruth)]

    @property
    def segments(self) -> list[SegmentTruth]:
        return [line for line in self.truth if isinstance(line, SegmentTruth)]


@pytest.fixture(scope="session")
def check_event() -> Callable[[str], dict[str, Any]]:
    """The event in a text, once it proved to be exactly of its published type."""
    return checked


@pytest.fixture
def call() -> Call:
    return Call()


@pytest.fixture(scope="session")
def call_with() -> Callable[..., Call]:
    """Makes a call with a profile and an ordinal of one's own."""
    return Call


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.open(default_directory())


@pytest.fixture(scope="session")
def over_tone(catalogue: Catalogue) -> Callable[..., NDArray[np.int16]]:
    """Lays a clip over room tone, with `before_ms` and `after_ms` of tone around it."""

    def lay(clip_id: str, before_ms: int, after_ms: int, dbfs: float = -65.0) -> Any:
        pcm = catalogue.get(clip_id).pcm
        start = 24 * before_ms
        mixed = np.resize(room_tone(dbfs), start + len(pcm) + 24 * after_ms).astype(np.int32)
        mixed[start : start + len(pcm)] += pcm
        return np.clip(mixed, -32768, 32767).astype(np.int16)

    return lay


@pytest.fixture(scope="session")
def short_words(over_tone: Callable[..., NDArray[np.int16]]) -> NDArray[np.int16]:
    """Two words and the silence that ends the turn."""
    return over_tone("short", 200, 700)

"""Turns Locust's parsed options into what every session of a run has in common."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.analysis.likeness import NOT_OF_THE_PLAN
from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import CODECS
from bench.audio.manifest import MANIFEST_NAME
from bench.audio.microphone import room_tone
from bench.dialects.base import (
    Dialect,
    Endpoint,
    SemanticVad,
    ServerVad,
    SessionSettings,
    Transcription,
)
from bench.load.arguments import DEFAULT_HOST
from bench.load.checks import check_again
from bench.problem import Problem
from bench.session.call_plan import CallPlan
from bench.session.dialect_file import find_dialect
from bench.session.frames import FrameStore
from bench.session.target import target_endpoint

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RECORDED = (
    "dialect",
    "header",
    "model",
    "voice",
    "codec",
    "input_codec",
    "output_codec",
    "session_type",
    "output_modality",
    "instructions",
    "max_output_tokens",
    "transcription_model",
    "language",
    "chunk_ms",
    "tail",
    "room_tone_dbfs",
    "push_to_talk",
    "turn_detection",
    "eagerness",
    "vad_interrupt",
    "vad_idle_timeout_ms",
    "vad_silence_ms",
    "vad_threshold",
    "vad_prefix_padding_ms",
    "watchdog_s",
    "connect_timeout_s",
    "warmup_s",
    "record",
    "num_users",
    "spawn_rate",
    "run_time",
    "tags",
    "exclude_tags",
    "processes",
    "stop_timeout",
)
_OF_A_CLASS = frozenset(field.name for field in fields(SessionSettings)) - {"model"} | {
    "push_to_talk"
}


def make_call_plan(options: Any, host: str | None) -> CallPlan:
    """Check the options and build what all sessions of this process share.

    Raises:
        Problem: an option, the key or the catalogue is not usable; the message says which.
    """
    check_again(options)
    dialect = find_dialect(options.dialect)
    settings = session_settings(options, dialect)
    _check_turns(settings, push_to_talk=options.push_to_talk)
    catalogue = Catalogue.open(Path(options.fixtures) if options.fixtures else default_directory())
    return CallPlan(
        dialect=dialect,
        endpoint=_endpoint(options, host, dialect, settings),
        settings=settings,
        frames=FrameStore(
            dialect, CODECS[settings.input_codec], options.chunk_ms, _tail(options, catalogue)
        ),
        catalogue=catalogue,
        watchdog_s=options.watchdog_s,
        connect_timeout_s=options.connect_timeout_s,
        push_to_talk=options.push_to_talk,
    )


def plan_of_class(
    plan: CallPlan, options: Any, host: str | None, asks: Mapping[str, Any]
) -> CallPlan:
    """`plan` with what a class of callers asks for itself, in place of what the options say.

    `asks` has fields of SessionSettings by name, and `push_to_talk`.

    Raises:
        Problem: there is no such setting, or it does not go together with the others.
    """
    if not asks:
        return plan
    for name in asks:
        if name not in _OF_A_CLASS:
            known = ", ".join(sorted(_OF_A_CLASS))
            raise Problem(f"asks {name!r}: no such setting; there are {known}")
    changes = dict(asks)
    push_to_talk = bool(changes.pop("push_to_talk", plan.push_to_talk))
    settings = replace(plan.settings, **changes)
    _check_turns(settings, push_to_talk=push_to_talk)
    return replace(
        plan,
        endpoint=_endpoint(options, host, plan.dialect, settings),
        settings=settings,
        frames=plan.frames.in_codec(CODECS[settings.input_codec]),
        push_to_talk=push_to_talk,
    )


def session_settings(options: Any, dialect: Dialect) -> SessionSettings:
    """What the options ask a session to be.

    Raises:
        Problem: two of them do not go together.
    """
    transcribes = options.transcription_model
    if options.language and not transcribes:
        raise Problem(
            f"--language {options.language!r}: nothing is written down; add --transcription-model"
        )
    if options.session_type == "transcription" and not transcribes:
        raise Problem("--session-type transcription: by which model? add --transcription-model")
    return SessionSettings(
        model=options.model or dialect.default_model,
        voice=options.voice or dialect.default_voice,
        turn_detection=_turn_detection(options),
        transcription=Transcription(transcribes, options.language or None)
        if transcribes
        else None,
        instructions=options.instructions or None,
        input_codec=options.input_codec or options.codec or dialect.input_codecs[0],
        output_codec=options.output_codec or options.codec or dialect.output_codecs[0],
        output_modality=options.output_modality,
        max_output_tokens=options.max_output_tokens,
        session_type=options.session_type,
    )


def _turn_detection(options: Any) -> ServerVad | SemanticVad | None:
    name, interrupts = options.turn_detection, options.vad_interrupt == "on"
    if options.eagerness != "auto" and name != "semantic_vad":
        raise Problem(
            f"--eagerness {options.eagerness}: {name} has none; add --turn-detection semantic_vad"
        )
    if options.vad_idle_timeout_ms is not None and name != "server_vad":
        raise Problem(
            f"--vad-idle-timeout-ms {options.vad_idle_timeout_ms}: {name} has none; "
            "leave --turn-detection at server_vad"
        )
    match name:
        case "server_vad":
            return ServerVad(
                threshold=options.vad_threshold,
                prefix_padding_ms=options.vad_prefix_padding_ms,
                silence_duration_ms=options.vad_silence_ms,
                interrupt_response=interrupts,
                idle_timeout_ms=options.vad_idle_timeout_ms,
            )
        case "semantic_vad":
            return SemanticVad(eagerness=options.eagerness, interrupt_response=interrupts)
    return None


def _check_turns(settings: SessionSettings, *, push_to_talk: bool) -> None:
    if push_to_talk and settings.turn_detection is not None:
        raise Problem(
            "--push-to-talk: turn detection never hears the silence that ends a turn when no "
            "audio is sent; add --turn-detection none"
        )


def _tail(options: Any, catalogue: Catalogue) -> NDArray[np.int16]:
    """What the microphone hears while nobody speaks, at 24 kHz."""
    if options.tail == "room-tone":
        return room_tone(options.room_tone_dbfs)
    if options.tail == "silence":
        return room_tone(None)
    clip = catalogue.get(options.tail)
    if clip.speech_end_ms is not None:
        raise Problem(
            f"--tail {options.tail!r}: somebody speaks in it; take room-tone, silence, or a clip "
            "without speech such as bed_babble"
        )
    return clip.pcm


def _endpoint(
    options: Any, host: str | None, dialect: Dialect, settings: SessionSettings
) -> Endpoint:
    return target_endpoint(
        dialect,
        host or DEFAULT_HOST,
        settings.model,
        session_type=settings.session_type,
        headers=_lines(options.header),
    )


def _lines(header: list[str] | str | None) -> list[str]:
    """Header lines; a form field gives them as one text."""
    return header.splitlines() if isinstance(header, str) else header or []


def describe_options(options: Any) -> dict[str, Any]:
    """The options that shape a run, as run.json keeps them."""
    return {name: getattr(options, name, None) for name in _RECORDED}


def plan_hash(options: dict[str, Any], scenario_files: list[str], catalogue: Catalogue) -> str:
    """SHA-256 over everything that makes two runs the same plan: what is asked, not of whom."""
    asked = {name: value for name, value in options.items() if name not in NOT_OF_THE_PLAN}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode())
    for path in scenario_files:
        digest.update(Path(path).read_bytes())
    digest.update((catalogue.directory / MANIFEST_NAME).read_bytes())
    return digest.hexdigest()

"""Turns Locust's parsed options into what every session of a run has in common."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import CODECS
from bench.audio.manifest import MANIFEST_NAME
from bench.dialects.base import ServerVad, SessionSettings, Transcription
from bench.load.arguments import DEFAULT_HOST, check_again
from bench.session.call_plan import CallPlan
from bench.session.dialect_file import find_dialect
from bench.session.frames import FrameStore
from bench.session.target import target_endpoint

_RECORDED = (
    "dialect",
    "header",
    "model",
    "voice",
    "transcription_model",
    "chunk_ms",
    "room_tone_dbfs",
    "vad_silence_ms",
    "vad_threshold",
    "vad_prefix_padding_ms",
    "watchdog_s",
    "connect_timeout_s",
    "warmup_s",
    "num_users",
    "spawn_rate",
    "run_time",
    "tags",
    "exclude_tags",
    "processes",
    "stop_timeout",
)
_NOT_OF_THE_PLAN = frozenset({"header", "stop_timeout"})
"""A header says of whom it is asked; the stop timeout changes no turn but the last."""


def make_call_plan(options: Any, host: str | None) -> CallPlan:
    """Check the options and build what all sessions of this process share.

    Raises:
        Problem: an option, the key or the catalogue is not usable; the message says which.
    """
    check_again(options)
    dialect = find_dialect(options.dialect)
    model = options.model or dialect.default_model
    input_codec = dialect.input_codecs[0]
    transcribes = options.transcription_model or None
    directory = Path(options.fixtures) if options.fixtures else default_directory()
    return CallPlan(
        dialect=dialect,
        endpoint=target_endpoint(
            dialect, host or DEFAULT_HOST, model, headers=_lines(options.header)
        ),
        settings=SessionSettings(
            model=model,
            voice=options.voice or dialect.default_voice,
            turn_detection=ServerVad(
                threshold=options.vad_threshold,
                prefix_padding_ms=options.vad_prefix_padding_ms,
                silence_duration_ms=options.vad_silence_ms,
            ),
            transcription=transcribes and Transcription(transcribes),
            input_codec=input_codec,
            output_codec=dialect.output_codecs[0],
        ),
        frames=FrameStore(dialect, CODECS[input_codec], options.chunk_ms, options.room_tone_dbfs),
        catalogue=Catalogue.open(directory),
        watchdog_s=options.watchdog_s,
        connect_timeout_s=options.connect_timeout_s,
    )


def _lines(header: list[str] | str | None) -> list[str]:
    """Header lines; a form field gives them as one text."""
    return header.splitlines() if isinstance(header, str) else header or []


def describe_options(options: Any) -> dict[str, Any]:
    """The options that shape a run, as run.json keeps them."""
    return {name: getattr(options, name, None) for name in _RECORDED}


def plan_hash(options: dict[str, Any], scenario_files: list[str], catalogue: Catalogue) -> str:
    """SHA-256 over everything that makes two runs the same plan: what is asked, not of whom."""
    asked = {name: value for name, value in options.items() if name not in _NOT_OF_THE_PLAN}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode())
    for path in scenario_files:
        digest.update(Path(path).read_bytes())
    digest.update((catalogue.directory / MANIFEST_NAME).read_bytes())
    return digest.hexdigest()

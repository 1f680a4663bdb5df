"""Turns Locust's parsed options into what every session of a run has in common."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import PCM16
from bench.audio.manifest import MANIFEST_NAME
from bench.dialects import DIALECTS
from bench.dialects.base import ServerVad, SessionSettings, Transcription
from bench.load.arguments import DEFAULT_HOST, check_again
from bench.problem import Problem
from bench.session.frames import FrameStore
from bench.session.realtime import CallPlan
from bench.session.target import target_endpoint

_RECORDED = (
    "dialect",
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
_NOT_OF_THE_PLAN = frozenset({"stop_timeout"})  # it changes no turn but the last


def make_call_plan(options: Any, host: str | None) -> CallPlan:
    """Check the options and build what all sessions of this process share.

    Raises:
        Problem: an option, the key or the catalogue is not usable; the message says which.
    """
    check_again(options)
    dialect = DIALECTS.get(options.dialect)
    if dialect is None:
        raise Problem(f"--dialect {options.dialect!r}: unknown; there are {', '.join(DIALECTS)}")
    transcribes = options.transcription_model or None
    directory = Path(options.fixtures) if options.fixtures else default_directory()
    return CallPlan(
        dialect=dialect,
        endpoint=target_endpoint(dialect, host or DEFAULT_HOST, options.model),
        settings=SessionSettings(
            model=options.model,
            voice=options.voice,
            turn_detection=ServerVad(
                threshold=options.vad_threshold,
                prefix_padding_ms=options.vad_prefix_padding_ms,
                silence_duration_ms=options.vad_silence_ms,
            ),
            transcription=transcribes and Transcription(transcribes),
        ),
        frames=FrameStore(dialect, PCM16, options.chunk_ms, options.room_tone_dbfs),
        catalogue=Catalogue.open(directory),
        watchdog_s=options.watchdog_s,
        connect_timeout_s=options.connect_timeout_s,
    )


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

"""Turns a recording and what methods think of it into labels whose trust is stated. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bench.audio.manifest import Annotation, PauseEntry


@dataclass(frozen=True, slots=True)
class Labels:
    """Where speech starts, ends and pauses, in ms from the first sample, and why to believe it."""

    speech_start_ms: int
    speech_end_ms: int
    pauses: tuple[PauseEntry, ...]
    annotation: Annotation

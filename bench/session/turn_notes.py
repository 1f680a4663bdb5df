"""Turns what a caller does into the labels that the record begins a turn with."""

from __future__ import annotations

from typing import Any

from bench.audio.utterance import Utterance
from bench.dialects.base import SemanticVad, ServerVad, SessionSettings


def clip_labels(utterance: Utterance) -> dict[str, Any]:
    """Labels of a clip; speech and text are null where there is none."""
    return {
        "utterance": utterance.id,
        "category": utterance.category,
        "text": utterance.text,
        "duration_ms": utterance.duration_ms,
        "speech_start_ms": utterance.speech_start_ms,
        "speech_end_ms": utterance.speech_end_ms,
        "pauses": [[pause.start_ms, pause.end_ms] for pause in utterance.pauses],
        "trusted": utterance.trusted,
    }


def request_labels(kind: str, name: str) -> dict[str, Any]:
    """Labels of a turn without a clip: latency counts from the instant of the note."""
    return {
        "utterance": name,
        "category": kind,
        "duration_ms": 0.0,
        "speech_start_ms": 0,
        "speech_end_ms": 0,
        "pauses": [],
        "trusted": True,
    }


def detection_name(settings: SessionSettings) -> str:
    """Who finds the end of a turn: server_vad, semantic_vad, or none but the caller."""
    match settings.turn_detection:
        case ServerVad():
            return "server_vad"
        case SemanticVad():
            return "semantic_vad"
        case None:
            return "none"

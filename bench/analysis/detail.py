"""Turns the small JSON objects of event rows into values, whatever they hold."""

from __future__ import annotations

import functools
import json
from typing import Any

from bench.analysis.moments import REPLY, Label
from bench.dialects.base import Kind
from bench.runs.event import EventRow

LARGEST = 1e12
"""Beyond it no index, no millisecond and no second means anything: 30 years are 1e12 ms."""

MESSAGE_LIMIT = 300
"""Characters kept of what a server or network said."""


def parsed(detail: object) -> dict[str, Any]:
    """The JSON object of a row's `detail`; empty when it holds none, as where it is missing."""
    return _object(detail) if isinstance(detail, str) else {}


@functools.lru_cache(maxsize=4096)
def _object(detail: str) -> dict[str, Any]:
    # Several look at one row, and many rows say the same; nobody changes what it says.
    try:
        value = json.loads(detail)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def number(value: object) -> float | None:
    """A number of at most LARGEST either way, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None


def text(value: object) -> str | None:
    """A string as it is, a number as text, else None."""
    if isinstance(value, str):
        return value or None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else str(value)


def labels_of(row: EventRow) -> Label | None:
    """The labels of an utterance note; None when those that matter are missing."""
    turn, labels = _noted(row.detail) if isinstance(row.detail, str) else (None, None)
    turn = row.turn_index if turn is None else turn
    if turn is None or labels is None:
        return None
    return Label(row.session_id, turn, row.at_ns, row.audio_ms, **labels)


@functools.lru_cache(maxsize=4096)
def _noted(note: str) -> tuple[int | None, dict[str, Any] | None]:
    """The turn and the labels that a note holds: a run says few clips, each many times."""
    detail = parsed(note)
    turn = number(detail.get("turn"))
    kind = text(detail.get("kind")) or "speech"
    speech_start_ms = number(detail.get("speech_start_ms"))
    speech_end_ms = number(detail.get("speech_end_ms"))
    if kind == "sound" and speech_end_ms is None:  # what the server hears for speech is in it
        speech_start_ms, speech_end_ms = 0.0, number(detail.get("duration_ms"))
    if speech_start_ms is None or speech_end_ms is None:
        return None, None
    pauses = detail.get("pauses")
    interrupts = number(detail.get("interrupts"))
    return None if turn is None else int(turn), {
        "utterance": text(detail.get("utterance")) or "",
        "category": text(detail.get("category")) or "",
        "duration_ms": number(detail.get("duration_ms")),
        "speech_start_ms": speech_start_ms,
        "speech_end_ms": speech_end_ms,
        "pauses": _pauses(pauses if isinstance(pauses, list) else []),
        "watchdog_s": number(detail.get("watchdog_s")),
        "trusted": detail.get("trusted") is not False,
        "kind": kind,
        "expects": text(detail.get("expects")) or REPLY,
        "detection": text(detail.get("detection")) or "server_vad",
        "modality": text(detail.get("modality")) or "audio",
        "interrupts": None if interrupts is None else int(interrupts),
        "text": text(detail.get("text")),
    }


def _pauses(values: list[Any]) -> tuple[tuple[float, float], ...]:
    pauses = []
    for value in values:
        ends = [number(end) for end in value] if isinstance(value, list) else []
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            pauses.append((ends[0], ends[1]))
    return tuple(pauses)


def fault_class_of(row: EventRow) -> str:
    """One word for what a row reports as wrong: the server's own code where it gave one."""
    detail = parsed(row.detail)
    match row.kind:
        case Kind.CONNECT_FAILED:
            return text(detail.get("class")) or "connect_failed"
        case Kind.CLOSED:
            return f"closed_by_{text(detail.get('by')) or 'unknown'}"
        case Kind.RESPONSE_DONE:
            status = text(detail.get("status")) or "unknown"
            return text(detail.get("error_code")) or f"response_{status}"
        case Kind.MALFORMED:
            return "malformed"
    return text(detail.get("code")) or text(detail.get("type")) or "error"


def message_of(row: EventRow) -> str:
    """What a row reports as wrong, in the words of who said it; may be empty."""
    detail = parsed(row.detail)
    match row.kind:
        case Kind.CLOSED:
            code, reason = text(detail.get("code")), text(detail.get("reason"))
            said = ", ".join(part for part in (code and f"code {code}", reason) if part)
        case Kind.RESPONSE_DONE:
            said = text(detail.get("reason")) or ""
        case Kind.MALFORMED:
            said = text(detail.get("error")) or "a message that is no known JSON object"
        case _:
            said = text(detail.get("message")) or ""
    return said[:MESSAGE_LIMIT]


def fault_of(row: EventRow) -> str:
    """Class and message in one line."""
    message = message_of(row)
    return f"{fault_class_of(row)}: {message}" if message else fault_class_of(row)

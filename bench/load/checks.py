"""Turns the text of an option into its value, or says what is wrong with it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bench.problem import Problem

T = TypeVar("T")

CODECS = ("pcm16", "pcm16_16k", "pcmu", "pcma")
"""The names of bench.audio.codec, which takes too long to import for a command's help."""

LEAST_USD = 0.000_001


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Turns an option's text into its value; `schema` says in JSON Schema what it may be.

    Calling it raises argparse.ArgumentTypeError for a text that will not do.
    """

    read: Callable[[str], Any]
    schema: dict[str, Any]

    def __call__(self, text: str) -> Any:
        """The value of an option given as `text`."""
        return self.read(text)


def _read_chunk_ms(text: str) -> int:
    value: int = _number(int, text)
    if value not in range(20, 101, 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not 20, 30, … 100 ms")
    return value


def _one_of(*names: str) -> Check:
    def check(text: str) -> str:
        if text not in names:
            known = ", ".join(name for name in names if name)
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}")
        return text

    return Check(check, {"enum": list(names)})


def _or_off(check: Check) -> Check:
    def check_unless_off(text: str) -> Any:
        return None if text in {"", "off"} else check(text)  # a form's empty field is ""

    return Check(check_unless_off, {"anyOf": [check.schema, {"const": "off"}]})


def _matching(pattern: str, what: str) -> Check:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r} is no {what}")
        return text

    return Check(check, {"type": "string", "title": what, "pattern": f"^(?:{pattern})$"})


def _read_room_tone(text: str) -> float | None:
    if text == "off":
        return None
    value: float = _number(float, text)
    if not -100 <= value <= -20:
        raise argparse.ArgumentTypeError(f"{text!r} is not between -100 and -20 dBFS, nor 'off'")
    return value


def _between(kind: type[int] | type[float], low: float, high: float) -> Check:
    def check(text: str) -> int | float:
        value: int | float = _number(kind, text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {low:g} and {high:g}")
        return value

    name = "integer" if kind is int else "number"
    return Check(check, {"type": name, "minimum": low, "maximum": high})


def _number(kind: Any, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


_CODEC = _one_of("", *CODECS)
_DBFS = {"type": "number", "minimum": -100, "maximum": -20}

TIME = _matching(r"\d+|(?=\d)(\d+h)?(\d+m)?(\d+s)?", "time such as 30s, 5m or 1h30m")
"""How long something lasts, as Locust reads it."""

CHECKS: dict[str, Check] = {
    "codec": _CODEC,
    "input_codec": _CODEC,
    "output_codec": _CODEC,
    "session_type": _one_of("realtime", "transcription"),
    "output_modality": _one_of("audio", "text"),
    "language": _matching(
        r"([a-z]{2,3}(-[A-Za-z0-9]{2,8})*)?", "language code such as en or pt-BR"
    ),
    "max_output_tokens": _or_off(_between(int, 1, 1_000_000)),
    "turn_detection": _one_of("server_vad", "semantic_vad", "none"),
    "eagerness": _one_of("auto", "low", "medium", "high"),
    "vad_interrupt": _one_of("on", "off"),
    "vad_idle_timeout_ms": _or_off(_between(int, 1_000, 600_000)),
    "chunk_ms": Check(
        _read_chunk_ms, {"type": "integer", "minimum": 20, "maximum": 100, "multipleOf": 10}
    ),
    "room_tone_dbfs": Check(_read_room_tone, {"anyOf": [_DBFS, {"const": "off"}]}),
    "vad_silence_ms": _between(int, 0, 10_000),
    "vad_threshold": _between(float, 0.0, 1.0),
    "vad_prefix_padding_ms": _between(int, 0, 5_000),
    "watchdog_s": _between(float, 0.5, 600.0),
    "connect_timeout_s": _between(float, 0.1, 600.0),
    "warmup_s": _between(float, 0.0, 86_400.0),
    "record": _between(int, 0, 20),
    "max_usd": _or_off(_between(float, LEAST_USD, 1_000_000.0)),
}


def check_again(options: Any) -> None:
    """Check values once more: Locust's web page sets them without asking our types.

    Raises:
        Problem: a value is out of its range.
    """
    for name, check in CHECKS.items():
        value = getattr(options, name)
        try:
            setattr(options, name, check("off" if value is None else str(value)))
        except argparse.ArgumentTypeError as error:
            raise Problem(f"--{name.replace('_', '-')}: {error}") from None

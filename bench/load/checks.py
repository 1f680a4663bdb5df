"""Turns the text of an option into its value, or says what is wrong with it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import Any

from bench.problem import Problem

CODECS = ("pcm16", "pcm16_16k", "pcmu", "pcma")
"""The names of bench.audio.codec, which takes too long to import for a command's help."""


def _chunk_ms(text: str) -> int:
    value: int = _number(int, text)
    if value not in range(20, 101, 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not 20, 30, … 100 ms")
    return value


def _one_of(*names: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in names:
            known = ", ".join(name for name in names if name)
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {known}")
        return text

    return check


def _or_off(check: Callable[[str], int]) -> Callable[[str], int | None]:
    def check_unless_off(text: str) -> int | None:
        return None if text in {"", "off"} else check(text)  # a form's empty field is ""

    return check_unless_off


def _language(text: str) -> str:
    if text and not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no language code such as en or pt-BR")
    return text


def _room_tone(text: str) -> float | None:
    if text == "off":
        return None
    value: float = _number(float, text)
    if not -100 <= value <= -20:
        raise argparse.ArgumentTypeError(f"{text!r} is not between -100 and -20 dBFS, nor 'off'")
    return value


def _between(kind: type[int] | type[float], low: float, high: float) -> Any:
    def check(text: str) -> int | float:
        value: int | float = _number(kind, text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text!r} is not between {low:g} and {high:g}")
        return value

    return check


def _number(kind: Any, text: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


_CODEC = _one_of("", *CODECS)

CHECKS: dict[str, Callable[[str], Any]] = {
    "codec": _CODEC,
    "input_codec": _CODEC,
    "output_codec": _CODEC,
    "session_type": _one_of("realtime", "transcription"),
    "output_modality": _one_of("audio", "text"),
    "language": _language,
    "max_output_tokens": _or_off(_between(int, 1, 1_000_000)),
    "turn_detection": _one_of("server_vad", "semantic_vad", "none"),
    "eagerness": _one_of("auto", "low", "medium", "high"),
    "vad_interrupt": _one_of("on", "off"),
    "vad_idle_timeout_ms": _or_off(_between(int, 1_000, 600_000)),
    "chunk_ms": _chunk_ms,
    "room_tone_dbfs": _room_tone,
    "vad_silence_ms": _between(int, 0, 10_000),
    "vad_threshold": _between(float, 0.0, 1.0),
    "vad_prefix_padding_ms": _between(int, 0, 5_000),
    "watchdog_s": _between(float, 0.5, 600.0),
    "connect_timeout_s": _between(float, 0.1, 600.0),
    "warmup_s": _between(float, 0.0, 86_400.0),
    "record": _between(int, 0, 20),
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

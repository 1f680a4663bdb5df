"""Turns the tables of a profile file into a Profile."""

from __future__ import annotations

from collections.abc import Mapping

from bench.problem import Problem
from bench.server.profiles.delay import parse_delay
from bench.server.profiles.fault import Fault, parse_fault
from bench.server.profiles.profile import Capacity, Delays, Delivery, Profile, Stall
from bench.server.profiles.reading import (
    Reader,
    read_number,
    read_settings,
    read_text,
    read_whole,
)


def parse_profile(table: Mapping[str, object]) -> Profile:
    """The profile that the tables of a file describe; what is left out is as by default.

    Raises:
        Problem: a key is unknown, or a value will not do; it begins with the path of the key.
    """
    return read_settings(Profile, table, "", _PROFILE)


def _parse_delays(value: object, place: str) -> Delays:
    return read_settings(Delays, value, place, _DELAYS)


def _parse_stall(value: object, place: str) -> Stall:
    return read_settings(Stall, value, place, _STALL)


def _parse_delivery(value: object, place: str) -> Delivery:
    return read_settings(Delivery, value, place, _DELIVERY)


def _parse_capacity(value: object, place: str) -> Capacity:
    return read_settings(Capacity, value, place, _CAPACITY)


def _parse_faults(value: object, place: str) -> tuple[Fault, ...]:
    if not isinstance(value, list):
        raise Problem(f'{place} {value!r} is no list; give one such as ["close_1011:0.1"]')
    faults = []
    for number, text in enumerate(value):
        line = read_text(text, f"{place}[{number}]")
        try:
            faults.append(parse_fault(line))
        except Problem as problem:
            raise Problem(f"{place}[{number}]: {problem}") from None
    return tuple(faults)


_DELAYS: dict[str, Reader] = dict.fromkeys(
    (
        "accept",
        "speech_started",
        "speech_stopped",
        "response_created",
        "reply",
        "transcript",
        "tool_reply",
    ),
    parse_delay,
)
_STALL: dict[str, Reader] = {"share": read_number, "after_ms": read_number, "lasts": parse_delay}
_DELIVERY: dict[str, Reader] = {
    "delta_ms": read_whole,
    "speed": read_number,
    "burst": read_whole,
    "jitter": parse_delay,
    "leading_silence_ms": read_whole,
    "stall": _parse_stall,
}
_CAPACITY: dict[str, Reader] = {
    "knee": read_whole,
    "limit": read_whole,
    "growth": read_number,
    "refusal": read_text,
}
_PROFILE: dict[str, Reader] = {
    "seed": read_whole,
    "session_s": read_number,
    "withhold_speech_stopped_ms": read_number,
    "delays": _parse_delays,
    "delivery": _parse_delivery,
    "capacity": _parse_capacity,
    "faults": _parse_faults,
}

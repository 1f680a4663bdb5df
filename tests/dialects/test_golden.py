"""One conversation, as different servers tell it, is the same events and the same figures.

It has a plain turn, a turn that the caller's next words interrupt, and a turn with a tool.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from openai.types.beta.realtime import RealtimeServerEvent as BetaEvent
from openai.types.realtime import RealtimeServerEvent as GaEvent
from pydantic import TypeAdapter

from bench.analysis.turn import Turn
from bench.analysis.turns import assemble_session
from bench.dialects import DIALECTS
from bench.dialects.base import Dialect, Kind, ServerEvent
from bench.dialects.described import described_dialect
from bench.runs.event import EventRow
from bench.session.dialect_file import find_dialect

FOLDER = Path(__file__).parents[1] / "golden" / "dialects"
WHOLE = [*DIALECTS, "own-words"]
"""Servers that tell everything; Hugging Face's tells some of it, and late."""

# The beta has no word for an item that is done, and names a tool only in its item.
_UNTOLD = {Kind.ITEM_DONE, Kind.BOOKKEEPING}
_SPEECH = [(1_000, 100, 1_700), (8_000, 150, 1_600), (11_000, 150, 1_500)]
"""Of each utterance: when it was said, and where in it speech begins and ends."""


def dialect_of(name: str) -> Dialect:
    own = FOLDER / f"{name}.toml"
    if own.exists():
        return described_dialect(name, tomllib.loads(own.read_text(encoding="utf-8")))
    return find_dialect(name)


def wire(name: str) -> list[tuple[int, dict[str, Any]]]:
    lines = (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [(line["at_ms"], line["event"]) for line in map(json.loads, lines)]


def heard(name: str) -> list[tuple[int, ServerEvent]]:
    """What a dialect makes of its transcript, each event at its instant in ms."""
    dialect = dialect_of(name)
    return [(at_ms, dialect.parse(json.dumps(event).encode())) for at_ms, event in wire(name)]


def canonical(events: list[tuple[int, ServerEvent]]) -> list[dict[str, Any]]:
    """Events without the words of their server."""
    told = []
    for at_ms, event in events:
        if event.kind in _UNTOLD:
            continue
        fields = {**msgspec.structs.asdict(event), "at_ms": at_ms, "kind": event.kind.value}
        told.append(
            {key: fields[key] for key in fields if key != "type" and fields[key] is not None}
        )
    return told


def expected() -> list[dict[str, Any]]:
    lines = (FOLDER / "canonical.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def unnamed(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A tool's call without its name, and an error with the fields that every server gives."""
    for event in told:
        if event["kind"] == Kind.TOOL_CALL:
            event["detail"].pop("name", None)
        if event["kind"] == Kind.ERROR:
            event["detail"] = {key: event["detail"][key] for key in ("code", "message")}
    return told


@pytest.mark.parametrize("name", ["openai", "azure"])
def test_a_ga_transcript_is_told_exactly(name: str) -> None:
    assert canonical(heard(name)) == expected()


@pytest.mark.parametrize("name", WHOLE)
def test_every_server_tells_the_same_events(name: str) -> None:
    assert unnamed(canonical(heard(name))) == unnamed(expected())


@pytest.mark.parametrize("name", [*WHOLE, "hf-speech-to-speech"])
def test_no_event_of_a_transcript_is_unknown(name: str) -> None:
    kinds = {event.kind for _, event in heard(name)}
    assert not kinds & {Kind.UNKNOWN, Kind.MALFORMED}


def test_a_server_that_tells_less_tells_the_same_of_each_turn() -> None:
    of_turns = {
        *(Kind.SESSION_CREATED, Kind.SPEECH_STARTED, Kind.SPEECH_STOPPED),
        *(Kind.INPUT_TRANSCRIPT_DONE, Kind.RESPONSE_CREATED, Kind.OUTPUT_AUDIO_DELTA),
        *(Kind.OUTPUT_AUDIO_DONE, Kind.OUTPUT_TRANSCRIPT_DONE, Kind.TOOL_CALL),
        Kind.RESPONSE_DONE,
    }

    def facts(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
        found = [event for event in told if event["kind"] in of_turns]
        for event in found:
            event.pop("at_ms")  # it tells them late
            event.pop("detail", None)  # and in other words
        return sorted(
            found,
            key=lambda event: (
                event["kind"],
                str(event.get("item_id")),
                event.get("audio", ""),
                str(event.get("response_id")),
            ),
        )

    assert facts(canonical(heard("hf-speech-to-speech"))) == facts(expected())


# figures


def turns(name: str) -> list[Turn]:
    """The turns of a transcript, as analysis finds them; every delta holds 40 ms of sound."""
    rows: list[EventRow] = []

    def add(at_ms: int, kind: Kind, **columns: Any) -> None:
        empty = dict.fromkeys(EventRow._fields)
        known = {"session_id": "w0-00001", "seq": len(rows), "direction": "in", "type": ""}
        columns["detail"] = json.dumps(columns["detail"]) if columns.get("detail") else None
        row = {**empty, **known, "kind": kind.value, "at_ns": at_ms * 1_000_000, **columns}
        rows.append(EventRow(**row))

    def say(index: int) -> None:
        started_ms, start_ms, end_ms = _SPEECH[index]
        detail: dict[str, Any] = {"turn": index, "utterance": f"clip_{index}", "category": "ask"}
        detail |= {"duration_ms": end_ms + 100, "pauses": [], "watchdog_s": 10, "trusted": True}
        detail |= {"speech_start_ms": start_ms, "speech_end_ms": end_ms}
        columns = {"direction": "note", "turn_index": index, "detail": detail}
        add(started_ms, Kind.UTTERANCE, audio_ms=float(started_ms), **columns)

    def end(index: int, at_ms: int) -> None:
        detail = {"turn": index, "reason": "done"}
        add(at_ms, Kind.TURN_ENDED, direction="note", turn_index=index, detail=detail)

    begun = 0
    for at_ms, event in heard(name):
        while begun < len(_SPEECH) and at_ms >= _SPEECH[begun][0]:
            if begun:
                end(begun - 1, _SPEECH[begun][0])
            say(begun)
            begun += 1
        add(
            at_ms,
            event.kind,
            type=event.type,
            item_id=event.item_id,
            response_id=event.response_id,
            server_ms=event.server_ms,
            audio_ms=None if event.audio is None else 40.0,
            silence_ms=None if event.audio is None else 0.0,
            detail=event.detail,
        )
    end(begun - 1, 14_000)
    return assemble_session(rows).turns


def test_the_turns_of_a_transcript_are_these() -> None:
    found = turns("openai")
    assert found[0].outcome == "ok"
    assert [turn.response_id for turn in found[:2]] == ["resp_1", "resp_2"]
    latencies = [
        None if turn.first_audio_ns is None else (turn.first_audio_ns - turn.speech_end_ns) / 1e6
        for turn in found
    ]
    assert latencies[:2] == [3_610 - 2_700, 10_480 - 9_600]
    assert [turn.speech_stopped_ns for turn in found] == [
        3_260_000_000,
        10_140_000_000,
        13_040_000_000,
    ]


@pytest.mark.parametrize("name", WHOLE)
def test_no_figure_depends_on_the_dialect(name: str) -> None:
    assert turns(name) == turns("openai")


def test_a_stop_that_is_held_back_moves_no_latency_from_the_end_of_speech() -> None:
    held, prompt = turns("hf-speech-to-speech"), turns("openai")
    for late, early in zip(held, prompt, strict=True):
        assert late.first_audio_ns == early.first_audio_ns
        assert late.speech_end_ns == early.speech_end_ns
        assert late.outcome == early.outcome
        assert late.cut_off is early.cut_off is False
        assert late.speech_stopped_ns is not None
        assert early.speech_stopped_ns is not None
    assert held[0].speech_stopped_ns == 3_570_000_000  # just before the first audio


# the transcripts themselves

_GA: TypeAdapter[Any] = TypeAdapter(GaEvent)
_BETA: TypeAdapter[Any] = TypeAdapter(BetaEvent)


@pytest.mark.parametrize("name", DIALECTS)
def test_a_transcript_is_what_the_openai_package_describes(name: str) -> None:
    adapter = _BETA if name in {"openai-beta", "azure-preview"} else _GA
    for _, event in wire(name):
        read = adapter.validate_python(event)
        assert read.type == event["type"]
        assert not read.model_extra, event

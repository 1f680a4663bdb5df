"""The keys of a dialect file, checked one by one; a mistake names its place and the mend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.dialects.base import CLIENT_KINDS, CodecName
from bench.dialects.openai import GA_KINDS
from bench.problem import Problem, suggest

RECEIVED_KINDS = {kind.value: kind for kind in GA_KINDS.values()}
SENT_KINDS = {kind.value: kind for kind in CLIENT_KINDS}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class EventTable(_Strict):
    """What one of the server's events is: its kind, and where its fields stand.

    A field is given as a path such as "result.text"; one left out stands where OpenAI has it.
    """

    kind: str
    item_id: str | None = None
    response_id: str | None = None
    session_id: str | None = None
    audio: str | None = None
    audio_start_ms: str | None = None
    audio_end_ms: str | None = None
    transcript: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    status: str | None = None
    reason: str | None = None
    usage: str | None = None
    error_code: str | None = None
    error_message: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return {"kind": value} if isinstance(value, str) else value


class ChangeTable(_Strict):
    """How one of the client's events differs from that of the base; paths start at the event."""

    sent: bool = True
    move: dict[str, str] = {}
    drop: list[str] = []
    drop_null: list[str] = []
    set: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return {"sent": value} if isinstance(value, bool) else value


class DialectTable(_Strict):
    """A dialect file. What it leaves out is as in the dialect that `base` names."""

    url: str = Field(description="where the server usually is; {model} stands for the model")
    base: Literal["openai", "openai-beta"] = "openai"
    transcription_url: str | None = Field(
        default=None, description="the same for sessions that only transcribe"
    )
    model: str | None = Field(default=None, description="the one to ask for unless told")
    voice: str | None = Field(default=None, description="likewise")
    awaits: list[Literal["session_created", "session_updated"]] = Field(
        default=["session_created", "session_updated"],
        description="which of the two the server is known to send",
    )
    commit_answers: bool = Field(
        default=False, description="a commit is answered without a request for a response"
    )
    input_codecs: list[CodecName] = ["pcm16", "pcmu", "pcma"]
    output_codecs: list[CodecName] = ["pcm16", "pcmu", "pcma"]
    subprotocols: list[str] = []
    headers: dict[str, str] = {}
    events: dict[str, EventTable] = {}
    send: dict[str, ChangeTable] = {}


def read_table(table: Mapping[str, Any]) -> DialectTable:
    """The checked content of a file.

    Raises:
        Problem: a key is unknown or missing, or a value will not do. It begins with the path
            of the key; whoever knows the file puts its name before that.
    """
    try:
        read = DialectTable.model_validate(table)
    except ValidationError as error:
        raise Problem(_first_mistake(error)) from None
    for name, event in read.events.items():
        check_word(f"events.{quoted(name)}", event.kind, RECEIVED_KINDS)
    for name in read.send:
        check_word("send", name, SENT_KINDS)
    for place, codecs in (
        ("input_codecs", read.input_codecs),
        ("output_codecs", read.output_codecs),
    ):
        if not codecs:
            raise Problem(f"{place} [] names no codec; give one such as 'pcm16', or leave it out")
    return read


def check_word(place: str, word: str, known: Iterable[str]) -> None:
    """Let a word pass that is among the `known` ones.

    Raises:
        Problem: it is not; the mend is the one it looks like, or all of them.
    """
    names = list(known)
    if word in names:
        return
    raise Problem(f"{place} {word[:60]!r} is not known; {suggest(word, names)}")


_TABLES: dict[str, type[BaseModel]] = {"events": EventTable, "send": ChangeTable}


def _first_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    steps, value = first["loc"], first["input"]
    place = ""
    for step in steps:
        place += f"[{step}]" if isinstance(step, int) else f".{quoted(step)}"
    place = place.lstrip(".")
    match first["type"]:
        case "extra_forbidden":
            inner = _TABLES.get(str(steps[0])) if len(steps) > 1 else DialectTable
            known = (inner or DialectTable).model_fields
            word = str(steps[-1])
            return f"{place} is no known key; {suggest(word, known)}"
        case "missing":
            return f"{place} is missing; give it a value"
        case "literal_error":
            words = re.findall(r"'([^']+)'", first["ctx"]["expected"])
            try:
                check_word(place, str(value), words)
            except Problem as problem:
                return str(problem)
    return f"{place} {_shown(value)} will not do; {first['msg'][0].lower()}{first['msg'][1:]}"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return "(a table)"
    return "(a list)" if isinstance(value, list) else f"{value!r:.60}"


def quoted(key: str) -> str:
    """A key as a TOML file has it."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key[:60]}"'

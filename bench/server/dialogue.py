"""Turns what was said so far, and the tools at hand, into what is said next or a call of a tool.

No language model: known topics have recorded answers, a caller's name is remembered, a tool is
called when the caller's words name it, its output is told, and all else gets a neutral reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.server.conversation import Entry

NEUTRAL = "reply_neutral"
STILL_THERE = "reply_still_there"

_TOPICS = {"train": "reply_train", "lights": "reply_lights", "table": "reply_table"}
"""A word that names a topic, and the clip that answers it."""

_NAME = re.compile(r"\bmy name is ([^.!?\n]{1,80})", re.IGNORECASE)
_NAME_ASKED = re.compile(r"\bwhat(?: i|')s my name\b", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
# No longer than a float can tell exactly; more digits are no quantity anybody says.
_NUMBER = re.compile(r"-?\d{1,15}(?:\.\d{1,15})?")
_VERBS = {"get", "set", "do", "run", "fetch", "find", "look", "lookup", "up", "the", "a", "tool"}
_TOLD_LETTERS = 200


@dataclass(frozen=True, slots=True)
class Say:
    """Words to be spoken or written."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function call; `arguments` is a JSON object as text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Tools:
    """The functions a response may call, and whether it must, as the session or request says."""

    functions: Sequence[Mapping[str, Any]]
    choice: str | Mapping[str, Any] | None


def answer(entries: Sequence[Entry], tools: Tools, recorded: Mapping[str, str]) -> Say | Call:
    """What follows on `entries`, oldest first; `recorded` has the texts of reply clips by id.

    A name told earlier is found in `entries` only: what was deleted or truncated is forgotten.
    """
    last = entries[-1] if entries else None
    said = _last_words(entries)
    if last is not None and last.item["type"] == "function_call_output":
        return Say(f"The answer is {_told(last.text or '')}.")
    call = _call(tools, said)
    if call is not None:
        return call
    if _NAME_ASKED.search(said):
        name = _name(entries)
        return Say(f"Your name is {name}." if name else "I do not know your name yet.")
    introduced = _NAME.search(said)
    if introduced:
        return Say(f"Nice to meet you, {introduced[1].strip()}.")
    words = {word.casefold() for word in _WORD.findall(said)}
    topics = (clip for topic, clip in _TOPICS.items() if topic in words and clip in recorded)
    chosen = next(topics, NEUTRAL if NEUTRAL in recorded else next(iter(recorded)))
    return Say(recorded[chosen])


def _last_words(entries: Sequence[Entry]) -> str:
    """The user's last words if nothing but system messages came after them."""
    for entry in reversed(entries):
        if entry.item.get("role") == "user":
            return entry.text or ""
        if entry.item.get("role") != "system":
            return ""
    return ""


def _name(entries: Sequence[Entry]) -> str | None:
    for entry in reversed(entries):
        found = _NAME.search(entry.text or "") if entry.item.get("role") == "user" else None
        if found:
            return found[1].strip()
    return None


def _told(output: str) -> str:
    """A tool's output as a person would read it out: keys and values without JSON's marks."""
    try:
        told = _flatten(msgspec.json.decode(output))
    except (msgspec.DecodeError, RecursionError):  # No JSON, or nested beyond reading.
        told = output
    return " ".join(told.split())[:_TOLD_LETTERS].rstrip(" .,") or "nothing"


def _flatten(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{str(k).replace('_', ' ')} {_flatten(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(_flatten, value))
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _call(tools: Tools, said: str) -> Call | None:
    functions = [tool for tool in tools.functions if tool.get("type", "function") == "function"]
    named = tools.choice.get("name") if isinstance(tools.choice, Mapping) else None
    if named is not None:
        functions = [tool for tool in functions if tool.get("name") == named]
    elif tools.choice == "none":
        return None
    elif tools.choice != "required":
        functions = [tool for tool in functions if _is_named(str(tool.get("name")), said)]
    if not functions:
        return None
    chosen = next((t for t in functions if _is_named(str(t.get("name")), said)), functions[0])
    arguments = _arguments(chosen.get("parameters"), said)
    return Call(str(chosen.get("name")), msgspec.json.encode(arguments).decode())


def _is_named(tool: str, said: str) -> bool:
    """Whether the caller's words hold one that says what the tool is about."""
    about = {word.casefold() for word in _WORD.findall(_CAMEL.sub(" ", tool).replace("_", " "))}
    return bool((about - _VERBS) & {word.casefold() for word in _WORD.findall(said)})


def _is_said(choice: str, said: str) -> bool:
    """Whether the caller said `choice`, not a longer word that holds it."""
    return re.search(rf"(?<!\w){re.escape(choice)}(?!\w)", said, re.IGNORECASE) is not None


def _arguments(schema: object, said: str) -> dict[str, Any]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict):
        return {}
    return {str(name): _argument(wanted, said) for name, wanted in properties.items()}


def _argument(wanted: object, said: str) -> Any:
    """A value of the wanted type, out of the caller's words where they have one."""
    schema = wanted if isinstance(wanted, dict) else {}
    choices, kind = schema.get("enum"), schema.get("type", "string")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "string")
    if not isinstance(kind, str):
        kind = "string"
    if isinstance(choices, list) and choices:
        return next((choice for choice in choices if _is_said(str(choice), said)), choices[0])
    if kind in {"integer", "number"}:
        number = _NUMBER.search(said)
        found = float(number[0]) if number else 1.0
        return int(found) if kind == "integer" else found
    empty: dict[str, Any] = {"boolean": True, "array": [], "object": {}, "null": None}
    if kind in empty:
        return empty[kind]
    names = [word for word in _WORD.findall(said)[1:] if word[0].isupper() and word != "I"]
    return names[-1] if names else said

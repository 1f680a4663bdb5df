"""Keeps a session's conversation: items in order, found, placed, removed and cut short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bench.server.refusal import Refusal

ROOT = "root"
"""`previous_item_id` of an item that goes before all others."""

CALLER_MS_PER_TOKEN = 100
REPLY_MS_PER_TOKEN = 50
LETTERS_PER_TOKEN = 4
_BASE64_LETTERS_PER_MS = 64

_PARTS_OF_ROLE = {
    "system": {"input_text"},
    "user": {"input_text", "input_audio", "input_image"},
    "assistant": {"output_text", "output_audio"},
}


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    type: Literal["input_text", "input_audio", "input_image", "output_text", "output_audio"]
    text: str | UnsetType | None = UNSET
    audio: str | UnsetType | None = UNSET
    transcript: str | UnsetType | None = UNSET
    image_url: str | UnsetType | None = UNSET
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class _Common(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    id: str | None = None
    object: Literal["realtime.item"] = "realtime.item"
    status: Literal["completed", "incomplete", "in_progress"] = "completed"


class _Message(_Common, tag_field="type", tag="message"):
    role: Literal["system", "user", "assistant"]
    content: list[_Content]


class _FunctionCall(_Common, tag_field="type", tag="function_call"):
    name: str
    arguments: str
    call_id: str | UnsetType = UNSET


class _FunctionCallOutput(_Common, tag_field="type", tag="function_call_output"):
    call_id: str
    output: str


@dataclass(slots=True)
class Entry:
    """One item as the protocol shows it, and what it weighs.

    `audio_ms` is the length of a reply's audio that was sent and not truncated away. `text` is
    what was said in it as far as it is known, or the output of a tool.
    """

    item: dict[str, Any]
    text_tokens: int = 0
    audio_tokens: int = 0
    audio_ms: float = 0.0
    text: str | None = None

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.item["id"])


def text_tokens(text: str) -> int:
    """Tokens of `text`, near enough: four letters each."""
    return -(-len(text) // LETTERS_PER_TOKEN)


def caller_entry(item_id: str, audio_ms: float, text: str | None = None) -> Entry:
    """What the caller said for `audio_ms`: `text` if it was recognised.

    Its transcript is shown to the client only once it was transcribed.
    """
    content = [{"type": "input_audio", "transcript": None}]
    item = _message(item_id, "user", "completed", content)
    tokens = int(audio_ms // CALLER_MS_PER_TOKEN)
    return Entry(item, audio_tokens=tokens, audio_ms=audio_ms, text=text)


def reply_entry(item_id: str) -> Entry:
    """A reply that has just begun."""
    return Entry(_message(item_id, "assistant", "in_progress", []))


def call_entry(item_id: str, call_id: str, name: str) -> Entry:
    """A function call that has just begun."""
    item = {
        "id": item_id,
        "object": "realtime.item",
        "type": "function_call",
        "status": "in_progress",
        "call_id": call_id,
        "name": name,
        "arguments": "",
    }
    return Entry(item)


def client_entry(asked: object, new_id: str) -> Entry:
    """The item of a `conversation.item.create`; `new_id` is its id if it brings none.

    Raises:
        Refusal: it is no item that this server knows.
    """
    if asked is None:
        raise Refusal("missing_required_parameter", "Missing parameter: 'item'.", "item")
    try:
        item = msgspec.convert(asked, _Message | _FunctionCall | _FunctionCallOutput)
    except msgspec.ValidationError as error:
        raise Refusal.of(error, "item") from None
    if item.id is None:
        item.id = new_id
    shown: dict[str, Any] = msgspec.to_builtins(item)
    entry = Entry(shown)
    if isinstance(item, _Message):
        for index, part in enumerate(item.content):
            if part.type not in _PARTS_OF_ROLE[item.role]:
                param = f"item.content[{index}].type"
                raise Refusal(
                    "invalid_value", f"Invalid '{param}': '{part.type}' of {item.role}.", param
                )
            words = part.text or part.transcript or ""
            entry.text_tokens += text_tokens(words)
            entry.text = f"{entry.text or ''} {words}".strip() or None
            if part.audio:
                entry.audio_ms += len(part.audio) / _BASE64_LETTERS_PER_MS
        entry.audio_tokens = int(entry.audio_ms // CALLER_MS_PER_TOKEN)
    elif isinstance(item, _FunctionCall):
        entry.text_tokens = text_tokens(item.arguments)
    else:
        entry.text = item.output
        entry.text_tokens = text_tokens(item.output)
    return entry


def _message(
    item_id: str, role: str, status: str, content: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": content,
    }


class Conversation:
    """Items of one session in order."""

    def __init__(self, conversation_id: str) -> None:
        self.id = conversation_id
        self._entries: list[Entry] = []

    @property
    def last_id(self) -> str | None:
        """Id of the newest item, or None while there is none."""
        return self._entries[-1].id if self._entries else None

    @property
    def entries(self) -> list[Entry]:
        """Everything said so far, oldest first."""
        return list(self._entries)

    def append(self, entry: Entry) -> str | None:
        """Put `entry` last; give back the id of the item before it."""
        previous = self.last_id
        self._entries.append(entry)
        return previous

    def insert(self, entry: Entry, previous_item_id: str | None) -> str | None:
        """Put `entry` after `previous_item_id` ("root": first; None: last), as `append` does.

        Raises:
            Refusal: there is no such item before it, or its own id is taken.
        """
        if any(known.id == entry.id for known in self._entries):
            raise Refusal(
                "item_create_duplicate_item_id",
                f"Error adding item: an item with id '{entry.id}' already exists.",
                "item.id",
            )
        if previous_item_id is None:
            return self.append(entry)
        if previous_item_id == ROOT:
            self._entries.insert(0, entry)
            return None
        place = self._place(
            previous_item_id, "item_create_invalid_previous_item_id", "previous_item_id"
        )
        self._entries.insert(place + 1, entry)
        return previous_item_id

    def before(self, item_id: str) -> str | None:
        """Id of the item before this one; None when it is the first or no longer there."""
        previous = None
        for entry in self._entries:
            if entry.id == item_id:
                return previous
            previous = entry.id
        return None

    def get(self, item_id: str) -> Entry:
        """The entry of one item.

        Raises:
            Refusal: there is no such item.
        """
        return self._entries[self._place(item_id, "item_retrieve_invalid_item_id")]

    def remove(self, item_id: str) -> None:
        """Forget one item.

        Raises:
            Refusal: there is no such item.
        """
        del self._entries[self._place(item_id, "item_delete_invalid_item_id")]

    def truncate(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        """Keep of a reply what was played, `audio_end_ms`; its transcript goes.

        Raises:
            Refusal: there is no such item, it has no such audio, or less of it.
        """
        entry = self._entries[self._place(item_id, "item_truncate_invalid_item_id")]
        content = entry.item.get("content")
        if entry.item.get("role") != "assistant" or not content or content_index != 0:
            raise Refusal(
                "invalid_value", f"Item '{item_id}' has no audio to truncate.", "content_index"
            )
        if audio_end_ms > entry.audio_ms:
            raise Refusal(
                "invalid_value",
                f"Audio content of {entry.audio_ms:.0f}ms is already shorter than "
                f"{audio_end_ms}ms",
                "audio_end_ms",
            )
        content[0].pop("transcript", None)
        entry.text = None
        entry.audio_ms = audio_end_ms
        entry.audio_tokens = -(-audio_end_ms // REPLY_MS_PER_TOKEN)
        entry.text_tokens = 0

    def _place(self, item_id: str, code: str, param: str = "item_id") -> int:
        for place, entry in enumerate(self._entries):
            if entry.id == item_id:
                return place
        raise Refusal(code, f"The item with id '{item_id}' does not exist.", param)

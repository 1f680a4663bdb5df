"""Turns what a response says into the events of its output item: speech, text or a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from bench.server.conversation import (
    REPLY_MS_PER_TOKEN,
    Entry,
    call_entry,
    reply_entry,
    text_tokens,
)
from bench.server.dialogue import Call
from bench.server.outbox import Outbox, Written
from bench.server.voices import Reply

_LETTERS_PER_DELTA = 12


class Output(Protocol):
    """One output item: announced, sent delta by delta, finished once, maybe before its end."""

    entry: Entry

    @property
    def deltas(self) -> int:
        """How many deltas there are."""

    def announce(self, due_ns: int) -> None:
        """Emit what comes before the deltas; `entry` is then as it was told."""

    def send(self, index: int, due_ns: int) -> None:
        """Emit delta `index`."""

    def finish(self, due_ns: int, *, whole: bool) -> None:
        """Emit what comes after the last delta sent; `entry` is then what was said."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an output's events go, and to which response they belong."""

    outbox: Outbox
    response_id: str

    def fields(self, item_id: str) -> dict[str, Any]:
        """What all events of an output item share."""
        return {"response_id": self.response_id, "item_id": item_id, "output_index": 0}

    def head(self, event_type: str, fields: dict[str, Any]) -> str:
        """Text of an event up to its own id: the same for every delta, so encoded once."""
        # Ids need no escaping, so what never changes is text already.
        shared = msgspec.json.encode(fields).decode()[1:-1]
        return f'{{"type":"{event_type}",{shared},"event_id":"'


class _Message:
    """What speech and text have in common: one content part that grows."""

    def __init__(self, place: Place) -> None:
        self.entry = reply_entry(place.outbox.new_id("item"))
        self._place = place
        self._put = place.outbox.put
        self._fields = {**place.fields(self.entry.id), "content_index": 0}

    def _add_part(self, due_ns: int, part: dict[str, Any], content: dict[str, Any]) -> None:
        self._put(due_ns, "response.content_part.added", **self._fields, part=part)
        self.entry.item["content"] = [content]

    def _end(self, due_ns: int, part: dict[str, Any], *, whole: bool) -> None:
        self._put(due_ns, "response.content_part.done", **self._fields, part=part)
        self.entry.item["status"] = "completed" if whole else "incomplete"


class SpokenOutput(_Message):
    """A message of audio and its transcript."""

    def __init__(self, place: Place, reply: Reply, written: Written) -> None:
        """`written` is told when a delta of audio was."""
        super().__init__(place)
        self._reply = reply
        self._written = written
        self._sent = 0
        self._audio_head = place.head("response.output_audio.delta", self._fields)
        self._words_head = place.head("response.output_audio_transcript.delta", self._fields)

    @property
    def deltas(self) -> int:
        """How many deltas there are."""
        return len(self._reply.audio)

    def announce(self, due_ns: int) -> None:
        """Emit that a part of audio follows."""
        self._add_part(
            due_ns,
            {"type": "audio", "transcript": ""},
            {"type": "output_audio", "transcript": ""},
        )

    def send(self, index: int, due_ns: int) -> None:
        """Emit the audio of delta `index`, and the words that begin in it."""
        outbox = self._place.outbox
        audio = (
            f'{self._audio_head}{outbox.new_id("event")}","delta":"{self._reply.audio[index]}"}}'
        )
        outbox.put_text(due_ns, audio, self._written)
        words = self._reply.words[index]
        if words:
            self.entry.text_tokens = text_tokens("".join(self._reply.words[: index + 1]))
            quoted = msgspec.json.encode(words).decode()
            outbox.put_text(
                due_ns, f'{self._words_head}{outbox.new_id("event")}","delta":{quoted}}}'
            )
        # Deltas may be sent out of order or twice.
        self._sent = max(self._sent, index + 1)
        self.entry.audio_ms = self._reply.sent_ms(self._sent)
        self.entry.audio_tokens = -(-int(self.entry.audio_ms) // REPLY_MS_PER_TOKEN)

    def finish(self, due_ns: int, *, whole: bool) -> None:
        """Emit the end of the audio, of its transcript and of the part."""
        transcript = "".join(self._reply.words[: self._sent])
        self.entry.text = transcript
        self.entry.text_tokens = text_tokens(transcript)
        self.entry.item["content"][0]["transcript"] = transcript
        put, fields = self._put, self._fields
        put(due_ns, "response.output_audio.done", **fields)
        put(due_ns, "response.output_audio_transcript.done", **fields, transcript=transcript)
        self._end(due_ns, {"type": "audio", "transcript": transcript}, whole=whole)


class WrittenOutput(_Message):
    """A message of text."""

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(place)
        self._parts = _cut(text)
        self._sent = 0
        self._head = place.head("response.output_text.delta", self._fields)

    @property
    def deltas(self) -> int:
        """How many deltas there are."""
        return len(self._parts)

    def announce(self, due_ns: int) -> None:
        """Emit that a part of text follows."""
        self._add_part(due_ns, {"type": "text", "text": ""}, {"type": "output_text", "text": ""})

    def send(self, index: int, due_ns: int) -> None:
        """Emit delta `index`."""
        outbox = self._place.outbox
        quoted = msgspec.json.encode(self._parts[index]).decode()
        outbox.put_text(due_ns, f'{self._head}{outbox.new_id("event")}","delta":{quoted}}}')
        self._sent = max(self._sent, index + 1)
        self.entry.text_tokens = text_tokens("".join(self._parts[: self._sent]))

    def finish(self, due_ns: int, *, whole: bool) -> None:
        """Emit the end of the text and of the part."""
        text = "".join(self._parts[: self._sent])
        self.entry.text = text
        self.entry.item["content"][0]["text"] = text
        self._put(due_ns, "response.output_text.done", **self._fields, text=text)
        self._end(due_ns, {"type": "text", "text": text}, whole=whole)


class CallOutput:
    """A function call and its arguments."""

    def __init__(self, place: Place, call: Call) -> None:
        call_id = place.outbox.new_id("call")
        self.entry = call_entry(place.outbox.new_id("item"), call_id, call.name)
        self._put = place.outbox.put
        self._fields = {**place.fields(self.entry.id), "call_id": call_id}
        self._name = call.name
        self._parts = _cut(call.arguments)
        self._sent = 0

    @property
    def deltas(self) -> int:
        """How many deltas there are."""
        return len(self._parts)

    def announce(self, due_ns: int) -> None:
        """A call has no parts: nothing comes before its arguments."""

    def send(self, index: int, due_ns: int) -> None:
        """Emit delta `index` of the arguments."""
        event_type = "response.function_call_arguments.delta"
        self._put(due_ns, event_type, **self._fields, delta=self._parts[index])
        self._sent = max(self._sent, index + 1)
        self.entry.text_tokens = text_tokens("".join(self._parts[: self._sent]))

    def finish(self, due_ns: int, *, whole: bool) -> None:
        """Emit the arguments so far as a whole."""
        arguments = "".join(self._parts[: self._sent])
        self.entry.item["arguments"] = arguments
        self.entry.item["status"] = "completed" if whole else "incomplete"
        event_type = "response.function_call_arguments.done"
        self._put(due_ns, event_type, **self._fields, name=self._name, arguments=arguments)


def _cut(text: str) -> list[str]:
    """`text` in pieces as a model streams it; one empty piece where there is nothing to say."""
    step = _LETTERS_PER_DELTA
    return [text[at : at + step] for at in range(0, len(text), step)] or [""]

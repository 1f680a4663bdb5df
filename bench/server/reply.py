"""Turns one drawn turn and its encoded reply into the events of a response, when they are due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from bench.server.conversation import (
    REPLY_MS_PER_TOKEN,
    Conversation,
    Entry,
    reply_entry,
    text_tokens,
)
from bench.server.outbox import Outbox
from bench.server.profile import Profile, Turn
from bench.server.session_settings import ResponseRequest, Session
from bench.server.truth import Record, ResponseTruth
from bench.server.voices import Reply

ANNOUNCE_NS = 20_000_000
"""How long before the audio its output item is announced; half the reply delay if that is less."""

# Nothing is limited here; clients expect to be told figures all the same.
_RATE_LIMITS = [
    {"name": "requests", "limit": 100_000, "remaining": 99_999, "reset_seconds": 0.0},
    {"name": "tokens", "limit": 10_000_000, "remaining": 9_990_000, "reset_seconds": 0.0},
]


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Why a response did not complete, in the protocol's word."""

    reason: str


class Response:
    """One response from `response.created` to `response.done`.

    `anchor_ns` is the instant its reply delay counts from; whoever writes the event it hangs on
    sets it right by `anchor`.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        conversation: Conversation,
        session: Session,
        request: ResponseRequest,
        profile: Profile,
        turn: Turn,
        reply: Reply,
        truth: ResponseTruth,
        record: Record,
        now_ns: int,
    ) -> None:
        """Emit `response.created`; the reply follows as `advance` is called."""
        self.id = truth.response_id
        self.truth = truth
        self.finished = False
        self._outbox = outbox
        self._conversation = conversation
        self._in_conversation = request.conversation != "none"
        self._session = session
        self._request = request
        self._reply = reply
        self._record = record
        self._recorded = False
        self._anchor_ns = now_ns
        self._delay_ns = round(turn.reply_delay_ms * 1e6)
        self._interval_ns = profile.delta_interval_ns
        self._entry: Entry | None = None
        self._next_delta = 0
        self._input_tokens = conversation.tokens()
        # What the next two hold is the same in every delta of this response.
        self._audio_head = ""
        self._words_head = ""
        fields = {"response": self._describe("in_progress", None, None)}
        outbox.put(now_ns, "response.created", written=self._created, **fields)
        outbox.put(now_ns, "rate_limits.updated", rate_limits=_RATE_LIMITS)

    @property
    def next_due_ns(self) -> int:
        """When `advance` has something to send."""
        first_ns = self._anchor_ns + self._delay_ns
        if self._entry is None:
            return first_ns - min(self._delay_ns // 2, ANNOUNCE_NS)
        return first_ns + self._next_delta * self._interval_ns

    @property
    def has_spoken(self) -> bool:
        """Whether any audio was sent."""
        return self._next_delta > 0

    def anchor(self, at_ns: int) -> None:
        """Count the reply delay from `at_ns`."""
        self._anchor_ns = at_ns

    def advance(self, now_ns: int) -> None:
        """Emit everything due by `now_ns`; after the last delta, the end."""
        while not self.finished and (due_ns := self.next_due_ns) <= now_ns:
            if self._entry is None:
                self._entry = self._announce(due_ns)
                continue
            self._send_delta(due_ns)
            if self._next_delta == len(self._reply.audio):
                self._finish(due_ns, "completed", None)

    def cancel(self, now_ns: int, why: Cancelled) -> None:
        """End now, with what was sent so far."""
        self._finish(now_ns, "cancelled", why)

    def abandon(self) -> None:
        """Note that the session ended before the response did; nothing can be sent any more."""
        if not self._recorded:
            self.truth.status = "disconnected"
            self._write_truth()

    def _announce(self, due_ns: int) -> Entry:
        entry = reply_entry(self._outbox.new_id("item"))
        self._outbox.put(
            due_ns,
            "response.output_item.added",
            response_id=self.id,
            output_index=0,
            item=entry.item,
        )
        if self._in_conversation:
            previous = self._conversation.append(entry)
            self._outbox.put(
                due_ns, "conversation.item.added", previous_item_id=previous, item=entry.item
            )
        place = self._content_place(entry)
        part = {"type": "audio", "transcript": ""}
        self._outbox.put(due_ns, "response.content_part.added", **place, part=part)
        entry.item["content"] = [{"type": "output_audio", "transcript": ""}]
        # Ids need no escaping, so the fields that never change are text already.
        fields = msgspec.json.encode(place).decode()[1:-1]
        head = f'{{"type":"response.output_audio%s.delta",{fields},"event_id":"'
        self._audio_head = head % ""
        self._words_head = head % "_transcript"
        return entry

    def _content_place(self, entry: Entry) -> dict[str, Any]:
        return {
            "response_id": self.id,
            "item_id": entry.id,
            "output_index": 0,
            "content_index": 0,
        }

    def _send_delta(self, due_ns: int) -> None:
        index = self._next_delta
        outbox = self._outbox
        base64 = self._reply.audio[index]
        audio = f'{self._audio_head}{outbox.new_id("event")}","delta":"{base64}"}}'
        outbox.put_text(due_ns, audio, self._audio_written)
        words = self._reply.words[index]
        if words:
            quoted = msgspec.json.encode(words).decode()
            text = f'{self._words_head}{outbox.new_id("event")}","delta":{quoted}}}'
            outbox.put_text(due_ns, text)
        self._next_delta = index + 1
        if self._entry is not None:
            self._entry.audio_ms = self._reply.sent_ms(self._next_delta)

    def _finish(self, due_ns: int, status: str, why: Cancelled | None) -> None:
        self.finished = True
        put = self._outbox.put
        if self._entry is not None:
            item = self._entry.item
            transcript = "".join(self._reply.words[: self._next_delta])
            self._entry.text_tokens = text_tokens(transcript)
            self._entry.audio_tokens = -(-int(self._entry.audio_ms) // REPLY_MS_PER_TOKEN)
            item["content"][0]["transcript"] = transcript
            item["status"] = "completed" if why is None else "incomplete"
            place = self._content_place(self._entry)
            put(due_ns, "response.output_audio.done", **place)
            put(due_ns, "response.output_audio_transcript.done", **place, transcript=transcript)
            part = {"type": "audio", "transcript": transcript}
            put(due_ns, "response.content_part.done", **place, part=part)
            put(
                due_ns,
                "response.output_item.done",
                response_id=self.id,
                output_index=0,
                item=item,
            )
            if self._in_conversation:
                previous = self._conversation.before(self._entry.id)
                put(due_ns, "conversation.item.done", previous_item_id=previous, item=item)
        self.truth.status = status
        response = self._describe(status, why, self._usage())
        put(due_ns, "response.done", written=self._done, response=response)

    def _describe(
        self, status: str, why: Cancelled | None, usage: dict[str, Any] | None
    ) -> dict[str, Any]:
        session, asked = self._session, self._request
        output = session.audio.output
        voice = asked.audio.output.voice or output.voice
        limit = asked.max_output_tokens or session.max_output_tokens
        # The response tells a voice by its name only, even where the session has an object.
        name = voice.get("id") if isinstance(voice, dict) else voice
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": status,
            "status_details": None if why is None else {"type": status, "reason": why.reason},
            "output": [] if self._entry is None else [self._entry.item],
            "conversation_id": self._conversation.id if self._in_conversation else None,
            "output_modalities": ["audio"],
            "max_output_tokens": limit,
            "audio": {"output": {"format": msgspec.to_builtins(output.format), "voice": name}},
            "usage": usage,
            "metadata": asked.metadata,
        }

    def _usage(self) -> dict[str, Any]:
        """Tokens of the whole conversation, as each response bills it again; none is cached."""
        text, audio = self._input_tokens
        text += text_tokens(self._request.instructions or self._session.instructions or "")
        out_text = self._entry.text_tokens if self._entry else 0
        out_audio = self._entry.audio_tokens if self._entry else 0
        none_cached = {"text_tokens": 0, "audio_tokens": 0, "image_tokens": 0}
        return {
            "total_tokens": text + audio + out_text + out_audio,
            "input_tokens": text + audio,
            "output_tokens": out_text + out_audio,
            "input_token_details": {
                "text_tokens": text,
                "audio_tokens": audio,
                "image_tokens": 0,
                "cached_tokens": 0,
                "cached_tokens_details": none_cached,
            },
            "output_token_details": {"text_tokens": out_text, "audio_tokens": out_audio},
        }

    def _created(self, at_ns: int) -> None:
        self.truth.response_created_ns = at_ns
        if self.truth.item_id is None:
            self.anchor(at_ns)

    def _audio_written(self, at_ns: int) -> None:
        truth = self.truth
        if truth.first_audio_ns is None:
            truth.first_audio_ns = at_ns
        truth.last_audio_ns = at_ns
        truth.deltas += 1

    def _done(self, _at_ns: int) -> None:
        self._write_truth()

    def _write_truth(self) -> None:
        if not self._recorded:
            self._recorded = True
            self._record(self.truth)

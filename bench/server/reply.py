"""Turns one output and its drawn delays into the events of a response, when they are due."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from bench.server.context import Tokens, usage
from bench.server.conversation import Conversation, Entry
from bench.server.outbox import Outbox
from bench.server.output import Output
from bench.server.profiles.fault import Fault
from bench.server.reply_fault import ReplyFault
from bench.server.session_settings import ResponseRequest, Session
from bench.server.truth import Record, ResponseTruth

ANNOUNCE_NS = 20_000_000
"""How long before the audio its output item is announced; half the reply delay if that is less."""

# Nothing is limited here; clients expect to be told figures all the same.
_RATE_LIMITS = [
    {"name": "requests", "limit": 100_000, "remaining": 99_999, "reset_seconds": 0.0},
    {"name": "tokens", "limit": 10_000_000, "remaining": 9_990_000, "reset_seconds": 0.0},
]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a response ended, in the protocol's words."""

    status: str
    reason: str | None = None
    error: dict[str, Any] | None = None

    @property
    def details(self) -> dict[str, Any] | None:
        """The `status_details`; a completed response has none."""
        if self.status == "completed":
            return None
        told = {"type": self.status, "reason": self.reason, "error": self.error}
        return {name: value for name, value in told.items() if value is not None}


COMPLETED = Ending("completed")
TURN_DETECTED = Ending("cancelled", "turn_detected")
CLIENT_CANCELLED = Ending("cancelled", "client_cancelled")
TOKENS_SPENT = Ending("incomplete", "max_output_tokens")
RATE_LIMITED = Ending(
    "failed",
    error={
        "type": "invalid_request_error",
        "code": "rate_limit_exceeded",
        "message": "Rate limit reached for requests per minute; try again in 12 s.",
    },
)

# Faults that end a response when its audio is due.
_ENDINGS = {"audio_less": COMPLETED, "rate_limit_error": RATE_LIMITED}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a response is made from: the session and request it follows, and what it bills."""

    session: Session
    request: ResponseRequest
    given: Tokens
    cached: Tokens

    @property
    def in_conversation(self) -> bool:
        """Whether its output becomes part of the conversation."""
        return self.request.conversation != "none"

    @property
    def modalities(self) -> list[str]:
        """What it answers in."""
        return list(self.request.output_modalities or self.session.output_modalities)

    @property
    def token_limit(self) -> int | str | None:
        """Most tokens of its output."""
        return self.request.max_output_tokens or self.session.max_output_tokens

    def audio(self) -> dict[str, Any]:
        """Format and voice of its audio as the protocol tells them."""
        session, request = self.session.audio.output, self.request.audio.output
        voice = request.voice or session.voice
        # The response tells a voice by its name only, even where the session has an object.
        name = voice.get("id") if isinstance(voice, dict) else voice
        output_format = msgspec.to_builtins(request.format or session.format)
        return {"output": {"format": output_format, "voice": name}}


@dataclass(frozen=True, slots=True)
class Timing:
    """When a response speaks: `delay_ns` after its anchor, then a delta at each of `offsets_ns`.

    Offsets count from the first delta and never fall; more deltas than offsets go on at the
    last interval.
    """

    delay_ns: int
    offset_ns: Callable[[int], int]


class Response:
    """One response from `response.created` to `response.done`.

    `anchor_ns` is the instant its reply delay counts from; whoever writes the event it hangs on
    sets it right by `count_from`.
    """

    def __init__(
        self,
        *,
        outbox: Outbox,
        conversation: Conversation,
        asked: Asked,
        timing: Timing,
        output: Output,
        truth: ResponseTruth,
        record: Record,
        now_ns: int,
        fault: Fault | None = None,
    ) -> None:
        """Emit `response.created`; the rest follows as `advance` is called."""
        self.id = truth.response_id
        self.truth = truth
        self.finished = False
        self._outbox = outbox
        self._conversation = conversation
        self._asked = asked
        self._timing = timing
        self._output = output
        self._record = record
        self._recorded = False
        self._anchor_ns = now_ns
        self._announced = False
        self._next_delta = 0
        self._at_once = _ENDINGS.get(fault.kind) if fault else None
        self._fault = ReplyFault(fault, outbox, output) if fault else None
        fields = {"response": self._describe(Ending("in_progress"), None)}
        outbox.put(now_ns, "response.created", written=self._created, **fields)
        outbox.put(now_ns, "rate_limits.updated", rate_limits=_RATE_LIMITS)

    @property
    def next_due_ns(self) -> int:
        """When `advance` has something to send."""
        delay_ns = self._timing.delay_ns
        first_ns = self._anchor_ns + delay_ns
        if not self._announced:
            return first_ns - min(delay_ns // 2, ANNOUNCE_NS)
        return first_ns + self._timing.offset_ns(self._next_delta)

    @property
    def has_spoken(self) -> bool:
        """Whether any audio was sent."""
        return self._output.entry.audio_ms > 0

    @property
    def in_conversation(self) -> bool:
        """Whether it belongs to the conversation, which has one such response at a time."""
        return self._asked.in_conversation

    @property
    def played_ms(self) -> float:
        """Length of the audio sent."""
        return self._output.entry.audio_ms

    def count_from(self, stopped_ns: int) -> None:
        """Count the reply delay from the instant at which `speech_stopped` was written."""
        self.truth.speech_stopped_ns = stopped_ns
        self._anchor_ns = stopped_ns

    def advance(self, now_ns: int) -> None:
        """Emit everything due by `now_ns`; after the last delta, the end."""
        while not self.finished and (due_ns := self.next_due_ns) <= now_ns:
            if self._at_once is not None:
                self.end(due_ns, self._at_once)
                return
            if not self._announced:
                self._announce(due_ns)
                continue
            sent = 0
            if self._fault is not None:
                offset_ms = self._timing.offset_ns(self._next_delta) / 1e6
                sent = self._fault.strike(self._next_delta, offset_ms, due_ns)
            if not sent:
                self._output.send(self._next_delta, due_ns)
            self._next_delta += sent or 1
            if self._is_spent():
                self.end(due_ns, TOKENS_SPENT)
            elif self._next_delta == self._output.deltas:
                self.end(due_ns, COMPLETED)

    def end(self, now_ns: int, ending: Ending) -> None:
        """End now, with what was sent so far."""
        self.finished = True
        put, entry = self._outbox.put, self._output.entry
        if self._announced:
            whole = ending.status == "completed"
            self._output.finish(now_ns, whole=whole)
            put(
                now_ns,
                "response.output_item.done",
                response_id=self.id,
                output_index=0,
                item=entry.item,
            )
            if self.in_conversation:
                previous = self._conversation.before(entry.id)
                event_type = "conversation.item.done"
                put(now_ns, event_type, previous_item_id=previous, item=entry.item)
        self.truth.status = ending.status
        response = self._describe(ending, self._usage())
        put(now_ns, "response.done", written=self._done, response=response)

    def abandon(self) -> None:
        """Note that the session ended before the response did; nothing can be sent any more."""
        if not self._recorded:
            self.truth.status = "disconnected"
            self._write_truth()

    def _announce(self, due_ns: int) -> None:
        self._announced = True
        entry = self._output.entry
        self._outbox.put(
            due_ns,
            "response.output_item.added",
            response_id=self.id,
            output_index=0,
            item=entry.item,
        )
        if self.in_conversation:
            previous = self._conversation.append(entry)
            self._outbox.put(
                due_ns, "conversation.item.added", previous_item_id=previous, item=entry.item
            )
        self._output.announce(due_ns)

    def _is_spent(self) -> bool:
        limit = self._asked.token_limit
        more = self._next_delta < self._output.deltas
        return isinstance(limit, int) and more and _said(self._output.entry).total >= limit

    def _describe(self, ending: Ending, billed: dict[str, Any] | None) -> dict[str, Any]:
        asked = self._asked
        return {
            "id": self.id,
            "object": "realtime.response",
            "status": ending.status,
            "status_details": None if ending.status == "in_progress" else ending.details,
            "output": [self._output.entry.item] if self._announced else [],
            "conversation_id": self._conversation.id if self.in_conversation else None,
            "output_modalities": asked.modalities,
            "max_output_tokens": asked.token_limit,
            "audio": asked.audio(),
            "usage": billed,
            "metadata": asked.request.metadata,
        }

    def _usage(self) -> dict[str, Any]:
        said = _said(self._output.entry) if self._announced else Tokens()
        return usage(self._asked.given, self._asked.cached, said)

    def _created(self, at_ns: int) -> None:
        self.truth.response_created_ns = at_ns
        if self.truth.item_id is None:
            self._anchor_ns = at_ns

    def _done(self, _at_ns: int) -> None:
        self._write_truth()

    def _write_truth(self) -> None:
        if not self._recorded:
            self._recorded = True
            self._record(self.truth)


def _said(entry: Entry) -> Tokens:
    return Tokens(entry.text_tokens, entry.audio_tokens)

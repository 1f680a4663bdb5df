"""Turns one session's client events and the passing of time into its server events.

No socket and no clock: the caller brings messages and the time, writes what it is given, and
tells when the bytes were handed over to whom it concerns (`Outgoing.written`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from bench.server.client_event import APPEND, Append, as_append, parse
from bench.server.conversation import Conversation, client_entry
from bench.server.input_audio import InputAudio, Listeners, Segment, announce_item
from bench.server.outbox import Outbox, Outgoing
from bench.server.profile import Profile
from bench.server.refusal import Refusal
from bench.server.reply import Cancelled, Response
from bench.server.session_settings import ResponseRequest, Session, response_request
from bench.server.truth import Record, ResponseTruth, SegmentTruth
from bench.server.voices import Voices


class Responder:
    """The protocol of one session.

    `ordinal` counts the connections of the process from 0; with the profile's seed it decides
    every delay. `record` takes lines for the ground-truth log.
    """

    def __init__(
        self,
        *,
        session_id: str,
        ordinal: int,
        model: str,
        profile: Profile,
        voices: Voices,
        record: Record,
    ) -> None:
        tag = session_id.removeprefix("sess_")
        self.session_id = session_id
        self.session = Session(model=model)
        self._ordinal = ordinal
        self._profile = profile
        self._voices = voices
        self._record = record
        self._outbox = Outbox(tag)
        self._conversation = Conversation(f"conv_{tag}")
        self._response: Response | None = None
        self._turns = 0
        self._has_spoken = False
        self._transcriptions: deque[tuple[int, str]] = deque()
        self._input = InputAudio(
            session_id=session_id,
            outbox=self._outbox,
            conversation=self._conversation,
            record=record,
            listeners=Listeners(self._interrupt, self._answer, self._transcribe),
        )
        self._handlers: dict[str, Callable[[dict[str, Any], int], None]] = {
            "session.update": self._update_session,
            APPEND: lambda event, now_ns: self._input.append(as_append(event), now_ns),
            "input_audio_buffer.commit": self._input.commit,
            "input_audio_buffer.clear": self._input.clear,
            "conversation.item.create": self._create_item,
            "conversation.item.retrieve": self._retrieve_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "response.create": self._create_response,
            "response.cancel": self._cancel_response,
        }

    def open(self, now_ns: int) -> list[Outgoing]:
        """What a client is greeted with."""
        self._input.tune(self.session.turn_detection)
        self._outbox.put(now_ns, "session.created", session=self._describe_session())
        return self._outbox.take()

    def receive(self, message: bytes | str | dict[str, Any], now_ns: int) -> list[Outgoing]:
        """Answer one client event, as it came or as a dictionary."""
        event: Append | dict[str, Any] | None = None
        try:
            event = message if isinstance(message, dict) else parse(message)
            if isinstance(event, Append):
                self._input.append(event, now_ns)
            else:
                self._handle(event, now_ns)
        except Refusal as refusal:
            self._refuse(refusal, _event_id(event), now_ns)
        return self._outbox.take()

    def advance(self, now_ns: int) -> list[Outgoing]:
        """Everything that is due by `now_ns`."""
        while self._transcriptions and self._transcriptions[0][0] <= now_ns:
            self._fail_transcription(*self._transcriptions.popleft())
        if self._response is not None:
            self._response.advance(now_ns)
            self._has_spoken = self._has_spoken or self._response.has_spoken
        return self._outbox.take()

    def next_due_ns(self) -> int | None:
        """When to call `advance`, or None while nothing is planned."""
        due_ns = self._transcriptions[0][0] if self._transcriptions else None
        response = self._active_response()
        if response is None:
            return due_ns
        return response.next_due_ns if due_ns is None else min(due_ns, response.next_due_ns)

    def close(self) -> None:
        """Log the response that the end of the session cut off, if any."""
        if self._response is not None:
            self._response.abandon()

    def _handle(self, event: dict[str, Any], now_ns: int) -> None:
        name = event.get("type")
        handler = self._handlers.get(name) if isinstance(name, str) else None
        if handler is None:
            raise Refusal(
                "invalid_value",
                f"Invalid value: {name!r:.200}. Supported values are: "
                + ", ".join(f"'{known}'" for known in self._handlers),
                "type",
            )
        handler(event, now_ns)

    def _refuse(self, refusal: Refusal, event_id: str | None, now_ns: int) -> None:
        error = {
            "type": "invalid_request_error",
            "code": refusal.code,
            "message": refusal.message,
            "param": refusal.param,
            "event_id": event_id,
        }
        self._outbox.put(now_ns, "error", error=error)

    # Session

    def _describe_session(self) -> dict[str, Any]:
        settings: dict[str, Any] = msgspec.to_builtins(self.session)
        return {"object": "realtime.session", "id": self.session_id, **settings}

    def _update_session(self, event: dict[str, Any], now_ns: int) -> None:
        patch = event.get("session")
        if not isinstance(patch, dict):
            raise Refusal("missing_required_parameter", "Missing parameter: 'session'.", "session")
        session = self.session.updated(patch)
        if self._has_spoken and session.audio.output.voice != self.session.audio.output.voice:
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session.audio.output.voice",
            )
        self.session = session
        self._input.tune(self.session.turn_detection)
        self._outbox.put(now_ns, "session.updated", session=self._describe_session())

    # What the ears tell

    def _interrupt(self, now_ns: int) -> None:
        detection = self.session.turn_detection
        response = self._active_response()
        if response is not None and detection is not None and detection.interrupt_response:
            response.cancel(now_ns, Cancelled("turn_detected"))

    def _answer(self, segment: Segment, now_ns: int) -> None:
        detection = self.session.turn_detection
        if detection is None or not detection.create_response:
            return
        try:
            segment.response = self._begin_response(ResponseRequest(), now_ns, segment.truth)
        except Refusal as refusal:  # A reply that may not be interrupted is still being sent.
            self._refuse(refusal, None, now_ns)

    def _transcribe(self, item_id: str, now_ns: int) -> None:
        if self.session.audio.input.transcription is not None:
            delay_ns = round(self._profile.transcript_delay_ms * 1e6)
            self._transcriptions.append((now_ns + delay_ns, item_id))

    def _fail_transcription(self, due_ns: int, item_id: str) -> None:
        # Nothing is recognised here, and "" would claim that nothing was said.
        error = {
            "type": "server_error",
            "code": "transcription_not_offered",
            "message": "This server does not recognise speech.",
            "param": None,
        }
        self._outbox.put(
            due_ns,
            "conversation.item.input_audio_transcription.failed",
            item_id=item_id,
            content_index=0,
            error=error,
        )

    # Conversation

    def _create_item(self, event: dict[str, Any], now_ns: int) -> None:
        entry = client_entry(event.get("item"), self._outbox.new_id("item"))
        after = event.get("previous_item_id")
        previous = self._conversation.insert(entry, None if after is None else str(after))
        announce_item(self._outbox, entry, previous, now_ns)

    def _retrieve_item(self, event: dict[str, Any], now_ns: int) -> None:
        entry = self._conversation.get(_text(event, "item_id"))
        self._outbox.put(now_ns, "conversation.item.retrieved", item=entry.item)

    def _delete_item(self, event: dict[str, Any], now_ns: int) -> None:
        item_id = _text(event, "item_id")
        self._conversation.remove(item_id)
        self._outbox.put(now_ns, "conversation.item.deleted", item_id=item_id)

    def _truncate_item(self, event: dict[str, Any], now_ns: int) -> None:
        item_id = _text(event, "item_id")
        content_index = _whole(event, "content_index")
        audio_end_ms = _whole(event, "audio_end_ms")
        self._conversation.truncate(item_id, content_index, audio_end_ms)
        self._outbox.put(
            now_ns,
            "conversation.item.truncated",
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=audio_end_ms,
        )

    # Responses

    def _active_response(self) -> Response | None:
        response = self._response
        return None if response is None or response.finished else response

    def _create_response(self, event: dict[str, Any], now_ns: int) -> None:
        self._begin_response(response_request(event.get("response")), now_ns, None)

    def _begin_response(
        self, request: ResponseRequest, now_ns: int, heard: SegmentTruth | None
    ) -> Response:
        active = self._active_response()
        if active is not None:
            raise Refusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        turn = self._profile.turn(self._ordinal, self._turns)
        self._turns += 1
        truth = ResponseTruth(self.session_id, self._outbox.new_id("resp"), turn.reply_delay_ms)
        if heard is not None:
            truth.item_id = heard.item_id
            truth.audio_end_ms, truth.heard_ns = heard.audio_end_ms, heard.heard_ns
        self._response = Response(
            outbox=self._outbox,
            conversation=self._conversation,
            session=self.session,
            request=request,
            profile=self._profile,
            turn=turn,
            reply=self._voices.choose(turn.choice),
            truth=truth,
            record=self._record,
            now_ns=now_ns,
        )
        return self._response

    def _cancel_response(self, event: dict[str, Any], now_ns: int) -> None:
        response = self._active_response()
        asked = event.get("response_id")
        if response is None or (asked is not None and asked != response.id):
            raise Refusal(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        response.cancel(now_ns, Cancelled("client_cancelled"))


def _event_id(event: Append | dict[str, Any] | None) -> str | None:
    if isinstance(event, Append):
        return event.event_id
    event_id = event.get("event_id") if event else None
    return event_id if isinstance(event_id, str) else None


def _text(event: dict[str, Any], field: str) -> str:
    value = event.get(field)
    if not isinstance(value, str):
        raise Refusal("missing_required_parameter", f"Missing parameter: '{field}'.", field)
    return value


def _whole(event: dict[str, Any], field: str) -> int:
    value = event.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refusal("invalid_type", f"Invalid '{field}': expected a whole number.", field)
    return value

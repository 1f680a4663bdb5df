"""Turns one session's client events and the passing of time into its server events.

No socket and no clock: the caller brings messages and the time, writes what it is given, and
tells when the bytes were handed over to whom it concerns (`Outgoing.written`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from bench.server.agenda import Agenda
from bench.server.client_event import APPEND, Append, as_append, parse
from bench.server.context import Tokens, cached_of, fit, tokens_of
from bench.server.conversation import Conversation, Entry, client_entry, text_tokens
from bench.server.dialogue import STILL_THERE, Call, Say, Tools, answer
from bench.server.hearing.turns import Ear
from bench.server.input_audio import (
    InputAudio,
    Listeners,
    Recognise,
    Segment,
    announce_item,
)
from bench.server.outbox import Outbox, Outgoing
from bench.server.output import CallOutput, Output, Place, SpokenOutput, WrittenOutput
from bench.server.profile import Profile
from bench.server.refusal import Refusal
from bench.server.reply import CLIENT_CANCELLED, TURN_DETECTED, Asked, Response, Timing
from bench.server.session_settings import (
    AnySession,
    ResponseRequest,
    Session,
    response_request,
    turn_detection,
)
from bench.server.truth import Record, ResponseTruth, SegmentTruth
from bench.server.voices import Voices

CONTEXT_TOKENS = 28_672
"""What the documented models take of a conversation."""

_MS = 1_000_000
_WORDS_PER_TRANSCRIPT_DELTA = 3


@dataclass(frozen=True, slots=True)
class Mind:
    """What all sessions of a process share: voices, ears, and how speech is recognised."""

    profile: Profile
    voices: Voices
    new_ear: Callable[[int], Ear]
    recognise: Recognise


class Responder:
    """The protocol of one session.

    `ordinal` counts the connections of the process from 0; with the profile's seed it decides
    every delay. `record` takes lines for the ground-truth log.
    """

    def __init__(
        self, *, session_id: str, ordinal: int, session: AnySession, mind: Mind, record: Record
    ) -> None:
        tag = session_id.removeprefix("sess_")
        self.session_id = session_id
        self.session = session
        self._ordinal = ordinal
        self._mind = mind
        self._record = record
        self._outbox = Outbox(tag)
        self._agenda = Agenda()
        self._conversation = Conversation(f"conv_{tag}")
        self._responses: list[Response] = []
        self._turns = 0
        self._has_spoken = False
        self._billed = Tokens()
        self._idle_plan: int | None = None
        self._input = InputAudio(
            session_id=session_id,
            outbox=self._outbox,
            conversation=self._conversation,
            record=record,
            listeners=Listeners(self._interrupt, self._answer, self._transcribe),
            new_ear=mind.new_ear,
            recognise=mind.recognise,
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
        self._tune()
        self._outbox.put(
            now_ns, "session.created", session=describe_session(self.session, self.session_id)
        )
        expiry_ns = now_ns + round(self._mind.profile.session_s * 1e9)
        self._agenda.plan(expiry_ns, self._expire)
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

    def hear(self, now_ns: int) -> list[Outgoing]:
        """Act on what the ear has found since its audio was appended."""
        self._input.hear(now_ns)
        return self._outbox.take()

    def advance(self, now_ns: int) -> list[Outgoing]:
        """Everything that is due by `now_ns`."""
        self._agenda.carry_out(now_ns)
        for response in self._responses:
            response.advance(now_ns)
            self._has_spoken = self._has_spoken or response.has_spoken
            if response.finished:
                self._await_caller(response, now_ns)
        self._forget_finished()
        return self._outbox.take()

    def next_due_ns(self) -> int | None:
        """When to call `advance`, or None while nothing is planned."""
        due_ns = [response.next_due_ns for response in self._responses]
        if self._agenda.next_due_ns is not None:
            due_ns.append(self._agenda.next_due_ns)
        return min(due_ns, default=None)

    def is_idle(self) -> bool:
        """Whether no response is under way and the caller does not speak."""
        return not self._responses and not self._input.speaking

    def close(self) -> None:
        """Log the responses that the end of the session cut off, and stop listening."""
        for response in self._responses:
            response.abandon()
        self._input.close()

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

    def _update_session(self, event: dict[str, Any], now_ns: int) -> None:
        patch = event.get("session")
        if not isinstance(patch, dict):
            raise Refusal("missing_required_parameter", "Missing parameter: 'session'.", "session")
        session = self.session.updated(patch)
        if self._has_spoken and _voice(session) != _voice(self.session):
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session.audio.output.voice",
            )
        self.session = session
        self._tune()
        self._outbox.put(
            now_ns, "session.updated", session=describe_session(self.session, self.session_id)
        )

    def _tell_session(self, event_type: str, now_ns: int) -> None:
        shown = describe_session(self.session, self.session_id)
        self._outbox.put(now_ns, event_type, session=shown)

    def _tune(self) -> None:
        detection = turn_detection(self.session)
        self._input.tune(self.session.audio.input.format.codec, detection)
        if detection is None or detection.idle_timeout_ms is None:
            self._caller_is_here()

    def _expire(self, due_ns: int) -> None:
        minutes = self._mind.profile.session_s / 60
        message = f"Your session hit the maximum duration of {minutes:g} minutes."
        self._refuse(Refusal("session_expired", message), None, due_ns)
        self._outbox.close(due_ns, 1001, "session expired")

    # What the ears tell

    def _interrupt(self, now_ns: int) -> None:
        self._caller_is_here()
        detection = turn_detection(self.session)
        response = self._active_response()
        if response is not None and detection is not None and detection.interrupt_response:
            response.end(now_ns, TURN_DETECTED)
            self._forget_finished()

    def _answer(self, segment: Segment, now_ns: int) -> None:
        detection = turn_detection(self.session)
        if detection is None or not detection.create_response:
            return
        try:
            segment.response = self._begin_response(ResponseRequest(), now_ns, segment.truth)
        except Refusal as refusal:  # A reply that may not be interrupted is still being sent.
            self._refuse(refusal, None, now_ns)

    def _await_caller(self, response: Response, now_ns: int) -> None:
        """Count the idle time from the end of the reply's audio, as it will be played."""
        detection = turn_detection(self.session)
        if detection is None or detection.idle_timeout_ms is None or not response.in_conversation:
            return
        self._caller_is_here()
        idle_ms = response.played_ms + detection.idle_timeout_ms
        self._idle_plan = self._agenda.plan(now_ns + round(idle_ms * _MS), self._ask_if_there)

    def _caller_is_here(self) -> None:
        if self._idle_plan is not None:
            self._agenda.drop(self._idle_plan)
            self._idle_plan = None

    def _ask_if_there(self, due_ns: int) -> None:
        self._idle_plan = None
        if self._input.speaking or self._active_response() is not None:
            return
        self._input.commit_silence(due_ns)
        recorded = self._mind.voices.recorded
        question = Say(recorded.get(STILL_THERE, next(iter(recorded.values()))))
        self._begin_response(ResponseRequest(), due_ns, None, question)

    def _transcribe(self, entry: Entry, now_ns: int) -> None:
        if self.session.audio.input.transcription is None:
            return
        due_ns = now_ns + round(self._mind.profile.transcript_delay_ms * _MS)
        tell = self._fail_transcription if entry.text is None else self._tell_transcript
        self._agenda.plan(due_ns, partial(tell, entry))

    def _tell_transcript(self, entry: Entry, due_ns: int) -> None:
        text = entry.text or ""
        name = "conversation.item.input_audio_transcription"
        place: dict[str, Any] = {"item_id": entry.id, "content_index": 0}
        words = text.split(" ")
        for at in range(0, len(words), _WORDS_PER_TRANSCRIPT_DELTA):
            some = " ".join(words[at : at + _WORDS_PER_TRANSCRIPT_DELTA])
            delta = f" {some}" if at else some
            self._outbox.put(due_ns, f"{name}.delta", **place, delta=delta)
        entry.item["content"][0]["transcript"] = text
        billed = {"type": "duration", "seconds": round(entry.audio_ms / 1000, 3)}
        self._outbox.put(due_ns, f"{name}.completed", **place, transcript=text, usage=billed)

    def _fail_transcription(self, entry: Entry, due_ns: int) -> None:
        # "" would claim that nothing was said.
        error = {
            "type": "server_error",
            "code": "transcription_failed",
            "message": "This server recognises its catalogue's utterances only.",
            "param": None,
        }
        self._outbox.put(
            due_ns,
            "conversation.item.input_audio_transcription.failed",
            item_id=entry.id,
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
        """The response of the conversation; those beside it do not count."""
        return next((r for r in self._responses if r.in_conversation and not r.finished), None)

    def _forget_finished(self) -> None:
        if any(response.finished for response in self._responses):
            self._responses = [r for r in self._responses if not r.finished]

    def _create_response(self, event: dict[str, Any], now_ns: int) -> None:
        if not isinstance(self.session, Session):
            raise Refusal("invalid_value", "A transcription session has no responses.", "type")
        self._begin_response(response_request(event.get("response")), now_ns, None)

    def _begin_response(
        self,
        request: ResponseRequest,
        now_ns: int,
        heard: SegmentTruth | None,
        said: Say | None = None,
    ) -> Response:
        assert isinstance(self.session, Session), "transcription sessions never answer"
        active = self._active_response()
        if active is not None and request.conversation != "none":
            raise Refusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        entries = self._entries_for(request)
        asked = self._asked(request, entries)
        profile, outbox = self._mind.profile, self._outbox
        turn = profile.turn(self._ordinal, self._turns)
        self._turns += 1
        truth = ResponseTruth(self.session_id, outbox.new_id("resp"), turn.reply_delay_ms)
        if heard is not None:
            truth.item_id = heard.item_id
            truth.audio_end_ms, truth.heard_ns = heard.audio_end_ms, heard.heard_ns
        choice = said or answer(entries, self._tools(request), self._mind.voices.recorded)
        interval_ns = profile.delta_interval_ns
        response = Response(
            outbox=outbox,
            conversation=self._conversation,
            asked=asked,
            timing=Timing(round(turn.reply_delay_ms * _MS), lambda index: index * interval_ns),
            output=self._output(asked, choice, truth),
            truth=truth,
            record=self._record,
            now_ns=now_ns,
        )
        self._responses.append(response)
        return response

    def _entries_for(self, request: ResponseRequest) -> list[Entry]:
        """What the response is to follow on: the conversation, or what the client gives it."""
        if request.input is None:
            return self._conversation.entries
        entries = []
        for item in request.input:
            if item.get("type") == "item_reference":
                entries.append(self._conversation.get(_text(item, "id")))
            else:
                entries.append(client_entry(item, self._outbox.new_id("item")))
        return entries

    def _asked(self, request: ResponseRequest, entries: Sequence[Entry]) -> Asked:
        assert isinstance(self.session, Session), "transcription sessions never answer"
        instructions = request.instructions or self.session.instructions or ""
        extra = Tokens(text=text_tokens(instructions))
        kept = fit(
            entries, self.session.truncation, instructions=extra.total, limit=CONTEXT_TOKENS
        )
        given = tokens_of(kept) + extra
        cached = cached_of(self._billed, given)
        self._billed = given
        return Asked(self.session, request, given, cached)

    def _tools(self, request: ResponseRequest) -> Tools:
        assert isinstance(self.session, Session), "transcription sessions never answer"
        functions = self.session.tools if request.tools is None else request.tools
        return Tools(functions or [], request.tool_choice or self.session.tool_choice)

    def _output(self, asked: Asked, choice: Say | Call, truth: ResponseTruth) -> Output:
        place = Place(self._outbox, truth.response_id)
        if isinstance(choice, Call):
            return CallOutput(place, choice)
        if asked.modalities == ["text"]:
            return WrittenOutput(place, choice.text)
        output = asked.session.audio.output
        codec = (asked.request.audio.output.format or output.format).codec
        reply = self._mind.voices.say(choice.text, codec, output.speed)
        return SpokenOutput(place, reply, truth.audio_written)

    def _cancel_response(self, event: dict[str, Any], now_ns: int) -> None:
        asked = event.get("response_id")
        response = self._active_response()
        if asked is not None:
            response = next((r for r in self._responses if r.id == asked), None)
        if response is None:
            raise Refusal(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        response.end(now_ns, CLIENT_CANCELLED)
        self._forget_finished()


def describe_session(session: AnySession, session_id: str) -> dict[str, Any]:
    """The session as the protocol shows it."""
    settings: dict[str, Any] = msgspec.to_builtins(session)
    kind = "session" if isinstance(session, Session) else "transcription_session"
    return {"object": f"realtime.{kind}", "id": session_id, **settings}


def _voice(session: AnySession) -> object:
    return session.audio.output.voice if isinstance(session, Session) else None


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

"""Turns one session's client events and the passing of time into its server events.

No socket and no clock: the caller brings messages and the time, writes what it is given, and
tells when the bytes were handed over to whom it concerns (`Outgoing.written`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from bench.server.agenda import Action, Agenda
from bench.server.answers import Answers, Mind
from bench.server.client_event import (
    APPEND,
    Append,
    as_append,
    event_id,
    parse,
    text_of,
    whole_of,
)
from bench.server.conversation import Conversation, Entry, client_entry
from bench.server.dialogue import STILL_THERE, Say
from bench.server.input_audio import InputAudio, Listeners, Segment, announce_item
from bench.server.outbox import End, Outbox, Outgoing
from bench.server.profiles.profile import Turn
from bench.server.refusal import Refusal
from bench.server.reply import CLIENT_CANCELLED, TURN_DETECTED, Response
from bench.server.session_settings import (
    AnySession,
    ResponseRequest,
    Session,
    response_request,
    turn_detection,
)
from bench.server.transcription import Transcription
from bench.server.truth import Record

_MS = 1_000_000


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
        self._mind = mind
        self._outbox = Outbox(tag)
        self._agenda = Agenda()
        self._conversation = Conversation(f"conv_{tag}")
        self._answers = Answers(
            session_id=session_id,
            ordinal=ordinal,
            mind=mind,
            outbox=self._outbox,
            conversation=self._conversation,
            record=record,
        )
        self._transcription = Transcription(self._outbox, self._agenda)
        self._idle_plan: int | None = None
        self._put_off_until_ns = 0
        self._input = InputAudio(
            session_id=session_id,
            outbox=self._outbox,
            conversation=self._conversation,
            record=record,
            listeners=Listeners(
                self._tell_started,
                self._interrupt,
                self._tell_stopped,
                self._answer,
                self._transcribe,
            ),
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
        self._tell_session("session.created", now_ns)
        expiry_ns = now_ns + round(self._mind.profile.session_s * 1e9)
        self._agenda.plan(expiry_ns, self._expire)
        return self._outbox.take()

    def receive(
        self, message: bytes | str | dict[str, Any] | Append, now_ns: int
    ) -> list[Outgoing]:
        """Answer one client event, as it came or parsed."""
        event: Append | dict[str, Any] | None = None
        try:
            event = message if isinstance(message, dict | Append) else parse(message)
            if isinstance(event, Append):
                self._input.append(event, now_ns)
            else:
                self._handle(event, now_ns)
        except Refusal as refusal:
            self._refuse(refusal, event_id(event), now_ns)
        return self._outbox.take()

    def refuse(self, refusal: Refusal, event: dict[str, Any], now_ns: int) -> list[Outgoing]:
        """Answer an event that somebody else found wrong."""
        self._refuse(refusal, event_id(event), now_ns)
        return self._outbox.take()

    @property
    def conversation_id(self) -> str:
        """Id of the session's conversation."""
        return self._conversation.id

    def hear(self, now_ns: int) -> list[Outgoing]:
        """Act on what the ear has found since its audio was appended."""
        self._input.hear(now_ns)
        return self._outbox.take()

    def advance(self, now_ns: int) -> list[Outgoing]:
        """Everything that is due by `now_ns`."""
        # Instant by instant, so that a late call sends everything in its order.
        while (due_ns := self.next_due_ns()) is not None and due_ns <= now_ns:
            self._agenda.carry_out(due_ns)
            for response in self._answers.advance(due_ns):
                self._await_caller(response, due_ns)
        return self._outbox.take()

    def next_due_ns(self) -> int | None:
        """When to call `advance`, or None while nothing is planned."""
        due_ns = (self._agenda.next_due_ns, self._answers.next_due_ns)
        return min((at_ns for at_ns in due_ns if at_ns is not None), default=None)

    def is_idle(self) -> bool:
        """Whether no response is under way and the caller does not speak."""
        return self._answers.idle and not self._input.speaking

    def close(self) -> None:
        """Log the responses that the end of the session cut off, and stop listening."""
        self._answers.abandon()
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
        if self._answers.has_spoken and _voice(session) != _voice(self.session):
            raise Refusal(
                "cannot_update_voice",
                "Cannot update a conversation's voice if assistant audio is present.",
                "session.audio.output.voice",
            )
        self.session = session
        self._tune()
        self._tell_session("session.updated", now_ns)

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
        self._outbox.act(due_ns, End(1001, "session expired"))

    # What the ears tell

    def _interrupt(self, now_ns: int) -> None:
        self._caller_is_here()
        detection = turn_detection(self.session)
        response = self._answers.active
        if response is not None and detection is not None and detection.interrupt_response:
            self._answers.end(response, now_ns, TURN_DETECTED)

    def _answer(self, segment: Segment, now_ns: int) -> None:
        detection = turn_detection(self.session)
        if detection is None or not detection.create_response:
            return
        turn = self._answers.turn
        if not _is(turn, "no_reply"):
            self._in_order(
                turn.response_created_ms * self._mind.load(),
                now_ns,
                partial(self._begin_answer, segment),
            )

    def _begin_answer(self, segment: Segment, now_ns: int) -> None:
        if not isinstance(self.session, Session):
            return
        truth = segment.truth
        try:
            response = self._answers.begin(self.session, ResponseRequest(), now_ns, heard=truth)
            segment.response = response
            if truth.speech_stopped_ns is not None:
                response.count_from(truth.speech_stopped_ns)
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
        if self._input.speaking or self._answers.active or not isinstance(self.session, Session):
            return
        detection = turn_detection(self.session)
        waited_ms = detection.idle_timeout_ms if detection else None
        self._input.commit_silence(due_ns, waited_ms or 0)
        recorded = self._mind.voices.recorded
        question = Say(recorded.get(STILL_THERE, next(iter(recorded.values()))))
        try:
            self._answers.begin(self.session, ResponseRequest(), due_ns, said=question)
        except Refusal as refusal:
            self._refuse(refusal, None, due_ns)

    def _transcribe(self, entry: Entry, now_ns: int) -> None:
        # An idle caller's item holds nothing that could be transcribed.
        if self.session.audio.input.transcription is not None and entry.audio_ms:
            turn = self._answers.turn
            delay_ms = turn.transcript_delay_ms * self._mind.load()
            fails = _is(turn, "transcription_failed")
            self._transcription.begin(entry, now_ns, delay_ms, fails=fails)

    def _in_order(self, delay_ms: float, now_ns: int, action: Action) -> None:
        """Do `action` so much later, but not before what was put off before it."""
        due_ns = max(now_ns + round(delay_ms * _MS), self._put_off_until_ns)
        if due_ns <= now_ns:
            action(now_ns)
            return
        self._put_off_until_ns = due_ns
        self._agenda.plan(due_ns, action)

    def _tell_started(self, tell: Action, now_ns: int) -> None:
        if not _is(self._answers.turn, "no_vad"):
            self._in_order(self._answers.turn.speech_started_ms, now_ns, tell)

    def _tell_stopped(self, tell: Action, now_ns: int) -> None:
        turn = self._answers.turn
        if not _is(turn, "no_vad"):
            self._in_order(turn.speech_stopped_ms + (turn.held_back_ms or 0.0), now_ns, tell)

    # Conversation

    def _create_item(self, event: dict[str, Any], now_ns: int) -> None:
        entry = client_entry(event.get("item"), self._outbox.new_id("item"))
        after = event.get("previous_item_id")
        previous = self._conversation.insert(entry, None if after is None else str(after))
        announce_item(self._outbox, entry, previous, now_ns)

    def _retrieve_item(self, event: dict[str, Any], now_ns: int) -> None:
        entry = self._conversation.get(text_of(event, "item_id"))
        self._outbox.put(now_ns, "conversation.item.retrieved", item=entry.item)

    def _delete_item(self, event: dict[str, Any], now_ns: int) -> None:
        item_id = text_of(event, "item_id")
        self._conversation.remove(item_id)
        self._outbox.put(now_ns, "conversation.item.deleted", item_id=item_id)

    def _truncate_item(self, event: dict[str, Any], now_ns: int) -> None:
        item_id = text_of(event, "item_id")
        content_index = whole_of(event, "content_index")
        audio_end_ms = whole_of(event, "audio_end_ms")
        self._conversation.truncate(item_id, content_index, audio_end_ms)
        self._outbox.put(
            now_ns,
            "conversation.item.truncated",
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=audio_end_ms,
        )

    # Responses

    def _create_response(self, event: dict[str, Any], now_ns: int) -> None:
        if not isinstance(self.session, Session):
            raise Refusal("invalid_value", "A transcription session has no responses.", "type")
        self._answers.begin(self.session, response_request(event.get("response")), now_ns)

    def _cancel_response(self, event: dict[str, Any], now_ns: int) -> None:
        response = self._answers.find(event.get("response_id"))
        if response is None:
            raise Refusal(
                "response_cancel_not_active", "Cancellation failed: no active response found"
            )
        self._answers.end(response, now_ns, CLIENT_CANCELLED)


def describe_session(session: AnySession, session_id: str) -> dict[str, Any]:
    """The session as the protocol shows it."""
    settings: dict[str, Any] = msgspec.to_builtins(session)
    kind = "session" if isinstance(session, Session) else "transcription_session"
    return {"object": f"realtime.{kind}", "id": session_id, **settings}


def _is(turn: Turn, kind: str) -> bool:
    return turn.fault is not None and turn.fault.kind == kind


def _voice(session: AnySession) -> object:
    return session.audio.output.voice if isinstance(session, Session) else None

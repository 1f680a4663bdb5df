"""Turns wishes for responses into responses, each with what it says and when."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from bench.server.context import Tokens, cached_of, fit, tokens_of
from bench.server.conversation import Conversation, Entry, client_entry, text_tokens
from bench.server.dialogue import Call, Say, Tools, answer
from bench.server.hearing.turns import Ear
from bench.server.input_audio import Recognise
from bench.server.outbox import Outbox
from bench.server.output import CallOutput, Output, Place, SpokenOutput, WrittenOutput
from bench.server.profiles.profile import Profile, Turn
from bench.server.refusal import Refusal
from bench.server.reply import Asked, Ending, Response, Timing
from bench.server.session_settings import ResponseRequest, Session
from bench.server.truth import Record, ResponseTruth, SegmentTruth
from bench.server.voices import Voices

CONTEXT_TOKENS = 28_672
"""What the documented models take of a conversation."""

_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Mind:
    """What all sessions of a process share: voices, ears, and how speech is recognised.

    `load` says how many times longer delays take for all the sessions there are.
    """

    profile: Profile
    voices: Voices
    new_ear: Callable[[int], Ear]
    recognise: Recognise
    load: Callable[[], float] = lambda: 1.0


class Answers:
    """The responses of one session that are under way: one in its conversation, more beside it."""

    def __init__(
        self,
        *,
        session_id: str,
        ordinal: int,
        mind: Mind,
        outbox: Outbox,
        conversation: Conversation,
        record: Record,
    ) -> None:
        self.has_spoken = False
        """Whether any audio was ever sent."""
        self._session_id = session_id
        self._ordinal = ordinal
        self._mind = mind
        self._outbox = outbox
        self._conversation = conversation
        self._record = record
        self._responses: list[Response] = []
        self._turns = 0
        self._drawn: tuple[int, Turn] | None = None
        self._billed = Tokens()

    @property
    def turn(self) -> Turn:
        """What the next response, and the speech it answers, draw."""
        if self._drawn is None or self._drawn[0] != self._turns:
            drawn = self._mind.profile.turn(self._ordinal, self._turns)
            self._drawn = (self._turns, drawn)
        return self._drawn[1]

    @property
    def active(self) -> Response | None:
        """The response of the conversation; those beside it do not count."""
        return next((r for r in self._responses if r.in_conversation), None)

    @property
    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._responses

    @property
    def next_due_ns(self) -> int | None:
        """When `advance` has something to send."""
        return min((response.next_due_ns for response in self._responses), default=None)

    def advance(self, now_ns: int) -> list[Response]:
        """Emit what is due by `now_ns`; the responses that ended by it."""
        for response in self._responses:
            response.advance(now_ns)
            self.has_spoken = self.has_spoken or response.has_spoken
        ended = [response for response in self._responses if response.finished]
        if ended:
            self._responses = [r for r in self._responses if not r.finished]
        return ended

    def end(self, response: Response, now_ns: int, ending: Ending) -> None:
        """End one before its time."""
        response.end(now_ns, ending)
        self._responses.remove(response)

    def find(self, response_id: object) -> Response | None:
        """The response of that id, None: the conversation's, if it is under way."""
        if response_id is None:
            return self.active
        return next((r for r in self._responses if r.id == response_id), None)

    def abandon(self) -> None:
        """Note that the session ended before they did."""
        for response in self._responses:
            response.abandon()

    def begin(
        self,
        session: Session,
        request: ResponseRequest,
        now_ns: int,
        *,
        heard: SegmentTruth | None = None,
        said: Say | None = None,
    ) -> Response:
        """Begin a response, to speech that was `heard` or because the client asked.

        It says `said`, or what follows on the conversation.

        Raises:
            Refusal: one is under way already, or what it is to follow on is wrong or too long.
        """
        active = self.active
        if active is not None and request.conversation != "none":
            raise Refusal(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {active.id}. "
                "Wait until the response is finished before creating a new one.",
            )
        entries = self._entries_for(request)
        asked, kept = self._asked(session, request, entries)
        turn = self.turn
        self._turns += 1
        after_tool = bool(entries) and entries[-1].item["type"] == "function_call_output"
        delay_ms = turn.tool_reply_delay_ms if after_tool else turn.reply_delay_ms
        delay_ms *= self._mind.load()
        if heard is not None:
            delay_ms = max(delay_ms - (turn.held_back_ms or 0.0), 0.0)
        response_id = self._outbox.new_id("resp")
        truth = ResponseTruth(self._session_id, response_id, delay_ms)
        truth.fault = turn.fault.kind if turn.fault else None
        if heard is not None:
            truth.item_id = heard.item_id
            truth.audio_end_ms, truth.heard_ns = heard.audio_end_ms, heard.heard_ns
        choice = said or answer(kept, _tools(session, request), self._mind.voices.recorded)
        response = Response(
            outbox=self._outbox,
            conversation=self._conversation,
            asked=asked,
            timing=Timing(round(delay_ms * _MS), lambda index: round(turn.offset_ms(index) * _MS)),
            output=self._output(asked, choice, truth),
            truth=truth,
            record=self._record,
            now_ns=now_ns,
            fault=turn.fault,
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
                entries.append(self._conversation.get(str(item.get("id"))))
            else:
                entries.append(client_entry(item, self._outbox.new_id("item")))
        return entries

    def _asked(
        self, session: Session, request: ResponseRequest, entries: Sequence[Entry]
    ) -> tuple[Asked, list[Entry]]:
        """What a response is made from, and what it still sees of `entries`."""
        instructions = request.instructions or session.instructions or ""
        extra = Tokens(text=text_tokens(instructions))
        truncation = msgspec.to_builtins(session.truncation)
        kept = fit(entries, truncation, instructions=extra.total, limit=CONTEXT_TOKENS)
        given = tokens_of(kept) + extra
        cached = cached_of(self._billed, given)
        if request.conversation != "none":
            self._billed = given
        return Asked(session, request, given, cached), kept

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


def _tools(session: Session, request: ResponseRequest) -> Tools:
    functions = session.tools if request.tools is None else request.tools
    return Tools(functions or [], request.tool_choice or session.tool_choice)

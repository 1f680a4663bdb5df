"""Turns what a caller says, writes and hears into turns of a call, one at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from bench.audio.utterance import Utterance
from bench.dialects.base import Kind, SessionSettings
from bench.dialects.sent import text_item, tool_result_item
from bench.session.call import Call
from bench.session.tools import ToolAnswers, as_output
from bench.session.turn_notes import clip_labels, detection_name, request_labels
from bench.session.turn_options import Then, TurnOptions
from bench.session.turn_state import Expects, ToolCall, TurnEnd, TurnState
from bench.session.waiting import wait

_MS = 1_000_000
QUIET_S = 3.0
"""Silence after a sound that must not be answered: no server waits so long to answer it."""

TURNS_REMEMBERED = 50
POLL_S = 0.05


class TurnTaking:
    """The turns of one call.

    What begins a turn, and what waits, raises ConnectionError when the session has ended.
    """

    def __init__(self, call: Call, settings: SessionSettings) -> None:
        self.settings = settings
        """What the session was last asked to be."""
        self._call = call
        self._tools = ToolAnswers(call)
        self._said: str | None = None
        self._past: deque[tuple[str, str]] = deque(maxlen=TURNS_REMEMBERED)

    @property
    def under_way(self) -> TurnState | None:
        """The turn that has not ended."""
        state = self._call.conversation.turn
        return None if state is None or state.ended is not None else state

    @property
    def server_interrupts(self) -> bool:
        """Whether the server stops a reply when it hears the caller."""
        return getattr(self.settings.turn_detection, "interrupt_response", False)

    def load(self, utterance_id: str) -> Utterance:
        """A clip, its frames made now: later they would be late.

        Raises:
            Problem: the catalogue has no such utterance.
        """
        plan = self._call.plan
        utterance = plan.catalogue.get(utterance_id)
        plan.frames.speech(utterance)
        return utterance

    def speak(
        self,
        utterance: Utterance,
        options: TurnOptions,
        *,
        interrupts: TurnState | None = None,
    ) -> TurnState:
        """Begin a turn with a clip, after the one under way or over it."""
        if interrupts is None:
            self.finish()
        line = self._call.line
        noted: dict[str, Any] = {}
        if interrupts is not None:
            heard_ms = round(interrupts.player.heard_ms(time.monotonic_ns()))
            noted = {"interrupts": interrupts.index, "interrupted_at_ms": heard_ms}
            self._call.end_turn(TurnEnd.TALKED_OVER)
            if not self.server_interrupts:  # only the caller's own device can stop it
                self.stop_reply(interrupts)
        starts_ns, position_ms = self.lay(utterance)
        speech = utterance.speech_end_ms is not None
        done_ms = (
            utterance.duration_ms if utterance.speech_end_ms is None else (utterance.speech_end_ms)
        )
        then = options.get("then") or self._then()
        state = self._begin(
            "speech" if speech else "sound",
            starts_ns,
            starts_ns + round(done_ms * _MS),
            clip_labels(utterance) | noted,
            options,
            expects=None if speech else Expects.SILENCE,
            owed_responses=int(then == "respond"),
            position_ms=position_ms,
            said=utterance.text,
        )
        if then != "nothing":
            frames = len(self._call.plan.frames.speech(utterance))
            act = partial(self._end_audio, respond=then == "respond")
            self._call.at(starts_ns + frames * line.chunk_ns, act)
        return state

    def lay(self, utterance: Utterance) -> tuple[int, int]:
        """Put a clip on the microphone: the instant of its first sample, and its place in ms."""
        line = self._call.line
        assert line.audio_start_ns is not None
        frames = self._call.plan.frames.speech(utterance)
        first = line.microphone.lay(frames)
        if self._call.tape is not None:
            self._call.tape.lay(first, len(frames), utterance.id)
        position_ms = first * line.microphone.chunk_ms
        return line.audio_start_ns + position_ms * _MS, position_ms

    def request(
        self,
        kind: str,
        name: str,
        options: TurnOptions,
        *,
        items: Sequence[dict[str, Any]] = (),
        asked: Mapping[str, Any] | None = None,
        said: str | None = None,
    ) -> TurnState:
        """Begin a turn with items and a request for a response, and no sound."""
        self.finish()
        self._call.line  # noqa: B018 - raises when there is none
        now_ns = time.monotonic_ns()
        labels = request_labels(kind, name)
        state = self._begin(kind, now_ns, now_ns, labels, options, owed_responses=1, said=said)
        for item in items:
            self._call.send(Kind.ITEM_CREATE, item=item)
        self._call.send(Kind.RESPONSE_CREATE, **(asked or {}))
        return state

    def listen(self, duration_s: float, name: str, options: TurnOptions) -> TurnState:
        """Begin a turn in which the caller does nothing."""
        self.finish()
        self._call.line  # noqa: B018
        now_ns = time.monotonic_ns()
        timed: TurnOptions = {"quiet_s": duration_s, "watchdog_s": duration_s, **options}
        labels = request_labels("listen", name)
        return self._begin("listen", now_ns, now_ns, labels, timed, expects=Expects.SILENCE)

    def give_result(self, call: ToolCall, output: object, *, respond: bool) -> None:
        """Give a tool's output, and ask for what follows on it."""
        state = self.under_way
        if state is not None:
            if call in state.open_calls:
                state.open_calls.remove(call)
            state.owed_responses += respond
        self._call.send(Kind.ITEM_CREATE, item=tool_result_item(call.call_id, as_output(output)))
        if not respond:
            return
        if state is not None:  # a second response at a time is refused
            self.wait(self._call.plan.watchdog_s, lambda: not state.open_responses)
        self._call.send(Kind.RESPONSE_CREATE)

    def stop_reply(self, state: TurnState) -> None:
        """Stop a reply at the server and at the listener, who tells how much was heard."""
        if state.open_responses:
            self._call.send(Kind.RESPONSE_CANCEL)
        self._call.conversation.silence(time.monotonic_ns())
        self._call.follow_up()

    # waiting

    def finish(self) -> None:
        """Wait for the turn under way, if there is one."""
        if self.under_way is not None:
            self.wait_turn(self.under_way)

    def wait_turn(self, state: TurnState) -> None:
        """Wait until `state` has ended; it ends as `stopped` if the waiter is killed."""
        wait(self._call, lambda: state.ended is not None, self._keep_up)

    def wait(self, timeout_s: float, until: Callable[[], bool]) -> bool:
        """Wait until something is so, for so long at most; whether it was."""
        deadline_ns = time.monotonic_ns() + int(timeout_s * 1e9)
        return wait(self._call, until, self._keep_up, deadline_ns=deadline_ns, look_every_s=POLL_S)

    def await_moment(
        self, at_ms: float | None, after_first_audio_ms: float | None
    ) -> TurnState | None:
        """Wait for an instant of the turn under way; None when it is over sooner.

        `at_ms` counts from its beginning, `after_first_audio_ms` from its first audio; without
        either it is now.
        """
        state = self.under_way
        if state is None:
            return None
        from_ns, delay_ms = state.began_ns, at_ms or 0.0
        if after_first_audio_ms is not None:
            state.awaits_audio = True
            wait(
                self._call,
                lambda: state.ended is not None or state.player.began_ns is not None,
                self._keep_up,
            )
            state.awaits_audio = False
            from_ns, delay_ms = state.player.began_ns or 0, after_first_audio_ms
        moment_ns = from_ns + int(delay_ms * _MS)
        wait(self._call, lambda: state.ended is not None, self._keep_up, deadline_ns=moment_ns)
        return None if state.ended is not None else state

    def update(self, changes: SessionSettings) -> bool:
        """Ask the server for other settings; whether it said that it has them."""
        call = self._call
        before = call.conversation.updates
        with call.listeners.collecting(Kind.ERROR) as errors:
            call.send_update(changes)
            if Kind.SESSION_UPDATED in call.plan.awaits:
                self.wait(
                    call.plan.connect_timeout_s,
                    lambda: bool(errors) or call.conversation.updates > before,
                )
                if call.conversation.updates == before:
                    return False
        self.settings = changes
        return True

    # what these do

    def _then(self) -> Then:
        """What a caller does at the end of an utterance, unless told otherwise."""
        if self.settings.turn_detection is not None:
            return "nothing"
        return "commit" if self.settings.session_type == "transcription" else "respond"

    def _end_audio(self, *, respond: bool) -> None:
        """Commit what was said; called by the engine, when the last frame of it is out."""
        self._call.send(Kind.COMMIT)
        if respond and not self._call.plan.dialect.commit_answers:
            self._call.send(Kind.RESPONSE_CREATE)

    def _begin(
        self,
        kind: str,
        at_ns: int,
        speech_end_ns: int,
        labels: dict[str, Any],
        options: TurnOptions,
        *,
        expects: Expects | None = None,
        owed_responses: int = 0,
        position_ms: int | None = None,
        said: str | None = None,
    ) -> TurnState:
        if expects is None:
            transcribes = self.settings.session_type == "transcription"
            expects = Expects.TRANSCRIPT if transcribes else Expects.REPLY
        expects = Expects(options.get("expects", expects))
        silent = expects is Expects.SILENCE
        watchdog_s = options.get("watchdog_s", self._call.plan.watchdog_s)
        functions = options.get("answer_tools")
        self._past.append(self._words())
        state = self._call.begin_turn(
            speech_end_ns,
            watchdog_s,
            expects=expects,
            quiet_s=options.get("quiet_s", QUIET_S if silent else 0.0),
            owed_responses=owed_responses,
            answers_tools=functions is not None,
        )
        state.began_ns = at_ns
        self._tools.begin(functions or {})
        self._said = said
        detail = {
            "turn": state.index,
            "kind": kind,
            "expects": expects.value,
            "detection": detection_name(self.settings),
            "modality": self.settings.output_modality,
            **labels,
            "watchdog_s": watchdog_s,
        }
        self._call.note(Kind.UTTERANCE, at_ns=at_ns, audio_ms=position_ms, detail=detail)
        return state

    def _keep_up(self) -> None:
        state = self.under_way
        if state is not None and state.answers_tools and state.open_calls:
            self._tools.answer(state)

    def history(self) -> list[dict[str, Any]]:
        """Items of what was said so far, as the caller knows it; the oldest first."""
        items = []
        for said, replied in (*self._past, self._words()):
            items += [text_item(said)] if said else []
            items += [text_item(replied, "assistant")] if replied else []
        return items

    def _words(self) -> tuple[str, str]:
        """What was said and replied in the latest turn."""
        state = self._call.conversation.turn
        if state is None:
            return "", ""
        return self._said or " ".join(state.transcripts), " ".join(state.reply_texts)

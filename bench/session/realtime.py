"""What a scenario holds: a caller's session that speaks, writes, interrupts and listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any, Unpack

from bench.dialects.base import Kind, ServerEvent, SessionSettings
from bench.dialects.sent import image_item, text_item
from bench.problem import Problem
from bench.session.call import Call
from bench.session.turn import Turn
from bench.session.turn_notes import clip_labels
from bench.session.turn_options import RespondOptions, TurnOptions, response_fields, turn_fields
from bench.session.turn_state import ToolCall, TurnEnd, TurnState
from bench.session.turn_taking import QUIET_S, TurnTaking

_MS = 1_000_000
_FIXED = frozenset({"model", "input_codec", "output_codec", "session_type"})
"""Settings that an open session can't change: frames, decoder and URL are made for them."""

_CHANGEABLE = frozenset(field.name for field in fields(SessionSettings)) - _FIXED


class RealtimeSession:
    """One virtual caller: an open WebSocket and a live microphone.

    One turn at a time: whatever begins one waits for the turn under way first. What waits gives
    way to other callers and is bounded, by the turn's watchdog or a time of its own. All methods
    run on the thread of the call's engine; but for `open` and `close` they raise ConnectionError
    when the session has ended.
    """

    def __init__(self, call: Call) -> None:
        self.record = call.record
        self._call = call
        self._turns = TurnTaking(call, call.plan.settings)

    @property
    def ended(self) -> bool:
        """Whether the session is gone, going, or was never opened."""
        return self._call.ended

    @property
    def kernel_stamps(self) -> bool | None:
        """Whether arrivals are stamped by the kernel; None before the session was open."""
        return self._call.kernel_stamps

    @property
    def settings(self) -> SessionSettings:
        """What the session was last asked to be."""
        return self._turns.settings

    def open(self) -> None:
        """Connect, configure the session and start its microphone.

        Raises:
            ConnectError: the target refused; the record says so too.
        """
        self._call.open()

    def close(self) -> None:
        """Hang up as the run ends: the turn under way ends as stopped."""
        self._call.close()

    def hang_up(self) -> None:
        """Hang up as a caller may, in the middle of a reply too; that is how its turn ends."""
        self._call.close(TurnEnd.HUNG_UP)

    # what begins a turn

    def say(self, utterance_id: str, **options: Unpack[TurnOptions]) -> Turn:
        """Speak an utterance from the next frame on.

        A clip without speech expects silence unless told otherwise. Where nobody listens for
        the end of speech, the audio is committed when the clip is out, and a response asked for.

        Raises:
            Problem: the catalogue has no such utterance.
        """
        utterance = self._turns.load(utterance_id)
        return self._turn(self._turns.speak(utterance, options), utterance_id)

    def interrupt(
        self,
        utterance_id: str,
        *,
        at_ms: float | None = None,
        after_first_audio_ms: float | None = None,
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Speak over the reply under way, so long after its turn began or was first heard.

        Its turn ends as talked over. The reply sounds until the server has heard the caller, or
        stops at once where the server leaves that to the client; the server is told how much of
        it was heard. Where it was over sooner, the utterance is said all the same and interrupts
        nothing.

        Raises:
            Problem: the catalogue has no such utterance.
        """
        utterance = self._turns.load(utterance_id)
        over = self._turns.await_moment(at_ms, after_first_audio_ms)
        state = self._turns.speak(utterance, options, interrupts=over)
        return self._turn(state, utterance_id)

    def text(self, text: str, *, name: str = "text", **options: Unpack[TurnOptions]) -> Turn:
        """Write something and ask for the answer; the record knows the turn as `name`."""
        items = [text_item(text)]
        return self._turn(self._turns.request("text", name, options, items=items, said=text), name)

    def image(
        self,
        image_url: str,
        text: str | None = None,
        *,
        name: str = "image",
        **options: Unpack[TurnOptions],
    ) -> Turn:
        """Show a picture, a data: URL, with words about it, and ask for the answer."""
        items = [image_item(image_url, text)]
        state = self._turns.request("image", name, options, items=items, said=text)
        return self._turn(state, name)

    def respond(self, *, name: str = "response", **options: Unpack[RespondOptions]) -> Turn:
        """Ask for a response, on its own terms if there are any.

        What was committed and not answered yet, as after `say(…, then="commit")`, is answered
        by it in that turn; else it makes a turn of its own.
        """
        asked = response_fields(options)
        state = self._turns.under_way
        if state is None or state.answered or state.open_responses or state.owed_responses:
            state = self._turns.request("request", name, turn_fields(options), asked=asked)
        else:
            state.owed_responses += 1
            self._call.send(Kind.RESPONSE_CREATE, **asked)
        return self._turn(state, name)

    def listen(
        self, duration_s: float, *, name: str = "listen", **options: Unpack[TurnOptions]
    ) -> Turn:
        """Say nothing for `duration_s`; a reply that comes all the same is heard to its end.

        With `expects="reply"` the turn ends when somebody has spoken to the idle caller.
        """
        return self._turn(self._turns.listen(duration_s, name, options), name)

    # what happens within a turn

    def overlay(
        self,
        utterance_id: str,
        *,
        at_ms: float | None = None,
        after_first_audio_ms: float | None = None,
        quiet_s: float = QUIET_S,
    ) -> bool:
        """Say something over the reply under way that is not meant to stop it; whether it was.

        False when the reply was over sooner. The turn goes on for `quiet_s` after the sound at
        least: what the server makes of it, silence or another reply, belongs to the turn.

        Raises:
            Problem: the catalogue has no such utterance.
        """
        utterance = self._turns.load(utterance_id)
        state = self._turns.await_moment(at_ms, after_first_audio_ms)
        if state is None:
            return False
        starts_ns, position_ms = self._turns.lay(utterance)
        state.overlaid = self._turns.server_interrupts
        until_ns = starts_ns + int((utterance.duration_ms + quiet_s * 1000) * _MS)
        state.quiet_ns = max(state.quiet_ns, until_ns)
        detail = {"turn": state.index, **clip_labels(utterance)}
        self._call.note(Kind.OVERLAY, at_ns=starts_ns, audio_ms=position_ms, detail=detail)
        return True

    def commit(self) -> None:
        """End the caller's turn, where the server does not find its end by itself."""
        self._call.send(Kind.COMMIT)

    def clear(self) -> None:
        """Take back the audio that is not committed; nothing, where the server can't."""
        self._call.send(Kind.CLEAR)

    def cancel(self) -> None:
        """Stop the reply at the server and at the listener, and tell how much was heard."""
        state = self._turns.under_way
        if state is not None:
            state.cancel_asked = True
            self._turns.stop_reply(state)

    def tool_result(self, call: ToolCall, output: object, *, respond: bool = True) -> None:
        """Give a tool's output, text or what JSON can say, and ask for what follows on it.

        The turn under way lasts until that was heard. The option `answer_tools` does all of it.
        """
        self._turns.give_result(call, output, respond=respond)

    # what concerns the session

    def wait(self, timeout_s: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Let `timeout_s` pass, or less when `until` comes true; whether it did.

        The turn under way goes on meanwhile: tools are answered and callbacks called.
        """
        return self._turns.wait(timeout_s, until)

    def wait_for(self, kind: Kind, timeout_s: float) -> ServerEvent | None:
        """The next event of a kind, None if none comes in time."""
        with self._call.listeners.collecting(kind) as came:
            self.wait(timeout_s, until=lambda: bool(came))
        return came[0] if came else None

    def wait_turn(self, state: TurnState) -> None:
        """As Turn.wait."""
        self._turns.wait_turn(state)

    def outcome_of(self, turn_index: int) -> str | None:
        """As Turn.outcome: nobody judges here; bench.load's sessions ask bench.analysis."""
        return None

    def on(self, kind: Kind, callback: Callable[[ServerEvent], None]) -> None:
        """Have `callback` told of every event of a kind, whenever this session waits.

        It runs where the scenario runs and may take its time; where too many events wait for
        it, the oldest are dropped.
        """
        self._call.listeners.add(kind, callback)

    def send_event(self, event: dict[str, Any]) -> None:
        """Send an event of your own making as it is; the record keeps its type and size."""
        self._call.send_raw(event)

    def add_item(self, item: dict[str, Any]) -> None:
        """Put an item of `bench.dialects.sent` into the conversation; nobody answers it."""
        self._call.send(Kind.ITEM_CREATE, item=item)

    def history(self) -> list[dict[str, Any]]:
        """Items of what was said so far, as the caller knows it; the oldest first."""
        return self._turns.history()

    def replay(self, items: Sequence[dict[str, Any]]) -> None:
        """Tell the server what was said in a session before this one: its `history`."""
        for item in items:
            self.add_item(item)

    def configure(self, **changes: Any) -> bool:
        """Change settings, by the names of SessionSettings' fields; whether the server did.

        False when it refuses, or does not say so in time: the record has its words.

        Raises:
            Problem: there is no such setting, it is fixed, or the dialect can't say it.
        """
        for name in changes:
            if name not in _CHANGEABLE:
                raise Problem(f"configure: {name!r} is no setting that an open session can change")
        return self._turns.update(replace(self.settings, **changes))

    def _turn(self, state: TurnState, name: str) -> Turn:
        return Turn(self, state, name)

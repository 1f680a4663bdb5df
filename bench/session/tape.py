"""Turns what one session says and hears into tapes of single turns, kept while they may be wanted.

Pure. Replies stay Base64 as they came and callers are not kept at all: their sound is made anew
from the clips and where they lay. What all tapes of a process hold together is bounded by `Room`.
"""

from __future__ import annotations

import base64
import binascii
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from bench.audio.captured import Laid
from bench.audio.placement import Hush, Moment, Piece
from bench.dialects.base import ServerEvent
from bench.session.call_plan import CallPlan
from bench.session.turn_state import TurnState

_MS = 1_000_000
_MIB = 1 << 20

CLIPS_REMEMBERED = 64
"""Clips laid last in a session; a turn is seldom more than two."""

TURN_BYTES = 8 * _MIB
"""Base64 of one turn, over two minutes of PCM16: a turn with more is not kept."""


class Room:
    """How much Base64 the tapes of a process may hold.

    Tapes that are wanted as things stand share `wanted_bytes`; those kept only because their
    turn may still fail share `spare_bytes`.
    """

    def __init__(self, wanted_bytes: int = 96 * _MIB, spare_bytes: int = 32 * _MIB) -> None:
        self._limits = {True: wanted_bytes, False: spare_bytes}
        self._held = {True: 0, False: 0}

    @property
    def held_bytes(self) -> int:
        """What all tapes hold."""
        return sum(self._held.values())

    def take(self, size_bytes: int, *, wanted: bool) -> bool:
        """Claim room; whether there was any."""
        if self._held[wanted] + size_bytes > self._limits[wanted]:
            return False
        self._held[wanted] += size_bytes
        return True

    def give_back(self, size_bytes: int, *, wanted: bool) -> None:
        """Leave room that was claimed."""
        self._held[wanted] -= size_bytes


class TurnTape:
    """What is needed to hear one turn again."""

    __slots__ = (
        "_at_ns",
        "_of",
        "_room",
        "_size_bytes",
        "_texts",
        "_wanted",
        "audio_start_ns",
        "clips",
        "closed_ns",
        "lost",
        "plan",
        "state",
        "talked_over",
        "ticket",
        "told",
    )

    def __init__(
        self, plan: CallPlan, state: TurnState, audio_start_ns: int, room: Room, ticket: float
    ) -> None:
        self.plan = plan
        self.state = state
        self.audio_start_ns = audio_start_ns
        self.ticket = ticket
        self.told: Any = None
        """What its turn came to, for whoever judges turns."""
        self.clips: tuple[Laid, ...] = ()
        """Clips of the session that may sound in it."""
        self.closed_ns = 0
        """Nothing is known from then on."""
        self.talked_over = False
        self.lost = False
        """Whether something of it could not be kept; nothing of it is, then."""
        self._room = room
        self._wanted = False
        self._size_bytes = 0
        self._texts: list[str | None] = []  # columns: no tuples for a collection to visit
        self._at_ns = array("q")
        self._of: list[str | None] = []

    def moments(self) -> Iterator[Moment]:
        """What came and when; what is no Base64 is left out."""
        for text, at_ns, of in zip(self._texts, self._at_ns, self._of, strict=True):
            if text is None:
                yield Hush(at_ns)
                continue
            try:
                yield Piece(at_ns, base64.b64decode(text, validate=True), of)
            except (binascii.Error, ValueError):
                continue

    @property
    def hushed_ns(self) -> int | None:
        """When the player was last stopped."""
        pieces = zip(self._texts, self._at_ns, strict=True)
        hushes = [at_ns for text, at_ns in pieces if text is None]
        return hushes[-1] if hushes else None

    def add(self, text: str, at_ns: int, of: str | None) -> None:
        """Keep a piece of a reply, or nothing at all where there is no room."""
        if self.lost:
            return
        size_bytes = len(text)
        if self._size_bytes + size_bytes > TURN_BYTES or not self._room.take(
            size_bytes, wanted=self._wanted
        ):
            self.lose()
            return
        self._size_bytes += size_bytes
        self._texts.append(text)
        self._at_ns.append(at_ns)
        self._of.append(of)

    def hush(self, at_ns: int) -> None:
        """Note that the player was stopped."""
        if not self.lost and self._texts:
            self._texts.append(None)
            self._at_ns.append(at_ns)
            self._of.append(None)

    def go_on_from(self, before: TurnTape) -> None:
        """Begin with what may still sound of an earlier turn."""
        for text, at_ns, of in zip(before._texts, before._at_ns, before._of, strict=True):
            if text is None:
                self._forget()
            else:
                self.add(text, at_ns, of)

    def want(self) -> bool:
        """Hold it by the greater right of those that are wanted; whether there was room."""
        if not self._wanted and not self.lost:
            if not self._room.take(self._size_bytes, wanted=True):
                self.lose()
            else:
                self._room.give_back(self._size_bytes, wanted=False)
                self._wanted = True
        return not self.lost

    def lose(self) -> None:
        """Give up what it holds."""
        self.lost = True
        self._forget()

    def _forget(self) -> None:
        self._room.give_back(self._size_bytes, wanted=self._wanted)
        self._size_bytes = 0
        self._texts, self._at_ns, self._of = [], array("q"), []


class Tape:
    """The tape of one session.

    `wants` says by its ttfa_ms and its ticket whether a turn would be kept if it went well, and
    `draw` gives tickets.
    """

    __slots__ = (
        "_clips",
        "_current",
        "_draw",
        "_over",
        "_plan",
        "_room",
        "_silenced_ns",
        "_spoken",
        "_wants",
        "audio_start_ns",
    )

    def __init__(
        self,
        plan: CallPlan,
        room: Room,
        wants: Callable[[float, float], bool],
        draw: Callable[[], float],
    ) -> None:
        self.audio_start_ns: int | None = None
        """Zero of the session's audio clock, once it runs."""
        self._plan = plan
        self._room = room
        self._wants = wants
        self._draw = draw
        self._spoken = 0
        self._clips: deque[Laid] = deque(maxlen=CLIPS_REMEMBERED)
        self._current: TurnTape | None = None
        self._over: TurnTape | None = None  # its turn has ended, and its reply still sounds
        self._silenced_ns: int | None = None

    def lay(self, first: int, frames: int, utterance_id: str) -> None:
        """Note a clip that was laid on the microphone from frame `first` on."""
        self._clips.append(Laid(first, frames, utterance_id, self._spoken))
        self._spoken += frames

    def begin_turn(self, state: TurnState) -> None:
        """Begin the tape of a turn; the one before has ended."""
        if self.audio_start_ns is None:
            return
        ticket = self._draw()
        self._current = TurnTape(self._plan, state, self.audio_start_ns, self._room, ticket)
        if self._over is not None:
            self._current.go_on_from(self._over)

    def take(
        self, event: ServerEvent, at_ns: int, elided_bytes: int, silenced_ns: int | None
    ) -> None:
        """Take in an event after the conversation has; `silenced_ns` as the latter has it."""
        if silenced_ns != self._silenced_ns:
            self._hush(silenced_ns)
        text = event.audio
        if text is None:
            return
        over, current = self._over, self._current
        if over is not None and event.response_id in over.state.open_responses:
            over.lose() if elided_bytes else over.add(text, at_ns, event.response_id)
        if current is None:
            return
        if elided_bytes:
            current.lose()
            return
        first = current.state.player.began_ns
        if first == at_ns:
            ttfa_ms = (first - current.state.speech_end_ns) / _MS
            if self._wants(ttfa_ms, current.ticket):
                current.want()
        current.add(text, at_ns, event.response_id)

    def end_turn(self, ended_ns: int, *, talked_over: bool, told: Any) -> list[TurnTape]:
        """End the turn; the tapes that are complete now.

        That of a turn that was talked over lasts until the next one has ended, for its reply
        sounds until the server has heard the caller.
        """
        done = [tape for tape in (self._over,) if tape is not None]
        current, self._current, self._over = self._current, None, None
        if current is not None:
            current.told = told
            current.talked_over = talked_over
            if talked_over:
                self._over = current
            else:
                done.append(current)
        for tape in done:
            tape.closed_ns = ended_ns
            tape.clips = tuple(self._clips)
        return done

    def _hush(self, silenced_ns: int | None) -> None:
        self._silenced_ns = silenced_ns
        for tape in (self._over, self._current):
            if tape is not None and silenced_ns is not None:
                tape.hush(silenced_ns)

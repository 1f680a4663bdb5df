"""Turns rows in recorded order into what happened in each turn: which row belongs where.

One pass that never looks ahead, and a turn takes nothing recorded before its utterance note.
That is why the rows of one turn alone, read live, give the same turn as the whole session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from bench.analysis.detail import fault_of, labels_of, number, parsed, text
from bench.analysis.moments import Cause, Mark, ResponseMoments, TurnMoments
from bench.dialects.base import Kind
from bench.runs.event import EventRow

EARLY_MS = 1_000.0
"""How far the server's audio clock may run ahead of ours: it counts what it has received."""

HELD_START_MS = 5_000.0
"""Longest a speech_started may be held back; servers send it while the caller speaks."""

HELD_STOP_MS = 30_000.0
"""Longest a speech_stopped may be held back; some servers keep it until the reply is ready."""

PADDING_MS = 1_000.0
"""audio_start_ms lies before the onset by the prefix padding: 300 ms by default."""


@dataclass(slots=True)
class Attribution:
    """The state of the pass, and its result when every row was taken."""

    turns: list[TurnMoments] = field(default_factory=list)
    unattributed: list[tuple[EventRow, str]] = field(default_factory=list)
    _items: dict[str, TurnMoments | None] = field(default_factory=dict)
    _foreign: dict[str, TurnMoments] = field(default_factory=dict)
    _responses: dict[str, ResponseMoments] = field(default_factory=dict)
    _cause: Cause = field(default_factory=lambda: Cause(None, None))

    def take_all(self, rows: Iterable[EventRow]) -> None:
        """Take rows in recorded order."""
        for row in rows:
            take = _TAKE.get(row.kind)
            if take is not None:
                take(self, row)
            if self.turns and self.turns[-1].ended_ns is None:
                turn = self.turns[-1]
                turn.last_seen_ns = max(turn.last_seen_ns, row.at_ns)

    def _leave(self, row: EventRow, reason: str) -> None:
        self.unattributed.append((row, reason))

    def _under_way(self) -> TurnMoments | None:
        """The latest turn, unless it has ended."""
        return self.turns[-1] if self.turns and self.turns[-1].ended_ns is None else None

    # notes

    def _utterance(self, row: EventRow) -> None:
        label = labels_of(row)
        if label is None:
            self._leave(row, "utterance note without its labels")
        elif any(turn.label.turn_index == label.turn_index for turn in self.turns):
            self._leave(row, f"utterance note of turn {label.turn_index}, noted before")
        else:
            self.turns.append(TurnMoments(label, last_seen_ns=row.at_ns))

    def _turn_ended(self, row: EventRow) -> None:
        detail = parsed(row.detail)
        index = number(detail.get("turn"))
        index = row.turn_index if index is None else index
        for turn in self.turns:
            if turn.label.turn_index == index and turn.ended_ns is None:
                turn.ended_ns = row.at_ns
                turn.end_reason = text(detail.get("reason"))
                return
        self._leave(row, "end of a turn that was not begun, or had ended")

    def _closed(self, row: EventRow) -> None:
        turn = self._under_way()
        if turn is not None:
            detail = parsed(row.detail)
            turn.closed_by = text(detail.get("by"))
            turn.closed_text = fault_of(row)

    def _error(self, row: EventRow) -> None:
        turn = self._under_way()
        if turn is not None:
            detail = parsed(row.detail)
            turn.errors.append((_code(detail), fault_of(row)))

    # the caller's items

    def _by_arrival(self, row: EventRow) -> TurnMoments | None:
        """The latest utterance begun before the row arrived."""
        for turn in reversed(self.turns):
            if turn.label.started_ns <= row.at_ns:
                return turn
        return None

    def _server_ms(self, row: EventRow, held_ms: float) -> float | None:
        """The server's position on the audio clock, None when it cannot be on that clock.

        A server may count from its last commit, say. Then the position lies too far from
        where the audio stood when the row arrived, and only the arrival can be trusted.
        """
        label = self.turns[-1].label
        if row.server_ms is None or label.audio_ms is None:
            return None
        now_ms = label.audio_ms + (row.at_ns - label.started_ns) / 1e6
        return row.server_ms if -EARLY_MS <= now_ms - row.server_ms <= held_ms else None

    def _place(self, row: EventRow, server_ms: float | None, slack_ms: float) -> Mark | None:
        """The turn a segment's boundary belongs to and where it lies in the clip, in ms."""
        if server_ms is None:
            turn = self._by_arrival(row)
            if turn is None:
                return None
            position_ms = (row.at_ns - turn.label.started_ns) / 1e6
            return Mark(turn, row.at_ns, row.seq, row.item_id, position_ms, by_server=False)
        for turn in reversed(self.turns):
            audio_ms = turn.label.audio_ms
            if audio_ms is not None and audio_ms <= server_ms + slack_ms:
                position_ms = server_ms - audio_ms
                return Mark(turn, row.at_ns, row.seq, row.item_id, position_ms, by_server=True)
        return None

    def _speech_started(self, row: EventRow) -> None:
        if not self.turns:
            self._leave(row, "speech found before any utterance")
            return
        server_ms = self._server_ms(row, HELD_START_MS)
        if server_ms is None and row.server_ms is not None and row.item_id is not None:
            self._foreign[row.item_id] = self.turns[-1]
        mark = self._place(row, server_ms, PADDING_MS)
        if mark is None:
            self._leave(row, "speech found before any utterance")
        else:
            mark.turn.starts.append(mark)

    def _speech_stopped(self, row: EventRow) -> None:
        mark = None
        if self.turns:
            server_ms = self._server_ms(row, HELD_STOP_MS)
            # Only a start seen in this very turn may say so: see the module's first lines.
            if row.item_id is not None and self._foreign.get(row.item_id) is self.turns[-1]:
                server_ms = None
            mark = self._place(row, server_ms, 0.0)
        turn = None if mark is None else mark.turn
        if row.item_id is not None:
            self._items[row.item_id] = turn
        self._cause = Cause(turn, row.item_id, mark)
        if mark is None:
            self._leave(row, "speech ended before any utterance")
        else:
            mark.turn.stops.append(mark)

    def _committed(self, row: EventRow) -> None:
        if row.item_id is not None and row.item_id in self._items:
            turn = self._items[row.item_id]
        else:
            turn = self._committed_by_arrival(row)
            if row.item_id is not None:
                self._items[row.item_id] = turn
        if turn is None:
            self._leave(row, "audio committed before any utterance")
        if self._cause.turn is not turn or self._cause.item_id != row.item_id:
            self._cause = Cause(turn, row.item_id)

    def _committed_by_arrival(self, row: EventRow) -> TurnMoments | None:
        turn = self._by_arrival(row)
        # A commit that arrives before the speech began cannot be of it.
        return None if turn is None or row.at_ns < turn.label.speech_start_ns else turn

    def _transcript_done(self, row: EventRow) -> None:
        # Transcripts come late, in the next turn even: arrival says nothing about them.
        turn = self._items.get(row.item_id) if row.item_id is not None else None
        if turn is None:
            self._leave(row, "transcript of an item that belongs to no turn")
        else:
            turn.transcripts.setdefault(row.item_id, row.at_ns)

    # responses

    def _response_created(self, row: EventRow) -> None:
        if row.response_id is None:
            self._leave(row, "response without an id")
            return
        if row.response_id in self._responses:
            self._leave(row, "response created twice")
            return
        cause = self._cause
        response = ResponseMoments(row.response_id, row.at_ns, row.seq, cause, attributed=False)
        self._responses[row.response_id] = response
        if cause.turn is None:
            self._leave(row, "response to no utterance")
        elif cause.turn is not self.turns[-1] and cause.answered:
            # The stop it answers was lost or never sent: whose it is can only be guessed.
            self._leave(row, "response after a new utterance, to an item already answered")
        else:
            cause.answered = response.attributed = True
            cause.turn.responses.append(response)

    def _response_of(self, row: EventRow) -> ResponseMoments | None:
        response = None if row.response_id is None else self._responses.get(row.response_id)
        if response is None:
            self._leave(row, "of a response that was never created")
        elif not response.attributed:
            self._leave(row, "of a response that belongs to no turn")
        return response

    def _audio_delta(self, row: EventRow) -> None:
        response = self._response_of(row)
        if response is not None:
            response.deltas.append(row)

    def _output_transcript_delta(self, row: EventRow) -> None:
        response = self._response_of(row)
        if response is not None and response.first_transcript_ns is None:
            response.first_transcript_ns = row.at_ns

    def _response_done(self, row: EventRow) -> None:
        response = self._response_of(row)
        if response is not None and response.done_ns is None:
            detail = parsed(row.detail)
            response.done_ns = row.at_ns
            response.status = text(detail.get("status"))
            response.reason = text(detail.get("reason"))
            response.error_code = text(detail.get("error_code"))


def _code(detail: dict[str, Any]) -> str:
    return text(detail.get("code")) or text(detail.get("type")) or ""


_TAKE: dict[str, Callable[[Attribution, EventRow], None]] = {
    Kind.UTTERANCE: Attribution._utterance,
    Kind.TURN_ENDED: Attribution._turn_ended,
    Kind.CLOSED: Attribution._closed,
    Kind.ERROR: Attribution._error,
    Kind.SPEECH_STARTED: Attribution._speech_started,
    Kind.SPEECH_STOPPED: Attribution._speech_stopped,
    Kind.COMMITTED: Attribution._committed,
    Kind.INPUT_TRANSCRIPT_DONE: Attribution._transcript_done,
    Kind.RESPONSE_CREATED: Attribution._response_created,
    Kind.OUTPUT_AUDIO_DELTA: Attribution._audio_delta,
    Kind.OUTPUT_TRANSCRIPT_DELTA: Attribution._output_transcript_delta,
    Kind.RESPONSE_DONE: Attribution._response_done,
}

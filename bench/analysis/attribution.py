"""Turns rows in recorded order into what happened in each turn: which row belongs where.

One pass that never looks ahead, and a turn takes nothing recorded before its utterance note.
That is why the rows of one turn alone, read live, give the same turn as the whole session.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bench.analysis.acts import ACTS, asks_aside, meets_aside, note_act
from bench.analysis.detail import fault_class_of, fault_of, labels_of, number, parsed, text
from bench.analysis.moments import (
    Cause,
    Complaint,
    Delta,
    Transcript,
    TurnMoments,
)
from bench.analysis.placing import (
    HELD_START_MS,
    HELD_STOP_MS,
    PADDING_MS,
    place,
    server_ms_of,
    under_way_at,
)
from bench.analysis.responses import OF_RESPONSES, Responses
from bench.analysis.rows import DeltaRun, Row
from bench.dialects.base import Kind
from bench.runs.event import EventRow


@dataclass(slots=True)
class Left:
    """How many rows of one kind were left for one reason, and when the first of them came."""

    at_ns: int
    count: int


@dataclass(slots=True)
class Attribution:
    """The state of the pass, and its result when every row was taken.

    What can come only once and came again counts the first time; the next is left. Deltas are
    many and say nothing that would tell one sent twice from the next: each counts, as each is
    played. A hole in `seq` says that rows were lost, and then an item's answer is only taken
    for one while its turn is under way: a later item may be among what was lost.
    """

    turns: list[TurnMoments] = field(default_factory=list)
    left: dict[tuple[str, str], Left] = field(default_factory=dict)
    """Rows that belong to no turn, by kind and reason."""
    lost: int = 0
    """Rows missing between the first and the last."""
    _next_seq: int | None = None
    _items: dict[str, TurnMoments | None] = field(default_factory=dict)
    _foreign: dict[str, TurnMoments] = field(default_factory=dict)
    _committed_items: set[str] = field(default_factory=set)
    _responses: Responses = field(default_factory=Responses)
    _cause: Cause = field(default_factory=lambda: Cause(None, None))

    def take_all(self, rows: Iterable[Row]) -> None:
        """Take rows in recorded order."""
        for row in rows:
            if row.seq != self._next_seq:
                self._miss(row.seq)
            if isinstance(row, DeltaRun):
                self._next_seq = row.last_seq + 1
                self._deltas(row)
            else:
                self._next_seq = row.seq + 1
                take = _TAKE.get(row.kind)
                reason = None if take is None else take(self, row)
                if reason is not None:
                    self.leave(row.kind, reason, row.at_ns)
            turn = self._under_way()
            if turn is not None and row.at_ns > turn.last_seen_ns:
                turn.last_seen_ns = row.at_ns

    def leave(self, kind: str, reason: str, at_ns: int, count: int = 1) -> None:
        """Count rows that belong to no turn."""
        if not count:
            return
        left = self.left.get((kind, reason))
        if left is None:
            self.left[kind, reason] = Left(at_ns, count)
        else:
            left.count += count

    def _miss(self, seq: int) -> None:
        # The rows of one turn alone begin anywhere; two rows may share a number.
        if self._next_seq is not None and seq > self._next_seq:
            self.lost += seq - self._next_seq
            self._cause.sure = False
            if self.turns:
                self.turns[-1].lossy = True

    def _under_way(self) -> TurnMoments | None:
        """The latest turn, unless it has ended."""
        return self.turns[-1] if self.turns and self.turns[-1].ended_ns is None else None

    # Each of these gives the reason why the row belongs to no turn, None when it was taken.

    # notes

    def _utterance(self, row: EventRow) -> str | None:
        label = labels_of(row)
        if label is None:
            return "utterance note without its labels"
        if any(turn.label.turn_index == label.turn_index for turn in self.turns):
            return "utterance note of a turn noted before"
        self.turns.append(TurnMoments(label, last_seen_ns=row.at_ns, begun_seq=row.seq))
        return None

    def _turn_ended(self, row: EventRow) -> str | None:
        detail = parsed(row.detail)
        index = number(detail.get("turn"))
        index = row.turn_index if index is None else index
        for turn in reversed(self.turns):
            if turn.label.turn_index == index and turn.ended_ns is None:
                turn.ended_ns = row.at_ns
                turn.end_reason = text(detail.get("reason"))
                return None
        return "end of a turn that was not begun, or had ended"

    def _closed(self, row: EventRow) -> str | None:
        turn = self._under_way()
        if turn is None:
            return None
        if turn.closed_text is not None:
            return "close of a session that was closed before"
        turn.closed_by = text(parsed(row.detail).get("by"))
        turn.close_code = number(parsed(row.detail).get("code"))
        turn.closed_text = fault_of(row)
        return None

    def _acted(self, row: EventRow) -> str | None:
        turn = self._under_way()
        if turn is not None:
            note_act(turn, row)
            if row.kind == Kind.RESPONSE_CREATE and not asks_aside(turn, row):
                self._cause = Cause(turn, None)  # what follows answers it
        return None

    def _malformed(self, row: EventRow) -> str | None:
        turn = self._under_way()
        if turn is not None and turn.malformed is None:
            turn.malformed = fault_of(row)
        return None

    def _error(self, row: EventRow) -> str | None:
        turn = self._under_way()
        if turn is not None:
            refused = text(parsed(row.detail).get("type")) == "invalid_request_error"
            turn.errors.append(Complaint(fault_class_of(row), fault_of(row), refused))
        return None

    # the caller's items

    def _speech_started(self, row: EventRow) -> str | None:
        if not self.turns:
            return "speech found outside of every turn"
        server_ms = server_ms_of(row, self.turns[-1].label, HELD_START_MS)
        if server_ms is None and row.server_ms is not None and row.item_id is not None:
            self._foreign[row.item_id] = self.turns[-1]
        mark = place(row, self.turns, server_ms, PADDING_MS)
        if mark is None:
            return "speech found outside of every turn"
        if any(mark.repeats(start) for start in mark.turn.starts):
            return "start of speech told before"
        mark.turn.starts.append(mark)
        return None

    def _speech_stopped(self, row: EventRow) -> str | None:
        mark = None
        if self.turns:
            server_ms = server_ms_of(row, self.turns[-1].label, HELD_STOP_MS)
            # Only a start seen in this very turn may say so: see the module's first lines.
            if row.item_id is not None and self._foreign.get(row.item_id) is self.turns[-1]:
                server_ms = None
            mark = place(row, self.turns, server_ms, 0.0)
        if mark is not None and any(mark.repeats(stop) for stop in mark.turn.stops):
            if mark.turn is not self.turns[-1]:
                self._cause = Cause(None, row.item_id)
            return "end of speech told before"
        turn = None if mark is None else mark.turn
        if row.item_id is not None:
            self._items[row.item_id] = turn
        self._cause = Cause(turn, row.item_id, mark)
        if mark is None:
            return "speech ended outside of every turn"
        mark.turn.stops.append(mark)
        return None

    def _committed(self, row: EventRow) -> str | None:
        if row.item_id is None:
            turn = self._committed_by_arrival(row)
        elif row.item_id in self._committed_items:
            return "audio committed before"
        else:
            self._committed_items.add(row.item_id)
            if row.item_id not in self._items:
                self._items[row.item_id] = self._committed_by_arrival(row)
            turn = self._items[row.item_id]
        if self._cause.turn is not turn or self._cause.item_id != row.item_id:
            self._cause = Cause(turn, row.item_id)
        if turn is None:
            return "audio committed outside of every turn"
        turn.committed = True
        return None

    def _committed_by_arrival(self, row: EventRow) -> TurnMoments | None:
        turn = under_way_at(row.at_ns, self.turns)
        # A commit that arrives before the speech began cannot be of it.
        return None if turn is None or row.at_ns < turn.label.speech_start_ns else turn

    def _transcript_done(self, row: EventRow) -> str | None:
        # Transcripts come late, in the next turn even: arrival says nothing about them.
        turn = self._items.get(row.item_id) if row.item_id is not None else None
        if turn is None:
            return "transcript of an item that belongs to no turn"
        if row.item_id in turn.transcripts:
            return "transcript given before"
        said = text(parsed(row.detail).get("transcript")) or ""
        turn.transcripts[row.item_id] = Transcript(row.at_ns, said)
        return None

    def _transcript_failed(self, row: EventRow) -> str | None:
        turn = self._items.get(row.item_id) if row.item_id is not None else None
        if turn is None:
            return "transcript of an item that belongs to no turn"
        if turn.transcript_fault is None:
            turn.transcript_fault = fault_of(row)
        return None

    # responses

    def _response_created(self, row: EventRow) -> str | None:
        if row.response_id is None:
            return "response without an id"
        if self._responses.get(row.response_id) is not None:
            return "response created before"
        cause = self._cause
        if self.turns and self._meets_aside(row, cause):
            return None
        reason = self._why_unanswerable(cause)
        response = self._responses.create(row, cause, attributed=reason is None)
        if reason is None and cause.turn is not None:
            cause.answered = True
            cause.turn.responses.append(response)
        return reason

    def _meets_aside(self, row: EventRow, cause: Cause) -> bool:
        turn = self.turns[-1]
        if not meets_aside(turn, row, answered=cause.turn is not turn or cause.answered):
            return False
        turn.asides.append(self._responses.create(row, cause, attributed=True))
        return True

    def _why_unanswerable(self, cause: Cause) -> str | None:
        """Why a response cannot be put down to the latest item, None when it can."""
        turn = cause.turn
        if turn is None:
            return "response to no utterance"
        if turn is not self.turns[-1] and cause.answered:
            # The stop it answers was lost or never sent: whose it is can only be guessed.
            return "response after a new utterance, to an item already answered"
        if not cause.sure and turn is not self._under_way():
            return "response after lost rows, to an item of an earlier turn"
        return None

    def _deltas(self, run: DeltaRun) -> None:
        self._talk_into(run.response_id, run.audio)
        reason = self._responses.take_run(run)
        if reason is None:
            return
        if run.audio:
            self.leave(Kind.OUTPUT_AUDIO_DELTA, reason, run.audio[0].at_ns, len(run.audio))
        if run.first_text_ns is not None:
            self.leave(Kind.OUTPUT_TRANSCRIPT_DELTA, reason, run.first_text_ns, run.text_count)

    def _of_response(self, row: EventRow) -> str | None:
        if row.kind == Kind.OUTPUT_AUDIO_DELTA:
            self._talk_into(row.response_id, [Delta(row.at_ns, row.audio_ms, row.silence_ms)])
        return self._responses.take(row)

    def _talk_into(self, response_id: str | None, audio: list[Delta]) -> None:
        """Audio of a reply that the caller already speaks over.

        Whatever was not created since that turn began is of such a reply: of the rows of that
        turn alone no more is known.
        """
        if not self.turns or self.turns[-1].label.interrupts is None:
            return
        turn = self.turns[-1]
        response = self._responses.get(response_id)
        if response is None or response.created_seq < turn.begun_seq:
            turn.talked_into += audio


_TAKE: dict[str, Callable[[Attribution, EventRow], str | None]] = {
    Kind.UTTERANCE: Attribution._utterance,
    Kind.TURN_ENDED: Attribution._turn_ended,
    Kind.CLOSED: Attribution._closed,
    **dict.fromkeys(ACTS, Attribution._acted),
    Kind.ERROR: Attribution._error,
    Kind.SPEECH_STARTED: Attribution._speech_started,
    Kind.SPEECH_STOPPED: Attribution._speech_stopped,
    Kind.COMMITTED: Attribution._committed,
    Kind.INPUT_TRANSCRIPT_DONE: Attribution._transcript_done,
    Kind.INPUT_TRANSCRIPT_FAILED: Attribution._transcript_failed,
    Kind.MALFORMED: Attribution._malformed,
    Kind.RESPONSE_CREATED: Attribution._response_created,
    **dict.fromkeys(OF_RESPONSES, Attribution._of_response),
}

"""Turns one session's event rows into the session and its turns, with every instant found."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from bench.analysis.attribution import Attribution
from bench.analysis.detail import fault_class_of, message_of, parsed, text
from bench.analysis.moments import SILENCE, Label, Mark, TurnMoments
from bench.analysis.playback import play_out
from bench.analysis.prices import Prices, usage_of
from bench.analysis.reading import Reading
from bench.analysis.rows import Row
from bench.analysis.turn import COLD, MEASURED, UNREVIEWED, WARMUP, Turn
from bench.analysis.verdict import judge
from bench.dialects.base import Kind
from bench.runs.event import EventRow

_SEQ = attrgetter("seq")


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """How one session came up and went down; instants as in Turn."""

    session_id: str
    connect_started_ns: int | None = None
    connected_ns: int | None = None
    session_updated_ns: int | None = None
    failed_ns: int | None = None
    failed_class: str | None = None


@dataclass(frozen=True, slots=True)
class Unattributed:
    """Rows of one kind that belong to no turn for one reason; `at_ns` is of the first."""

    session_id: str
    kind: str
    at_ns: int
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something the server or the network reported as wrong, whether or not a turn suffered."""

    session_id: str
    at_ns: int
    fault_class: str
    message: str


@dataclass(frozen=True, slots=True)
class SessionAssembly:
    """Everything one session's rows say."""

    session: SessionRecord
    turns: list[Turn]
    unattributed: list[Unattributed]
    faults: list[Fault]
    lost: int
    """Rows missing between the first and the last, by their numbers."""


def assemble_session(
    rows: Sequence[Row], warm_until_ns: int | None = None, prices: Prices | None = None
) -> SessionAssembly:
    """The session and its turns; never raises on any order, loss or duplication of rows.

    `rows` are of one session, in any order: `seq` says which came first. A row recorded twice
    counts once, and is then listed. Turns whose utterance began before `warm_until_ns` (on the
    session's clock) are warm-up. The rows of one turn alone, from its utterance note on, give
    that same turn. Without `prices` no turn has a cost.
    """
    ordered, repeated = _in_order(rows)
    attribution = Attribution()
    attribution.take_all(ordered)
    for row in repeated:
        attribution.leave(row.kind, "recorded twice", row.at_ns)
    session_id = ordered[0].session_id if ordered else ""
    told = [row for row in ordered if isinstance(row, EventRow)]
    turns = [_turn(moments, warm_until_ns, prices) for moments in attribution.turns]
    for moments in attribution.turns:
        moments.let_go()
    return SessionAssembly(
        _session(session_id, told),
        turns,
        [
            Unattributed(session_id, str(kind), left.at_ns, reason, left.count)
            for (kind, reason), left in attribution.left.items()
        ],
        [
            Fault(session_id, row.at_ns, fault_class_of(row), message_of(row))
            for row in told
            if row.kind in _FAULT_KINDS and _is_fault(row)
        ],
        attribution.lost,
    )


def _in_order(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Rows in recorded order, each once, and the second and further ones of the same."""
    ordered = sorted(rows, key=_SEQ)
    if len(set(map(_SEQ, ordered))) == len(ordered):
        return ordered, []
    once: list[Row] = []
    repeated: list[Row] = []
    for _, group in itertools.groupby(ordered, key=_SEQ):
        # Different rows of one number are a damaged record: both count, in an order that does
        # not depend on the order in which they were given.
        tied = sorted(group, key=lambda row: (row.at_ns, repr(row)))
        for before, row in zip([None, *tied], tied, strict=False):
            (repeated if row == before else once).append(row)
    return once, repeated


def _turn(moments: TurnMoments, warm_until_ns: int | None, prices: Prices | None) -> Turn:
    label = moments.label
    reading = Reading.of(moments)
    onset, end, reply = reading.onset, reading.end, reading.reply
    cut_off, cut_off_ms = _cut_off(moments, reading)
    ended_ns = moments.ended_ns
    verdict = judge(moments, reading, cut_off=cut_off)
    usage = usage_of(made.usage for made in (*moments.responses, *moments.asides))
    return Turn(
        session_id=label.session_id,
        turn_index=label.turn_index,
        kind=label.kind,
        expects=label.expects,
        detected=label.detected,
        awaits_audio=label.awaits_audio,
        interrupts=label.interrupts,
        utterance=label.utterance,
        category=label.category,
        pauses=label.pauses,
        outcome=verdict.outcome,
        turn_class=_turn_class(label, warm_until_ns),
        cut_off=cut_off,
        cut_off_pause=None if cut_off_ms is None else label.pause_at(cut_off_ms),
        started_ns=label.started_ns,
        speech_start_ns=label.speech_start_ns,
        speech_end_ns=_latency_zero_ns(moments),
        speech_started_ns=None if onset is None else onset.at_ns,
        speech_stopped_ns=None if end is None else end.at_ns,
        requested_ns=moments.requested_ns,
        tool_call_ns=reading.tool_call_ns(),
        tool_result_ns=moments.tool_result_ns,
        tool_reply_ns=reading.first_audio_since_ns(moments.tool_result_ns),
        interrupted_until_ns=_interrupted_until_ns(moments),
        overrun_ms=_overrun_ms(moments),
        response_created_ns=None if reply is None else reply.created_ns,
        first_audio_ns=None if reply is None else reply.first_audio_ns,
        first_audible_ns=None if reply is None else reply.first_audible_ns,
        audibility_lost=reply is not None and reply.audibility_lost,
        last_audio_ns=None if reply is None else reply.last_audio_ns,
        response_done_ns=None if reply is None else reply.done_ns,
        transcript_done_ns=_transcript_done_ns(moments, end),
        first_output_transcript_ns=None if reply is None else reply.first_transcript_ns,
        ended_ns=ended_ns,
        observed_until_ns=moments.last_seen_ns if ended_ns is None else ended_ns,
        item_id=None if end is None else end.item_id,
        response_id=None if reply is None else reply.response_id,
        response_status=None if reply is None else reply.status,
        delta_count=0 if reply is None else len(reply.deltas),
        reply_ms=0.0 if reply is None else reply.reply_ms,
        playout=_NOTHING_PLAYED if reply is None else play_out(reply.deltas),
        text=label.text,
        transcript=" ".join(told.text for told in reading.said) if reading.said else None,
        usage=usage,
        cost_usd=None if usage is None or prices is None else prices.cost_usd(usage),
        end_reason=moments.end_reason,
        error=verdict.error,
    )


_NOTHING_PLAYED = play_out(())


def _latency_zero_ns(moments: TurnMoments) -> int:
    """The end of speech; of a turn without a clip, the request for a response."""
    label, requested_ns = moments.label, moments.requested_ns
    silent = label.kind in {"text", "image", "request"} and requested_ns is not None
    return requested_ns if silent and requested_ns is not None else label.speech_end_ns


def _interrupted_until_ns(moments: TurnMoments) -> int | None:
    if moments.lossy:
        return None
    return max((delta.at_ns for delta in moments.talked_into), default=None)


def _overrun_ms(moments: TurnMoments) -> float | None:
    if moments.label.interrupts is None or moments.lossy:
        return None
    begun_ns = moments.label.speech_start_ns
    return sum(d.audio_ms or 0.0 for d in moments.talked_into if d.at_ns >= begun_ns)


def _turn_class(label: Label, warm_until_ns: int | None) -> str:
    if not label.trusted:
        return UNREVIEWED
    if label.turn_index == 0:
        return COLD
    early = warm_until_ns is not None and label.started_ns < warm_until_ns
    return WARMUP if early else MEASURED


def _cut_off(moments: TurnMoments, reading: Reading) -> tuple[bool, float | None]:
    """Whether the turn was taken too soon, and where in the clip the server's boundary lay."""
    speech_end_ns, end = moments.label.speech_end_ns, reading.end
    if moments.label.kind != "speech" or moments.label.expects == SILENCE:
        return False, None
    if end is not None and end.at_ns < speech_end_ns:
        return True, end.position_ms
    heard = [r.first_audio_ns for r in reading.replies if r.first_audio_ns is not None]
    if not heard or min(heard) >= speech_end_ns:
        return False, None
    # Its speech_stopped came later or never; the boundary is unknown unless that one says it.
    return True, end.position_ms if end is not None and end.by_server else None


def _transcript_done_ns(moments: TurnMoments, end: Mark | None) -> int | None:
    if end is not None:
        told = moments.transcripts.get(end.item_id)
        return None if told is None else told.at_ns
    return min((told.at_ns for told in moments.transcripts.values()), default=None)


_FAULT_KINDS = frozenset(
    {
        Kind.CONNECT_FAILED,
        Kind.ERROR,
        Kind.MALFORMED,
        Kind.INPUT_TRANSCRIPT_FAILED,
        Kind.CLOSED,
        Kind.RESPONSE_DONE,
    }
)


def _is_fault(row: EventRow) -> bool:
    """Whether a row of _FAULT_KINDS reports something as wrong."""
    match row.kind:
        case Kind.CLOSED:
            return text(parsed(row.detail).get("by")) != "client"
        case Kind.RESPONSE_DONE:
            return text(parsed(row.detail).get("status")) in {"failed", "incomplete"}
    return True


def _session(session_id: str, rows: Sequence[EventRow]) -> SessionRecord:
    first: dict[str, EventRow] = {}
    for row in rows:
        first.setdefault(row.kind, row)

    def at_ns(kind: Kind) -> int | None:
        return first[kind].at_ns if kind in first else None

    failed = parsed(first[Kind.CONNECT_FAILED].detail) if Kind.CONNECT_FAILED in first else {}
    return SessionRecord(
        session_id=session_id,
        connect_started_ns=at_ns(Kind.CONNECT_STARTED),
        connected_ns=at_ns(Kind.CONNECTED),
        session_updated_ns=at_ns(Kind.SESSION_UPDATED),
        failed_ns=at_ns(Kind.CONNECT_FAILED),
        failed_class=text(failed.get("class")),
    )

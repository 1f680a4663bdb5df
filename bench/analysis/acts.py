"""Turns what the client did within a turn into moments of it."""

from __future__ import annotations

from bench.analysis.detail import parsed
from bench.analysis.moments import TurnMoments
from bench.dialects.base import Kind
from bench.runs.event import EventRow

ACTS = (
    Kind.OVERLAY,
    Kind.COMMIT,
    Kind.RESPONSE_CREATE,
    Kind.ITEM_CREATE,
    Kind.ITEM_TRUNCATE,
)


def note_act(turn: TurnMoments, row: EventRow) -> None:
    """Take in one of ACTS that was done while `turn` was under way."""
    if asks_aside(turn, row):
        turn.asides_asked.append(parsed(row.detail).get("metadata"))
        return
    match row.kind:
        case Kind.COMMIT | Kind.RESPONSE_CREATE if turn.requested_ns is None:
            turn.requested_ns = row.at_ns
        case Kind.ITEM_CREATE if parsed(row.detail).get("item_type") == "function_call_output":
            turn.tool_result_ns = row.at_ns
        case Kind.OVERLAY:
            turn.overlaid = True
        case Kind.ITEM_TRUNCATE if turn.overlaid:  # else of the turn that this one interrupts
            turn.truncated = True


def asks_aside(turn: TurnMoments, row: EventRow) -> bool:
    """Whether a response is asked for that is no answer to the caller: one out of band.

    In a turn that is such a request and nothing else it is what the caller waits for.
    """
    if row.kind != Kind.RESPONSE_CREATE or turn.label.kind == "request":
        return False
    return bool(parsed(row.detail).get("conversation") == "none")


def meets_aside(turn: TurnMoments, row: EventRow, *, answered: bool) -> bool:
    """Whether a response that was created is one that was asked for out of band.

    Its metadata says so. Without any, the first response to what was said is the answer.
    """
    metadata = parsed(row.detail).get("metadata")
    if metadata not in turn.asides_asked or (metadata is None and not answered):
        return False
    turn.asides_asked.remove(metadata)
    return True

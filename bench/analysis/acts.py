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
    match row.kind:
        case Kind.COMMIT | Kind.RESPONSE_CREATE if turn.requested_ns is None:
            turn.requested_ns = row.at_ns
        case Kind.ITEM_CREATE if parsed(row.detail).get("item_type") == "function_call_output":
            turn.tool_result_ns = row.at_ns
        case Kind.OVERLAY:
            turn.overlaid = True
        case Kind.ITEM_TRUNCATE if turn.overlaid:  # else of the turn that this one interrupts
            turn.truncated = True

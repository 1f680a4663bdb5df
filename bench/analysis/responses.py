"""Turns what comes of responses into moments of each, by the ids that it bears."""

from __future__ import annotations

from bench.analysis.detail import parsed, text
from bench.analysis.moments import Cause, Delta, ResponseMoments
from bench.analysis.rows import DeltaRun
from bench.dialects.base import Kind
from bench.runs.event import EventRow

OF_RESPONSES = (
    Kind.OUTPUT_AUDIO_DELTA,
    Kind.OUTPUT_TRANSCRIPT_DELTA,
    Kind.OUTPUT_TEXT_DELTA,
    Kind.TOOL_CALL,
    Kind.RESPONSE_DONE,
)
"""What comes of a response after it was created."""


class Responses:
    """Every response of a session. What takes a row says why it belongs to none, else None."""

    def __init__(self) -> None:
        self._by_id: dict[str | None, ResponseMoments] = {}

    def get(self, response_id: str | None) -> ResponseMoments | None:
        """The response of that id, whosever it is."""
        return self._by_id.get(response_id)

    def create(self, row: EventRow, cause: Cause, *, attributed: bool) -> ResponseMoments:
        """Begin the response that `row` tells of; it has an id that none has had."""
        assert row.response_id is not None
        made = ResponseMoments(row.response_id, row.at_ns, row.seq, cause, attributed)
        self._by_id[row.response_id] = made
        return made

    def take_run(self, run: DeltaRun) -> str | None:
        """Take deltas that were recorded one after another."""
        response, reason = self._attributed(run.response_id)
        if response is not None:
            response.deltas += run.audio
            response.note_text(run.first_text_ns)
        return reason

    def take(self, row: EventRow) -> str | None:
        """Take a row of one of the kinds OF_RESPONSES."""
        response, reason = self._attributed(row.response_id)
        if response is None:
            return reason
        match row.kind:
            case Kind.OUTPUT_AUDIO_DELTA:
                response.deltas.append(Delta(row.at_ns, row.audio_ms, row.silence_ms))
            case Kind.TOOL_CALL:
                if response.called_ns is None:
                    response.called_ns = row.at_ns
            case Kind.RESPONSE_DONE:
                return _finish(response, row)
            case _:
                response.note_text(row.at_ns)
        return None

    def _attributed(self, response_id: str | None) -> tuple[ResponseMoments | None, str | None]:
        """The response of that id if it belongs to a turn, else why there is none."""
        response = self._by_id.get(response_id)
        if response is None:
            return None, "of a response that was never created"
        if not response.attributed:
            return None, "of a response that belongs to no turn"
        return response, None


def _finish(response: ResponseMoments, row: EventRow) -> str | None:
    if response.done_ns is not None:
        return "response done before"
    detail = parsed(row.detail)
    response.done_ns = row.at_ns
    response.status = text(detail.get("status"))
    response.reason = text(detail.get("reason"))
    response.error_code = text(detail.get("error_code"))
    response.usage = detail.get("usage")
    return None

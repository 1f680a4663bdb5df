"""Turns what came of a turn into its outcome and, if the server said so, the reason."""

from __future__ import annotations

from typing import NamedTuple

from bench.analysis.moments import SILENCE, TRANSCRIPT, ResponseMoments, TurnMoments
from bench.analysis.reading import Reading

_PROTOCOL_BROKEN = frozenset({1002.0, 1003.0, 1007.0})
"""Close codes by which one side says that the other broke the rules: RFC 6455, 7.4.1."""


class Verdict(NamedTuple):
    """How a turn ended, a name in OUTCOMES, and what the server or network said about it."""

    outcome: str
    error: str | None = None


def judge(moments: TurnMoments, reading: Reading, *, cut_off: bool) -> Verdict:
    """The outcome of a turn.

    A whole reply is `ok` even when the connection or the run ended while the caller listened:
    nothing about such a turn is unknown. Only where the process was killed and noted no end, it
    is `stopped` or `disconnected`. A cut-off turn is judged by its last response, since
    the one to the premature end was bound to be cancelled.
    """
    reply = reading.last_reply
    if cut_off and reading.replies:
        reply = reading.replies[-1]
    expects = moments.label.expects
    if moments.end_reason in {"talked_over", "hung_up"}:
        return Verdict(moments.end_reason)
    if expects == SILENCE:
        return _broken_off(moments, None, cut_off=False) or _unasked(moments)
    if expects == TRANSCRIPT:
        if moments.transcripts:
            return Verdict("ok")
        broken = _broken_off(moments, None, cut_off=False) or _refused(moments, None)
        return broken or _unwritten(moments, reading)
    return (
        _broken_off(moments, reply, cut_off=cut_off)
        or _refused(moments, reply)
        or Verdict(_heard(moments, reading, reply, cut_off=cut_off))
    )


def _unasked(moments: TurnMoments) -> Verdict:
    """A turn in which nobody spoke: whatever answers it is a mistake."""
    return Verdict("false_turn" if moments.responses else "ok")


def _unwritten(moments: TurnMoments, reading: Reading) -> Verdict:
    if moments.transcript_fault is not None:
        return Verdict("server_error", moments.transcript_fault)
    return Verdict("missed_turn" if _is_missed(moments, reading) else "no_transcript")


def _is_missed(moments: TurnMoments, reading: Reading) -> bool:
    """Whether nothing shows that anybody, server or client, saw the turn's end."""
    seen = moments.committed or moments.requested_ns is not None
    return not seen and reading.end is None


def _is_whole(moments: TurnMoments, reply: ResponseMoments | None) -> bool:
    if reply is None or reply.status != "completed":
        return False
    return bool(reply.deltas) or moments.label.modality == "text"


def _broken_off(
    moments: TurnMoments, reply: ResponseMoments | None, *, cut_off: bool
) -> Verdict | None:
    """The run or the connection ended before the turn did."""
    lost = moments.closed_by in {"server", "network"}
    reason = moments.end_reason
    if moments.ended_ns is None:  # a killed process notes nothing
        reason = "disconnected" if lost else "stopped"
    elif _is_whole(moments, reply) and not cut_off:
        return None
    if reason == "stopped":
        return Verdict("stopped")
    if reason == "disconnected":
        limited = next((e.words for e in moments.errors if _is_rate_limit(e.code)), None)
        if limited is not None:  # the server said why it hung up
            return Verdict("rate_limited", limited)
        broken = moments.close_code in _PROTOCOL_BROKEN
        return Verdict("protocol_error" if broken else "disconnected", moments.closed_text)
    return None


def _refused(moments: TurnMoments, reply: ResponseMoments | None) -> Verdict | None:
    """The response failed, or an error event came instead of its end."""
    if reply is not None and reply.status in {"failed", "incomplete"}:
        code = reply.error_code or reply.reason or reply.status
        limited = _is_rate_limit(reply.error_code or "")
        return Verdict("rate_limited" if limited else "server_error", code)
    # Most errors leave the session as it was: only one without a finished reply ended the turn.
    if moments.errors and (reply is None or reply.done_ns is None):
        error = moments.errors[-1]
        refused = "refused" if error.refused else "server_error"
        return Verdict("rate_limited" if _is_rate_limit(error.code) else refused, error.words)
    if moments.malformed is not None and (reply is None or reply.done_ns is None):
        return Verdict("protocol_error", moments.malformed)
    return None


def _heard(
    moments: TurnMoments,
    reading: Reading,
    reply: ResponseMoments | None,
    *,
    cut_off: bool,
) -> str:
    """The outcome by what reached the caller, when nothing broke off and nothing failed."""
    timed_out = moments.end_reason == "watchdog"
    if cut_off:
        heard = (r.last_audio_ns for r in reading.replies if r.last_audio_ns is not None)
        last_ns = max(heard, default=0)
        return "no_reply" if timed_out and last_ns < moments.label.speech_end_ns else "cut_off"
    if reply is None:
        return "missed_turn" if _is_missed(moments, reading) else "no_reply"
    stopped = reply.status == "cancelled" and reply.reason != "client_cancelled"
    if stopped or (moments.overlaid and moments.truncated):
        return "false_interruption"
    if not reply.deltas and moments.label.modality == "text" and reply.done_ns is not None:
        return "ok"
    if not reply.deltas:
        return "no_reply" if reply.done_ns is None else "audio_less"
    return "server_error" if timed_out and reply.done_ns is None else "ok"


def _is_rate_limit(code: str) -> bool:
    return "rate_limit" in code or code in {"too_many_requests", "429"}

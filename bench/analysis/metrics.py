"""Turns a turn or a session into numbers: one table, one entry per metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.analysis.turns import SessionRecord, Turn


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure and everything a reader needs to trust it.

    `measure` takes a Turn or a SessionRecord, by `scope`, and gives None when an instant it
    needs is missing. `bound` gives the lower bound of a value that did not come while it was
    waited for (right-censored), None when there is none; it is asked only when `measure` gave
    None.
    """

    name: str
    unit: str
    better: str
    """`lower` or `higher`."""
    scope: str
    """`turn` or `session`."""
    label: str
    meaning: str
    source: str
    """From which instants, and who supplies them."""
    measure: Callable[[Any], float | None]
    bound: Callable[[Any], float | None] | None = None


def _ms(start_ns: int | None, end_ns: int | None) -> float | None:
    # Subtracting integers first keeps the identity exact: floats of uptime lose nanoseconds.
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / 1e6


def _waited_ms(start_ns: int | None, turn: Turn) -> float | None:
    """How long something was waited for in vain; None when the wait had not begun.

    None too when the run's end cut the wait short: that says nothing of the target, and placed
    above every value seen it would raise the percentiles of every run.
    """
    if turn.outcome == "stopped":
        return None
    waited = _ms(start_ns, turn.observed_until_ns)
    return waited if waited is not None and waited > 0 else None


def _waited_for_audio_ms(start_ns: int | None, turn: Turn) -> float | None:
    return _waited_ms(start_ns, turn) if turn.awaits_audio else None


def _waited_for_detection_ms(start_ns: int | None, turn: Turn) -> float | None:
    return _waited_ms(start_ns, turn) if turn.detected else None


def _connect_ms(session: SessionRecord) -> float | None:
    return _ms(session.connect_started_ns, session.connected_ns)


def _setup_ms(session: SessionRecord) -> float | None:
    return _ms(session.connect_started_ns, session.session_updated_ns)


def _ttfa_ms(turn: Turn) -> float | None:
    return _ms(turn.speech_end_ns, turn.first_audio_ns) if turn.awaits_audio else None


def _voice_to_voice_ms(turn: Turn) -> float | None:
    return _ms(turn.speech_end_ns, turn.first_audible_ns) if turn.awaits_audio else None


def _endpointing_delay_ms(turn: Turn) -> float | None:
    return _ms(turn.speech_end_ns, turn.speech_stopped_ns) if turn.detected else None


def _response_latency_ms(turn: Turn) -> float | None:
    return _ms(_turn_end_ns(turn), turn.first_audio_ns) if turn.awaits_audio else None


def _turn_end_ns(turn: Turn) -> int | None:
    """When the turn was known to have ended: by the server's word, or by the client's own."""
    return turn.speech_stopped_ns if turn.detected else turn.requested_ns


def _model_latency_ms(turn: Turn) -> float | None:
    return _ms(turn.response_created_ns, turn.first_audio_ns)


def _onset_delay_ms(turn: Turn) -> float | None:
    return _ms(turn.speech_start_ns, turn.speech_started_ns) if turn.detected else None


def _transcript_ms(turn: Turn) -> float | None:
    return _ms(turn.speech_end_ns, turn.transcript_done_ns)


def _transcript_lead_ms(turn: Turn) -> float | None:
    return _ms(turn.first_audio_ns, turn.first_output_transcript_ns)


def _tool_call_ms(turn: Turn) -> float | None:
    return _ms(turn.speech_end_ns, turn.tool_call_ns)


def _tool_reply_ms(turn: Turn) -> float | None:
    replied = turn.tool_result_ns is not None and (turn.first_audio_ns or 0) > turn.tool_result_ns
    return _ms(turn.tool_result_ns, turn.first_audio_ns) if replied else None


def _barge_in_detect_ms(turn: Turn) -> float | None:
    return None if turn.interrupts is None else _onset_delay_ms(turn)


def _barge_in_stop_ms(turn: Turn) -> float | None:
    """None too where all of the reply had come before: then there was nothing to stop."""
    stopped_ms = _ms(turn.speech_start_ns, turn.interrupted_until_ns)
    return stopped_ms if stopped_ms is not None and stopped_ms >= 0 else None


def _delivery_factor(turn: Turn) -> float | None:
    wall_ms = _ms(turn.first_audio_ns, turn.last_audio_ns)
    return turn.reply_ms / wall_ms if wall_ms is not None and wall_ms > 0 else None


_SINCE_SPEECH_END = "the clip's label and the audio clock"

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "ttfa_ms",
            "ms",
            "lower",
            "turn",
            "Time to first audio",
            "From the true end of speech to the arrival of the reply's first audio.",
            f"speech end by {_SINCE_SPEECH_END}; first audio delta, as received",
            _ttfa_ms,
            lambda turn: _waited_for_audio_ms(turn.speech_end_ns, turn),
        ),
        Metric(
            "voice_to_voice_ms",
            "ms",
            "lower",
            "turn",
            "Voice to voice",
            "From the true end of speech to the first audible sample of the reply in a player "
            "without a playout buffer: leading silence in the reply's audio counts.",
            f"speech end by {_SINCE_SPEECH_END}; audio deltas as received, decoded and played",
            _voice_to_voice_ms,
            lambda turn: _waited_for_audio_ms(turn.speech_end_ns, turn),
        ),
        Metric(
            "endpointing_delay_ms",
            "ms",
            "lower",
            "turn",
            "Endpointing delay",
            "From the true end of speech to the arrival of speech_stopped. Negative: cut off.",
            f"speech end by {_SINCE_SPEECH_END}; speech_stopped, as received",
            _endpointing_delay_ms,
            lambda turn: _waited_for_detection_ms(turn.speech_end_ns, turn),
        ),
        Metric(
            "response_latency_ms",
            "ms",
            "lower",
            "turn",
            "Response latency",
            "From the arrival of speech_stopped to the reply's first audio. Time to first audio "
            "is exactly endpointing delay plus response latency. Without turn detection: from the "
            "client's own commit or request.",
            "speech_stopped, or our commit as sent; first audio delta, as received",
            _response_latency_ms,
            lambda turn: _waited_for_audio_ms(_turn_end_ns(turn), turn),
        ),
        Metric(
            "model_latency_ms",
            "ms",
            "lower",
            "turn",
            "Model latency",
            "From the arrival of response.created to the reply's first audio.",
            "response.created and first audio delta, as received",
            _model_latency_ms,
            lambda turn: _waited_for_audio_ms(turn.response_created_ns, turn),
        ),
        Metric(
            "onset_delay_ms",
            "ms",
            "lower",
            "turn",
            "Onset delay",
            "From the true start of speech to the arrival of speech_started. Negative: something "
            "before the speech set it off.",
            "speech start by the clip's label and the audio clock; speech_started, as received",
            _onset_delay_ms,
            lambda turn: _waited_for_detection_ms(turn.speech_start_ns, turn),
        ),
        Metric(
            "transcript_ms",
            "ms",
            "lower",
            "turn",
            "Input transcript",
            "From the true end of speech to the finished transcript of what the caller said.",
            f"speech end by {_SINCE_SPEECH_END}; input transcription completed, as received",
            _transcript_ms,
        ),
        Metric(
            "transcript_lead_ms",
            "ms",
            "lower",
            "turn",
            "Reply text against audio",
            "First piece of the reply's transcript minus its first audio. Negative: text first.",
            "first output transcript delta and first audio delta, as received",
            _transcript_lead_ms,
        ),
        Metric(
            "tool_call_ms",
            "ms",
            "lower",
            "turn",
            "Tool call",
            "From the true end of speech to the arrival of a tool's call with its arguments.",
            f"speech end by {_SINCE_SPEECH_END}; function_call_arguments.done, as received",
            _tool_call_ms,
        ),
        Metric(
            "tool_reply_ms",
            "ms",
            "lower",
            "turn",
            "Reply after a tool",
            "From the tool's result to the reply's first audio.",
            "our item with the result, as sent; first audio delta, as received",
            _tool_reply_ms,
        ),
        Metric(
            "barge_in_detect_ms",
            "ms",
            "lower",
            "turn",
            "Barge-in heard",
            "From the true start of an interruption to the arrival of speech_started.",
            "speech start by the clip's label and the audio clock; speech_started, as received",
            _barge_in_detect_ms,
        ),
        Metric(
            "barge_in_stop_ms",
            "ms",
            "lower",
            "turn",
            "Barge-in stop",
            "From the true start of an interruption to the last audio of the reply that it "
            "interrupts; missing where all of the reply had come before.",
            "speech start by the clip's label and the audio clock; audio deltas, as received",
            _barge_in_stop_ms,
        ),
        Metric(
            "delivery_factor",
            "\u00d7",
            "higher",
            "turn",
            "Delivery factor",
            "Seconds of reply audio per second between its first and its last delta. Below 1 "
            "a listener hears gaps.",
            "audio deltas, as received",
            _delivery_factor,
        ),
        Metric(
            "connect_ms",
            "ms",
            "lower",
            "session",
            "Connect",
            "From the start of the TCP connect to the server's 101: TCP, TLS and WebSocket.",
            "connect_started and connected, noted by rtbench",
            _connect_ms,
        ),
        Metric(
            "setup_ms",
            "ms",
            "lower",
            "session",
            "Session setup",
            "From the start of the TCP connect to session.updated: when a caller may speak.",
            "connect_started, noted by rtbench; session.updated, as received",
            _setup_ms,
        ),
    )
}
"""Every metric, in the order in which tables show them: what callers feel first."""

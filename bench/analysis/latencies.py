"""Lists the metrics of time: how long a caller waits for each thing, and since when."""

from __future__ import annotations

from bench.analysis.metric import (
    Metric,
    span_ms,
    waited_for_audio_ms,
    waited_for_detection_ms,
)
from bench.analysis.turn import Turn
from bench.analysis.turns import SessionRecord


def _ttfa_ms(turn: Turn) -> float | None:
    return span_ms(turn.speech_end_ns, turn.first_audio_ns) if turn.awaits_audio else None


def _voice_to_voice_ms(turn: Turn) -> float | None:
    return span_ms(turn.speech_end_ns, turn.first_audible_ns) if turn.awaits_audio else None


def _waited_to_hear_ms(turn: Turn) -> float | None:
    return None if turn.audibility_lost else waited_for_audio_ms(turn.speech_end_ns, turn)


def _endpointing_delay_ms(turn: Turn) -> float | None:
    return span_ms(turn.speech_end_ns, turn.speech_stopped_ns) if turn.detected else None


def _response_latency_ms(turn: Turn) -> float | None:
    return span_ms(_turn_end_ns(turn), turn.first_audio_ns) if turn.awaits_audio else None


def _turn_end_ns(turn: Turn) -> int | None:
    """When the turn was known to have ended: by the server's word, or by the client's own."""
    return turn.speech_stopped_ns if turn.detected else turn.requested_ns


def _model_latency_ms(turn: Turn) -> float | None:
    return span_ms(turn.response_created_ns, turn.first_audio_ns)


def _onset_delay_ms(turn: Turn) -> float | None:
    return span_ms(turn.speech_start_ns, turn.speech_started_ns) if turn.detected else None


def _transcript_ms(turn: Turn) -> float | None:
    return span_ms(turn.speech_end_ns, turn.transcript_done_ns)


def _transcript_lead_ms(turn: Turn) -> float | None:
    return span_ms(turn.first_audio_ns, turn.first_output_transcript_ns)


def _tool_call_ms(turn: Turn) -> float | None:
    return span_ms(turn.speech_end_ns, turn.tool_call_ns)


def _tool_reply_ms(turn: Turn) -> float | None:
    return span_ms(turn.tool_result_ns, turn.tool_reply_ns)


def _barge_in_detect_ms(turn: Turn) -> float | None:
    return None if turn.interrupts is None else _onset_delay_ms(turn)


def _barge_in_stop_ms(turn: Turn) -> float | None:
    """None too where all of the reply had come before: then there was nothing to stop."""
    stopped_ms = span_ms(turn.speech_start_ns, turn.interrupted_until_ns)
    return stopped_ms if stopped_ms is not None and stopped_ms >= 0 else None


_SINCE_SPEECH_END = "the clip's label and the audio clock"

LATENCIES: tuple[Metric, ...] = (
    Metric(
        "ttfa_ms",
        "ms",
        "lower",
        "turn",
        "Time to first audio",
        "From the true end of speech to the arrival of the reply's first audio.",
        f"speech end by {_SINCE_SPEECH_END}; first audio delta, as received",
        _ttfa_ms,
        lambda turn: waited_for_audio_ms(turn.speech_end_ns, turn),
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
        _waited_to_hear_ms,
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
        lambda turn: waited_for_detection_ms(turn.speech_end_ns, turn),
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
        lambda turn: waited_for_audio_ms(_turn_end_ns(turn), turn),
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
        lambda turn: waited_for_audio_ms(turn.response_created_ns, turn),
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
        lambda turn: waited_for_detection_ms(turn.speech_start_ns, turn),
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
        "overrun_ms",
        "ms",
        "lower",
        "turn",
        "Barge-in overrun",
        "Audio of the interrupted reply that was still received after the true start of the "
        "interruption; 0 where all of it had come before.",
        "speech start by the clip's label and the audio clock; audio deltas, as received",
        lambda turn: turn.overrun_ms,
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
)


def _connect_ms(session: SessionRecord) -> float | None:
    return span_ms(session.connect_started_ns, session.connected_ns)


def _setup_ms(session: SessionRecord) -> float | None:
    return span_ms(session.connect_started_ns, session.session_updated_ns)


OPENINGS: tuple[Metric, ...] = (
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

"""Lists the metrics of what a turn was like: its delivery, its words, its tokens, its cost."""

from __future__ import annotations

from bench.analysis.metric import Metric, span_ms
from bench.analysis.turn import Turn
from bench.analysis.words import word_error_rate


def _delivery_factor(turn: Turn) -> float | None:
    wall_ms = span_ms(turn.first_audio_ns, turn.last_audio_ns)
    return turn.reply_ms / wall_ms if wall_ms is not None and wall_ms > 0 else None


def _stall_count(turn: Turn) -> float | None:
    return turn.playout.stalls if turn.playout.played_ms else None


def _stall_ms(turn: Turn) -> float | None:
    return turn.playout.stalled_ms if turn.playout.played_ms else None


def _word_error_rate(turn: Turn) -> float | None:
    if not turn.text or turn.transcript is None:
        return None
    return word_error_rate(turn.text, turn.transcript)


_PLAYER = "audio deltas as received, in a simulated player that gathers 100 ms before it begins"

QUALITIES: tuple[Metric, ...] = (
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
        "stall_count",
        "",
        "lower",
        "turn",
        "Stalls",
        "How often a listener's player ran dry before the reply's audio was done.",
        _PLAYER,
        _stall_count,
    ),
    Metric(
        "stall_ms",
        "ms",
        "lower",
        "turn",
        "Stalled",
        "How long in all the player was silent for want of audio.",
        _PLAYER,
        _stall_ms,
    ),
    Metric(
        "stall_share",
        "share",
        "lower",
        "turn",
        "Stalled share",
        "The silence for want of audio, over the time from the first sound to the last.",
        _PLAYER,
        lambda turn: turn.playout.stalled_share,
    ),
    Metric(
        "wer",
        "share",
        "lower",
        "turn",
        "Word error rate",
        "Words to replace, drop or add in the server's transcript of the caller, over the words "
        "said; small letters, no punctuation, numbers as they are written.",
        "input transcription completed, as received; the clip's text",
        _word_error_rate,
    ),
)

COSTS: tuple[Metric, ...] = (
    Metric(
        "input_tokens",
        "tokens",
        "none",
        "turn",
        "Tokens in",
        "Tokens of input of every response that the turn brought about, cached ones included: "
        "each bills the whole conversation so far.",
        "usage of response.done",
        lambda turn: None if turn.usage is None else turn.usage.input_tokens,
    ),
    Metric(
        "output_tokens",
        "tokens",
        "none",
        "turn",
        "Tokens out",
        "Tokens of output of every response that the turn brought about, heard or not.",
        "usage of response.done",
        lambda turn: None if turn.usage is None else turn.usage.output_tokens,
    ),
    Metric(
        "cost_usd",
        "$",
        "lower",
        "turn",
        "Cost",
        "What those tokens cost by list price; missing where the model or a token's kind has "
        "none. Transcription is billed apart and not in it.",
        "usage of response.done; a dated price table, or prices.toml in the run folder",
        lambda turn: turn.cost_usd,
    ),
)

INSTRUMENT: tuple[Metric, ...] = (
    Metric(
        "pacing_lateness_ms",
        "ms",
        "lower",
        "run",
        "Pacing lateness",
        "From the instant a frame of audio was due to the one it was offered to the socket: the "
        "instrument's own doing.",
        "the audio clock; frames as offered, noted by rtbench",
        lambda record: record.pacing.lateness_ms,
    ),
    Metric(
        "client_lag_ms",
        "ms",
        "lower",
        "run",
        "Client lag",
        "From an event's arrival in the kernel to when our code saw it: the instrument's own "
        "doing, and in no latency unless the next event of its session came meanwhile.",
        "receive stamps of the kernel; the clock when the event was read",
        lambda record: record.client_lag_ms,
    ),
)

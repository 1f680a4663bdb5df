"""Lists the metrics that are rates: how often a turn goes wrong, of those that could."""

from __future__ import annotations

from bench.analysis.metric import Metric
from bench.analysis.outcomes import NOT_THE_TARGETS, OUTCOMES
from bench.analysis.turn import Turn

_CUT_SHORT = NOT_THE_TARGETS | {"hung_up", "disconnected"}
"""What had not come by then might still have."""


def _failed(turn: Turn) -> bool | None:
    return None if turn.outcome in NOT_THE_TARGETS else OUTCOMES[turn.outcome].failed


def _cut_off(turn: Turn) -> bool | None:
    if turn.kind != "speech" or turn.expects == "silence" or turn.outcome in NOT_THE_TARGETS:
        return None
    return turn.cut_off


def _missed_turn(turn: Turn) -> bool | None:
    if turn.kind != "speech" or turn.expects == "silence" or turn.outcome in _CUT_SHORT:
        return None
    unanswered = turn.outcome == "no_reply" and turn.response_created_ns is None
    return unanswered or turn.outcome == "missed_turn"


def _false_turn(turn: Turn) -> bool | None:
    if turn.expects != "silence" or turn.outcome not in {"ok", "false_turn"}:
        return None
    return turn.outcome == "false_turn"


def _false_interruption(turn: Turn) -> bool | None:
    heard = turn.expects == "reply" and turn.first_audio_ns is not None
    if not heard or turn.cut_off or turn.outcome in {*_CUT_SHORT, "talked_over"}:
        return None
    return turn.outcome == "false_interruption"


MISHAPS: tuple[Metric, ...] = (
    Metric(
        "failed",
        "share",
        "lower",
        "turn",
        "Turns failed",
        "Turns whose outcome counts as failed, of those that the run's end did not cut short.",
        "the outcome",
        _failed,
        is_rate=True,
    ),
    Metric(
        "cut_off",
        "share",
        "lower",
        "turn",
        "Turns cut off",
        "Turns that the server took before the caller had finished speaking, of those in which "
        "the caller spoke; turns.parquet has the pause that caused it.",
        "speech_stopped or reply audio, as received, before the end of speech by the clip's label",
        _cut_off,
        is_rate=True,
    ),
    Metric(
        "missed_turn",
        "share",
        "lower",
        "turn",
        "Turns missed",
        "Turns to which no response was begun before the watchdog ended the wait, of those in "
        "which the caller spoke.",
        "response.created, as received; the watchdog",
        _missed_turn,
        is_rate=True,
    ),
    Metric(
        "false_turn",
        "share",
        "lower",
        "turn",
        "False turns",
        "Turns that the server answered although nobody had spoken to it, of those in which "
        "nothing should have come.",
        "response.created, as received, in a turn that expects silence",
        _false_turn,
        is_rate=True,
    ),
    Metric(
        "false_interruption",
        "share",
        "lower",
        "turn",
        "False interruptions",
        "Replies that stopped although the caller did not mean to stop them, of those that began "
        "and that nobody talked over.",
        "response.done with status cancelled, as received, or our own truncation",
        _false_interruption,
        is_rate=True,
    ),
)

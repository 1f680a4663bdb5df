"""Turns measured turns and the embedded server's own log into the error of the instrument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.analysis.statistics import Distribution, distribution
from bench.analysis.turn import Turn


@dataclass(frozen=True, slots=True)
class MeasurementError:
    """How far measurements lie from what the server wrote down, in ms: measured minus truth.

    Valid only when server and worker share a host, hence a monotonic clock. The kernel stamps
    an arrival on loopback while the server's write still runs, and the server stamps when it
    has returned: errors of instants lie a little below zero, those of latencies around it.
    """

    matched: int
    unmatched: int
    """Turns with a response that the log does not hold."""
    response_latency_ms: Distribution
    speech_stopped_ms: Distribution
    first_audio_ms: Distribution


def latency_errors(
    turns: Iterable[Turn],
    truth: Iterable[Mapping[str, Any]],
    audio_starts_ns: Mapping[str, int],
) -> dict[str, list[float]]:
    """Measured minus true latency in ms by metric, of the turns for which both are known.

    The truth of what counts from speech is read off the arrivals that the log keeps: when the
    append with the labelled start or end of speech reached the server. `audio_starts_ns` has the
    zero of each session's audio clock, which says where in the appends that is.
    """
    lines = list(truth)
    responses = {line["response_id"]: line for line in lines if line.get("response_id")}
    segments = {line["item_id"]: line for line in lines if line.get("kind") == "segment"}
    errors: dict[str, list[float]] = {name: [] for name in _LATENCIES}
    for turn in turns:
        zero_ns = audio_starts_ns.get(turn.session_id)
        segment = segments.get(turn.item_id or "", {})
        response = responses.get(turn.response_id or "", {})
        start_ns = end_ns = None
        if zero_ns is not None:
            start_ns = _arrival_ns(segment.get("onset_arrivals"), turn.speech_start_ns - zero_ns)
            end_ns = _arrival_ns(segment.get("arrivals"), turn.speech_end_ns - zero_ns)
        started_ns, stopped_ns = segment.get("speech_started_ns"), segment.get("speech_stopped_ns")
        first_ns, created_ns = response.get("first_audio_ns"), response.get("response_created_ns")
        spans = {
            "onset_delay_ms": (turn.speech_start_ns, turn.speech_started_ns, start_ns, started_ns),
            "endpointing_delay_ms": (
                turn.speech_end_ns,
                turn.speech_stopped_ns,
                end_ns,
                stopped_ns,
            ),
            "response_latency_ms": (
                turn.speech_stopped_ns,
                turn.first_audio_ns,
                stopped_ns,
                first_ns,
            ),
            "model_latency_ms": (
                turn.response_created_ns,
                turn.first_audio_ns,
                created_ns,
                first_ns,
            ),
            "ttfa_ms": (turn.speech_end_ns, turn.first_audio_ns, end_ns, first_ns),
        }
        for name, (from_ns, to_ns, true_from_ns, true_to_ns) in spans.items():
            measured, true = _difference(to_ns, from_ns), _difference(true_to_ns, true_from_ns)
            if measured is not None and true is not None:
                errors[name].append((measured - true) / 1e6)
    return errors


_LATENCIES = (
    "onset_delay_ms",
    "endpointing_delay_ms",
    "response_latency_ms",
    "model_latency_ms",
    "ttfa_ms",
)


def _arrival_ns(arrivals: Iterable[tuple[float, int]] | None, position_ns: int) -> int | None:
    """When the audio up to a position had come, had each append come sample by sample."""
    for end_ms, at_ns in arrivals or ():
        ahead_ns = round(end_ms * 1e6) - position_ns
        if ahead_ns >= 0:
            return at_ns - ahead_ns
    return None


def measurement_error(
    turns: Iterable[Turn], truth: Iterable[Mapping[str, Any]]
) -> MeasurementError:
    """Join turns with the server's ground-truth log by response_id.

    A line of the log has `response_id` and the monotonic ns `speech_stopped_ns` and
    `first_audio_ns`, null where there was none; other lines are skipped. A turn whose instant
    is missing on either side counts as missing there.
    """
    by_id = {line["response_id"]: line for line in truth if line.get("response_id")}
    with_response = [turn for turn in turns if turn.response_id is not None]
    pairs = [(t, by_id[t.response_id]) for t in with_response if t.response_id in by_id]
    return MeasurementError(
        matched=len(pairs),
        unmatched=len(with_response) - len(pairs),
        response_latency_ms=_errors(
            _difference(
                _difference(turn.first_audio_ns, turn.speech_stopped_ns),
                _difference(line.get("first_audio_ns"), _stopped_ns(turn, line)),
            )
            for turn, line in pairs
        ),
        speech_stopped_ms=_errors(
            _difference(turn.speech_stopped_ns, _stopped_ns(turn, line)) for turn, line in pairs
        ),
        first_audio_ms=_errors(
            _difference(turn.first_audio_ns, line.get("first_audio_ns")) for turn, line in pairs
        ),
    )


def _stopped_ns(turn: Turn, line: Mapping[str, Any]) -> int | None:
    """When the server says it ended the turn, None when it means another item than the turn."""
    if line.get("item_id", turn.item_id) != turn.item_id:
        return None
    stopped_ns: int | None = line.get("speech_stopped_ns")
    return stopped_ns


def _difference(later: int | None, sooner: int | None) -> int | None:
    return None if later is None or sooner is None else later - sooner


def _errors(differences_ns: Iterable[int | None]) -> Distribution:
    listed = list(differences_ns)
    known = [difference / 1e6 for difference in listed if difference is not None]
    return distribution(known, missing=len(listed) - len(known))

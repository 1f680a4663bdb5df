"""Holds what a metric is: a measure, and everything a reader needs to trust it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.analysis.outcomes import NOT_THE_TARGETS
from bench.analysis.turn import Turn


@dataclass(frozen=True, slots=True)
class Metric:
    """One measure and everything a reader needs to trust it.

    `measure` takes a Turn or a SessionRecord, by `scope`, and gives None when an instant it
    needs is missing; of a run it takes the RunRecord and gives a Distribution. `bound` gives the
    lower bound of a value that did not come while it was waited for (right-censored), None when
    there is none; it is asked only when `measure` gave None.
    """

    name: str
    unit: str
    better: str
    """`lower` or `higher`, `none` where neither is."""
    scope: str
    """`turn`, `session` or `run`."""
    label: str
    meaning: str
    source: str
    """From which instants, and who supplies them."""
    measure: Callable[[Any], Any]
    bound: Callable[[Any], float | None] | None = None
    is_rate: bool = False
    """Whether it is 1 or 0 for each turn that it applies to, and its mean is what counts."""


def span_ms(start_ns: int | None, end_ns: int | None) -> float | None:
    """From one instant to another; None where either is missing."""
    # Subtracting integers first keeps the identity exact: floats of uptime lose nanoseconds.
    return None if start_ns is None or end_ns is None else (end_ns - start_ns) / 1e6


def waited_ms(start_ns: int | None, turn: Turn) -> float | None:
    """How long something was waited for in vain; None when the wait had not begun.

    None too when the run's end cut the wait short, or late frames may have made it vain: that
    says nothing of the target, and placed above every value seen it would raise percentiles.
    """
    if turn.outcome in NOT_THE_TARGETS:
        return None
    waited = span_ms(start_ns, turn.observed_until_ns)
    return waited if waited is not None and waited > 0 else None


def waited_for_audio_ms(start_ns: int | None, turn: Turn) -> float | None:
    """As waited_ms, of a turn that a reply is to be heard in."""
    return waited_ms(start_ns, turn) if turn.awaits_audio else None


def waited_for_detection_ms(start_ns: int | None, turn: Turn) -> float | None:
    """As waited_ms, of a turn whose speech the server is to find."""
    return waited_ms(start_ns, turn) if turn.detected else None

"""Turns arrivals of a reply's audio into what a listener with a small buffer would hear of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from bench.analysis.moments import MS, Delta

PREBUFFER_MS = 100.0
"""Audio that a player gathers before it begins, and again after it has run dry."""


class Playout(NamedTuple):
    """How a reply sounded: how often the player ran dry, for how long in all, what it played."""

    stalls: int
    stalled_ms: float
    played_ms: float

    @property
    def stalled_share(self) -> float | None:
        """Part of the time from first sound to last in which audio was wanting.

        None when nothing was played.
        """
        whole_ms = self.stalled_ms + self.played_ms
        return self.stalled_ms / whole_ms if whole_ms else None


def play_out(deltas: Iterable[Delta], prebuffer_ms: float = PREBUFFER_MS) -> Playout:
    """Play a response's deltas, in recorded order, through a buffer of `prebuffer_ms`.

    The player begins when so much audio lies ready, or the last has come. It stalls when it
    runs dry before the last, and goes on as it began. Deltas of unknown duration play nothing.
    """
    prebuffer_ns = round(prebuffer_ms * MS)
    stalls = stalled_ns = played_ns = 0
    waiting_ns = 0  # audio that lies ready while the player waits
    dry_ns: int | None = None  # since when it has been dry; None before the first sound
    ends_ns: int | None = None  # when all that came has sounded; None while the player waits
    at_ns = 0
    for delta in deltas:
        if not delta.audio_ms:
            continue
        at_ns = max(at_ns, delta.at_ns)
        audio_ns = round(delta.audio_ms * MS)
        played_ns += audio_ns
        if ends_ns is not None:
            if at_ns <= ends_ns:
                ends_ns += audio_ns
                continue
            stalls += 1
            dry_ns, ends_ns = ends_ns, None
        waiting_ns += audio_ns
        if waiting_ns >= prebuffer_ns:
            stalled_ns += 0 if dry_ns is None else at_ns - dry_ns
            ends_ns, waiting_ns = at_ns + waiting_ns, 0
    if ends_ns is None and dry_ns is not None:
        stalled_ns += at_ns - dry_ns
    return Playout(stalls, stalled_ns / MS, played_ns / MS)


def sounding(deltas: Iterable[Delta], prebuffer_ms: float) -> list[tuple[int, int]]:
    """When the same player sounds, in nanoseconds: between two spans it has stalled."""
    prebuffer_ns = round(prebuffer_ms * MS)
    spans: list[tuple[int, int]] = []
    waiting_ns = 0  # audio that lies ready while the player waits
    at_ns = 0
    for delta in deltas:
        if not delta.audio_ms:
            continue
        at_ns = max(at_ns, delta.at_ns)
        audio_ns = round(delta.audio_ms * MS)
        if spans and not waiting_ns and at_ns <= spans[-1][1]:
            spans[-1] = (spans[-1][0], spans[-1][1] + audio_ns)
            continue
        waiting_ns += audio_ns
        if waiting_ns >= prebuffer_ns:
            spans.append((at_ns, at_ns + waiting_ns))
            waiting_ns = 0
    if waiting_ns:
        spans.append((at_ns, at_ns + waiting_ns))
    return spans

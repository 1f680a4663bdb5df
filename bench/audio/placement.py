"""Turns pieces of replies, each with its arrival, into what a listener hears and when. Pure.

The player has no playout buffer, as voice_to_voice_ms has it: a piece sounds as soon as it has
come and the one before it is over. Where it has nothing to play there is silence.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.audio.codec import Codec

_SECOND_NS = 1_000_000_000


class Piece(NamedTuple):
    """Encoded audio that arrived at `at_ns`; `of` is the response it belongs to, if it has one.

    A sample may be cut between two pieces of a response.
    """

    at_ns: int
    data: bytes
    of: str | None


class Hush(NamedTuple):
    """The player is stopped: what came before and has not sounded by `at_ns` never will.

    Nor does what still comes of a response that had begun to come.
    """

    at_ns: int


Moment: TypeAlias = Piece | Hush


class Span(NamedTuple):
    """Samples, shape (n,), that sound from sample `start` on."""

    start: int
    samples: NDArray[np.int16]

    @property
    def end(self) -> int:
        """The sample after its last one."""
        return self.start + len(self.samples)


def place(moments: Iterable[Moment], codec: Codec, zero_ns: int) -> list[Span]:
    """What sounds, in order and without overlap, in samples of `codec.rate_hz` since `zero_ns`.

    `moments` come in the order of their arrival. A start is negative where a sound began before
    `zero_ns`.
    """
    spans: list[Span] = []
    cut_sample: dict[str | None, bytes] = {}
    muted: set[str] = set()
    for moment in moments:
        at = _sample_at(moment.at_ns - zero_ns, codec.rate_hz)
        if isinstance(moment, Hush):
            muted |= {of for of in cut_sample if of is not None}
            cut_sample.clear()
            _silence(spans, at)
            continue
        if moment.of in muted:
            continue
        data = cut_sample.get(moment.of, b"") + moment.data
        whole = len(data) - len(data) % codec.sample_bytes
        cut_sample[moment.of] = data[whole:]
        samples = codec.decode(data[:whole])
        if len(samples):
            spans.append(Span(max(at, spans[-1].end) if spans else at, samples))
    return spans


def render(spans: Iterable[Span], size: int) -> NDArray[np.int16]:
    """Samples [0, size) of what sounds: shape (size,), zero where nothing does."""
    heard = np.zeros(size, np.int16)
    for span in spans:
        begin, end = max(span.start, 0), min(span.end, size)
        if begin < end:
            heard[begin:end] = span.samples[begin - span.start : end - span.start]
    return heard


def _sample_at(since_zero_ns: int, rate_hz: int) -> int:
    return (since_zero_ns * rate_hz + _SECOND_NS // 2) // _SECOND_NS


def _silence(spans: list[Span], at: int) -> None:
    """Take away what would sound from sample `at` on."""
    while spans and spans[-1].end > at:
        start, samples = spans.pop()
        if start < at:
            spans.append(Span(start, samples[: at - start]))

"""Turns the tape of a turn into sound: the caller on the left, the reply on the right. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.audio.captured import captured
from bench.audio.codec import CODECS
from bench.audio.placement import place, render
from bench.audio.resample import resample
from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Utterance
from bench.session.tape import TurnTape

LEAD_MS = 500
"""What is heard before the utterance."""

AFTER_MS = 500
"""What is heard of the caller after the reply that he talked over fell silent."""

LONGEST_MS = 180_000

_MS = 1_000_000


class Stereo(NamedTuple):
    """A turn to be heard: `samples` of shape (n, 2) at 24 kHz.

    The first sample is `zero_ms` on the session's audio clock, the monotonic instant `zero_ns`.
    """

    samples: NDArray[np.int16]
    zero_ms: int
    zero_ns: int


def stereo(tape: TurnTape, utterance_of: Callable[[str], Utterance]) -> Stereo:
    """The sound of a turn, from shortly before its utterance until its reply has been heard."""
    plan, start_ns = tape.plan, tape.audio_start_ns
    codec = CODECS[plan.settings.output_codec]
    zero_ms = max((tape.state.began_ns - start_ns) // _MS - LEAD_MS, 0)
    zero_ns = start_ns + zero_ms * _MS
    spans = place(tape.moments(), codec, zero_ns)
    end_ns = tape.closed_ns
    if tape.talked_over:
        heard_ns = zero_ns + spans[-1].end * 1_000_000_000 // codec.rate_hz if spans else 0
        silent_ns = max(heard_ns, tape.hushed_ns or 0, tape.state.began_ns)
        end_ns = min(end_ns, silent_ns + AFTER_MS * _MS)
    size_ms = min(max(-((zero_ns - end_ns) // _MS), 1), LONGEST_MS)
    right = resample(render(spans, size_ms * codec.rate_hz // 1000), codec.rate_hz, SAMPLE_RATE_HZ)
    channels = (_caller(tape, utterance_of, zero_ms, size_ms), right)
    size = size_ms * SAMPLES_PER_MS
    samples = np.zeros((size, 2), np.int16)
    for column, channel in enumerate(channels):  # resampling may be a sample short or long
        heard = channel[:size]
        samples[: len(heard), column] = heard
    return Stereo(samples, zero_ms, zero_ns)


def _caller(
    tape: TurnTape, utterance_of: Callable[[str], Utterance], zero_ms: int, size_ms: int
) -> NDArray[np.int16]:
    """What the server was sent in [zero_ms, zero_ms + size_ms) of the audio clock."""
    frames = tape.plan.frames
    chunk_ms = frames.chunk_ms
    window = range(zero_ms // chunk_ms, -(-(zero_ms + size_ms) // chunk_ms))
    sent = captured(
        tape.clips,
        utterance_of,
        window,
        tone=frames.tail,
        codec=frames.codec,
        chunk_ms=chunk_ms,
        tone_is_sent=not tape.plan.push_to_talk,
    )
    samples = resample(sent, frames.codec.rate_hz, SAMPLE_RATE_HZ)
    begin = (zero_ms - window.start * chunk_ms) * SAMPLES_PER_MS
    return samples[begin : begin + size_ms * SAMPLES_PER_MS]

"""Turns what was laid on a microphone into the sound that it sent, frame by frame again. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bench.audio.codec import Codec
from bench.audio.microphone import chunks_of_speech, chunks_of_tone
from bench.audio.utterance import Utterance


class Laid(NamedTuple):
    """A clip on a microphone: its first frame, how many there are, and of which utterance.

    `spoken` counts the frames of clips laid before it: the loop of room tone stood still in them.
    """

    first: int
    frames: int
    utterance_id: str
    spoken: int

    @property
    def end(self) -> int:
        """The frame after its last one."""
        return self.first + self.frames


def captured(
    clips: Sequence[Laid],
    utterance_of: Callable[[str], Utterance],
    frames: range,
    *,
    tone: NDArray[np.int16],
    codec: Codec,
    chunk_ms: int,
    tone_is_sent: bool = True,
) -> NDArray[np.int16]:
    """What a microphone sent in `frames`, as the server decodes it: at `codec.rate_hz`.

    `clips` are in order, and all that overlap `frames`. `tone`, at 24 kHz, is what sounds while
    nobody speaks, unless nothing is sent then and `tone_is_sent` is false.
    """
    size = codec.bytes_for(chunk_ms)
    loop = chunks_of_tone(tone, codec, chunk_ms) if tone_is_sent else [_silent(codec, size)]
    pieces: list[bytes] = []
    at, spoken = frames.start, clips[0].spoken if clips else 0
    for clip in clips:
        until = min(clip.first, frames.stop)
        pieces += [loop[(frame - clip.spoken) % len(loop)] for frame in range(at, until)]
        begin, end = max(clip.first, frames.start), min(clip.end, frames.stop)
        if begin < end:
            chunks = chunks_of_speech(utterance_of(clip.utterance_id), tone, codec, chunk_ms)
            pieces += chunks[begin - clip.first : end - clip.first]
        at, spoken = max(at, until, end), clip.spoken + clip.frames
    pieces += [loop[(frame - spoken) % len(loop)] for frame in range(at, frames.stop)]
    return codec.decode(b"".join(pieces))


def _silent(codec: Codec, size: int) -> bytes:
    return codec.silence * (size // codec.sample_bytes)

"""Lays utterances over room tone on a session's audio clock, frame by frame, without end."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bench.audio.codec import Codec
from bench.audio.resample import resample
from bench.audio.utterance import SAMPLE_RATE_HZ, Utterance

TONE_LOOP_MS = 2_000
_TONE_SEED = 20_240_601


def room_tone(level_dbfs: float | None, duration_ms: int = TONE_LOOP_MS) -> NDArray[np.int16]:
    """White noise of `level_dbfs` RMS at 24 kHz, the same every time; None is digital zeros."""
    size = SAMPLE_RATE_HZ * duration_ms // 1000
    if level_dbfs is None:
        return np.zeros(size, np.int16)
    noise = np.random.default_rng(_TONE_SEED).standard_normal(size)
    wide = np.round(noise * 32768 * 10 ** (level_dbfs / 20))
    return np.clip(wide, -32768, 32767).astype(np.int16)


def chunks_of_speech(
    utterance: Utterance, tone: NDArray[np.int16], codec: Codec, chunk_ms: int
) -> list[bytes]:
    """Speech over room tone as encoded chunks of `chunk_ms`; the last one ends in room tone."""
    per_chunk = SAMPLE_RATE_HZ * chunk_ms // 1000
    size = -(-len(utterance.pcm) // per_chunk) * per_chunk
    mixed = np.resize(tone, size).astype(np.int32)
    mixed[: len(utterance.pcm)] += utterance.pcm
    return _encode(np.clip(mixed, -32768, 32767).astype(np.int16), codec, chunk_ms)


def chunks_of_tone(tone: NDArray[np.int16], codec: Codec, chunk_ms: int) -> list[bytes]:
    """One loop of what sounds while nobody speaks, as encoded chunks, whole ones only."""
    per_chunk = SAMPLE_RATE_HZ * chunk_ms // 1000
    return _encode(tone[: len(tone) // per_chunk * per_chunk], codec, chunk_ms)


def _encode(samples: NDArray[np.int16], codec: Codec, chunk_ms: int) -> list[bytes]:
    return codec.chunks(resample(samples, SAMPLE_RATE_HZ, codec.rate_hz), chunk_ms)


class Microphone:
    """What one session's microphone captures: frame `index` is the next one due.

    A track is a sequence of frames ready to send; the microphone only chooses among them.
    Frame k carries audio [k * chunk_ms, (k + 1) * chunk_ms) of the session's audio clock.
    """

    __slots__ = ("_position", "_queue", "_tone", "_tone_position", "_track", "chunk_ms", "index")

    def __init__(self, tone: Sequence[bytes], chunk_ms: int) -> None:
        self.chunk_ms = chunk_ms
        self.index = 0
        self._tone = tone
        self._tone_position = 0  # where it goes on after a track
        self._track = tone
        self._position = 0
        self._queue: deque[Sequence[bytes]] | None = None  # a frame touches no more than it must

    @property
    def speaking(self) -> bool:
        """Whether the frame that is due now is of a track."""
        return self._queue is not None

    def lay(self, track: Sequence[bytes]) -> int:
        """Play `track` from the first frame that is free; give back that frame's index."""
        if self._queue is None:
            if track:
                self._queue = deque()
                self._tone_position = self._position
                self._track, self._position = track, 0
            return self.index
        waiting = len(self._track) - self._position + sum(map(len, self._queue))
        if track:
            self._queue.append(track)
        return self.index + waiting

    def capture(self) -> bytes:
        """The frame that is due now; the next call gives the one after it."""
        self.index += 1
        position = self._position
        frame = self._track[position]
        self._position = position + 1
        if self._position == len(self._track):
            self._go_on()
        return frame

    def _go_on(self) -> None:
        """Turn to what is captured after the end of a track, or of the tone's loop."""
        self._position = 0
        if self._queue:
            self._track = self._queue.popleft()
        elif self._queue is not None:
            self._queue = None
            self._track, self._position = self._tone, self._tone_position

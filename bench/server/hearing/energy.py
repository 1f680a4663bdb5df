"""Turns a session's audio into starts and ends of speech by its energy.

A frame is 20 ms under a Hann window, one every 10 ms; its level is the power between 200 Hz
and 4 kHz, so rumble and hiss outside a voice's band count little. The noise floor is the
lowest smoothed level of the last two seconds. Each frame is judged by itself, whatever pieces
the audio arrives in, so the same audio always gives the same events.

A voice fades into room noise before it ends: the last "t" of quiet speech lies below any level
that could be told from the noise, while loud speech is heard to its end. A hangover stands for
that tail before the silence that the session asked for begins to count; it is the longer the
less the segment's loudest frame stood above the floor.

Measured on the whole catalogue over -65 dBFS room tone, in PCM16 and G.711, at 200, 500 and
800 ms of silence and six alignments to the frames: `speech_stopped` comes -17..73 ms after the
labelled end of speech plus the silence, an onset -31..31 ms after its label. Not so in noise:
in babble the turn ends with the babble, in pink noise 5 dB below the speech -73..13 ms after
its end, and every clip with a bed of noise starts with the bed, 1,050 ms early: the floor needs
two seconds to learn that it is noise. Knocks and coughs are turns to it, typing is not.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from bench.server.hearing.turns import (
    ASKED_AFTER_MS,
    SilencePolicy,
    Started,
    Stopped,
    VadEvent,
)

HOP_MS = 10
FRAME_MS = 20
ONSET_FRAMES = 4
"""Frames in a row that make an onset: a click of some milliseconds touches three at most."""

_HOP = HOP_MS * SAMPLES_PER_MS
_FRAME = FRAME_MS * SAMPLES_PER_MS
_WINDOW = np.hanning(_FRAME + 1)[:-1]
_LOW_BIN = 200 * _FRAME // SAMPLE_RATE_HZ
_HIGH_BIN = 4_000 * _FRAME // SAMPLE_RATE_HZ
# Parseval: twice the one-sided power of the windowed frame, against a full-scale square.
_SCALE = 2.0 / (_FRAME * float(np.sum(_WINDOW**2)) * 32768.0**2)
_SILENT_DB = -120.0

# Loudest frame over the floor, dB, and the hangover it calls for, ms; linear between.
_CLEAR_DB, _CLEAR_HANGOVER_MS = 45.0, 40.0
_BURIED_DB, _BURIED_HANGOVER_MS = 28.0, 170.0

_BATCH_FRAMES = 64
_BLOCK_FRAMES = 25
_BLOCKS = 8
_SMOOTHED_FRAMES = 5
# Quieter than any room: a client that sends zeros between its words has not less noise in them.
_LOWEST_FLOOR_DB = -70.0
# Until two seconds have been heard no noise louder than this is believed to be noise: a client
# that streams a file may well begin with speech.
_FIRST_FLOOR_DB = -50.0


class EnergyEar:
    """Speech detector of one session.

    `threshold` 0..1 asks for speech 3..13 dB above the noise floor (0.5: 8 dB); speech lasts
    while the level stays above half that distance, at least 2.5 dB. `start_ms` is where on the
    session's audio clock the first sample fed belongs.
    """

    def __init__(self, *, start_ms: int = 0) -> None:
        self.speaking = False
        self._events: list[VadEvent] = []
        self.tune(0.5, 300, 500)
        self._pending = np.empty(0, np.int16)
        self._frame_end_ms = start_ms + FRAME_MS - HOP_MS
        self._previous_end_ms = start_ms
        self._loud_end_ms = start_ms
        self._peak_db = _SILENT_DB
        self._onset_count = 0
        self._level_before_db = _SILENT_DB
        self._recent: deque[float] = deque(maxlen=_SMOOTHED_FRAMES)
        self._block_minima: deque[float] = deque([_FIRST_FLOOR_DB] * _BLOCKS, maxlen=_BLOCKS)
        self._block_minimum = math.inf
        self._block_count = 0
        self._lowest_block = _FIRST_FLOOR_DB

    @property
    def heard_ms(self) -> int:
        """How far the audio has been listened to, on the session's audio clock."""
        return self._frame_end_ms

    def tune(self, threshold: float, prefix_padding_ms: int, silence_ms: SilencePolicy) -> None:
        """Take other settings from the next frame on; a silence under way is judged anew."""
        self._on_db = 3.0 + 10.0 * threshold
        self._off_db = max(2.5, self._on_db / 2)
        self._prefix_padding_ms = prefix_padding_ms
        self._silence_ms = silence_ms
        self._wait_ms: int | None = None

    def forget_speech(self, end_ms: int) -> None:
        """Leave speech that is under way, if any; what comes next starts at `end_ms` or later."""
        self.speaking = False
        self._onset_count = 0
        self._previous_end_ms = end_ms

    def close(self) -> None:
        """Nothing is held."""

    def take(self) -> list[VadEvent]:
        """Events found since the last call, in order."""
        events, self._events = self._events, []
        return events

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Hear further samples: shape (n,), int16 at 24 kHz; any n, even 0."""
        audio = np.concatenate((self._pending, samples)) if self._pending.size else samples
        count = (len(audio) - _FRAME) // _HOP + 1 if len(audio) >= _FRAME else 0
        for first in range(0, count, _BATCH_FRAMES):
            batch = min(_BATCH_FRAMES, count - first)
            for level_db in _levels_db(audio[first * _HOP :], batch):
                self._hear(level_db)
        # A copy: the caller's buffer may be a view of bytes it will use again.
        self._pending = audio[count * _HOP :].copy()

    def _hear(self, level_db: float) -> None:
        self._frame_end_ms += HOP_MS
        floor_db = self._follow_floor(level_db)
        before_db, self._level_before_db = self._level_before_db, level_db
        if not self.speaking:
            self._onset_count = self._onset_count + 1 if level_db > floor_db + self._on_db else 0
            if self._onset_count == ONSET_FRAMES:
                self._start(level_db)
            return
        # Two in a row: one frame of noise that happens to be loud does not prolong speech.
        if min(level_db, before_db) > floor_db + self._off_db:
            self._loud_end_ms = self._frame_end_ms
            self._peak_db = max(self._peak_db, level_db)
            self._wait_ms = None
        hangover_ms = _hangover_ms(self._peak_db - floor_db)
        silence_ms = self._frame_end_ms - self._loud_end_ms - hangover_ms
        if silence_ms >= self._wanted_silence_ms(silence_ms, hangover_ms):
            voice_end_ms = min(round(self._loud_end_ms + hangover_ms), self._frame_end_ms)
            self._events.append(Stopped(self._frame_end_ms, voice_end_ms))
            self.forget_speech(self._frame_end_ms)

    def _start(self, level_db: float) -> None:
        self.speaking = True
        self._loud_end_ms = self._frame_end_ms
        self._peak_db = level_db
        self._wait_ms = None
        heard_ms = self._frame_end_ms - FRAME_MS - (ONSET_FRAMES - 1) * HOP_MS
        onset_ms = max(heard_ms, self._previous_end_ms)
        start_ms = max(onset_ms - self._prefix_padding_ms, self._previous_end_ms)
        self._events.append(Started(start_ms, onset_ms))

    def _wanted_silence_ms(self, silence_ms: float, hangover_ms: float) -> float:
        """How much silence ends this turn; unknown before it is time to ask, hence endless."""
        if not callable(self._silence_ms):
            return self._silence_ms
        if self._wait_ms is None:
            if silence_ms < ASKED_AFTER_MS:
                return math.inf
            self._wait_ms = self._silence_ms(round(self._loud_end_ms + hangover_ms))
        return self._wait_ms

    def _follow_floor(self, level_db: float) -> float:
        """Noise floor in dB: least mean of five frames within the last two seconds."""
        self._recent.append(level_db)
        if len(self._recent) == _SMOOTHED_FRAMES:
            self._block_minimum = min(self._block_minimum, sum(self._recent) / _SMOOTHED_FRAMES)
        self._block_count += 1
        if self._block_count == _BLOCK_FRAMES:
            self._block_minima.append(self._block_minimum)
            self._lowest_block = min(self._block_minima)
            self._block_minimum, self._block_count = math.inf, 0
        return max(min(self._lowest_block, self._block_minimum), _LOWEST_FLOOR_DB)


def _levels_db(audio: NDArray[np.int16], count: int) -> list[float]:
    """Power of the first `count` frames in the voice band, dB of full scale (a sine: -3 dB)."""
    spectra = np.fft.rfft(audio[_frame_indices(count)] * _WINDOW)
    levels = []
    for band in spectra[:, _LOW_BIN : _HIGH_BIN + 1]:
        power = float(np.vdot(band, band).real) * _SCALE
        levels.append(10.0 * math.log10(power) if power > 1e-12 else _SILENT_DB)
    return levels


@lru_cache(maxsize=_BATCH_FRAMES)
def _frame_indices(count: int) -> NDArray[np.intp]:
    return np.arange(_FRAME) + _HOP * np.arange(count)[:, None]


def _hangover_ms(peak_db: float) -> float:
    share = (_CLEAR_DB - peak_db) / (_CLEAR_DB - _BURIED_DB)
    return _CLEAR_HANGOVER_MS + min(max(share, 0.0), 1.0) * (
        _BURIED_HANGOVER_MS - _CLEAR_HANGOVER_MS
    )

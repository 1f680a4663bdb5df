"""Turns the audio of many sessions into speech events with one neural model, in batches.

The model is Silero VAD 6.2.3 (MIT; see `silero_vad_NOTICE.txt`), run by onnxruntime on one
thread. Ears queue what they are fed; `Silero.listen` runs what all of them have queued.

Measured as in `energy`: `speech_stopped` comes 0..95 ms after the labelled end plus the silence,
through G.711 -15..113 ms; an onset -29..43 ms after its label. Knocks, keys, coughs and pink
noise are no turn. Babble is speech to it: in babble 20 dB below the speech a turn ends 254 ms
late, at 10 and 5 dB when the babble does. A second of audio costs one session 3.1 ms of a core
alone, 1.2 ms among 16, 1.1 ms among 64 (energy: 0.7 ms).

No window is spared the model, however silent: its state drifts for seconds of silence. Freezing
it after half a second below -60 dB moved or split the turns of 91 recordings in 1,470.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bench.audio.utterance import SAMPLES_PER_MS
from bench.server.hearing.speech import Speech
from bench.server.hearing.turns import SilencePolicy, VadEvent
from bench.server.hearing.window import (
    HISTORY_SAMPLES,
    LATE_MS,
    ROW_SAMPLES,
    WINDOW_MS,
    WINDOW_SAMPLES,
    levels_db,
    model_input,
)

MODEL_FILE = Path(__file__).with_name("silero_vad_16k_op15.onnx")

_STATE_SIZE = 128
_FIRST_ROWS = 64
_RATE = np.array(16_000, np.int64)


class Silero:
    """The model, and the state it keeps for each ear."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._model = onnxruntime.InferenceSession(
            MODEL_FILE.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._states = np.zeros((2, _FIRST_ROWS, _STATE_SIZE), np.float32)
        self._free = list(range(_FIRST_ROWS))
        # A dict for its order: the same audio in the same order gives the same batches.
        self._ready: dict[NeuralEar, None] = {}

    def ear(self, *, start_ms: int = 0) -> NeuralEar:
        """A new ear; `start_ms` is where on the audio clock the first sample fed belongs."""
        return NeuralEar(self, start_ms)

    @property
    def is_behind(self) -> bool:
        """Whether there is something to listen to."""
        return bool(self._ready)

    def listen(
        self, most_windows: int | None = None, most_ears: int | None = None
    ) -> list[NeuralEar]:
        """Hear what the ears have queued; give back those that have events to take.

        Windows of different ears share a call of the model; those of one ear follow each other.
        At most `most_windows` of each of at most `most_ears` are heard now, so that minutes of
        audio in one append, or many sessions at once, do not keep the caller from other work;
        what is left is heard by the next calls, those first that have waited longest.
        """
        ready = list(islice(self._ready, most_ears))
        for ear in ready:
            del self._ready[ear]
        hearing = [ear for ear in ready if ear._has_window()]
        rounds = 0
        while hearing and rounds != most_windows:
            self._hear_window(hearing)
            hearing = [ear for ear in hearing if ear._has_window()]
            rounds += 1
        self._ready.update(dict.fromkeys(hearing))
        for ear in ready:
            ear._expire()
        return [ear for ear in ready if ear._events]

    def _hear_window(self, ears: list[NeuralEar]) -> None:
        rows = np.empty((len(ears), ROW_SAMPLES), np.float32)
        for row, ear in zip(rows, ears, strict=True):
            row[:] = ear._next_window()
        heard = model_input(rows)
        levels = levels_db(heard).tolist()
        places = [ear._row for ear in ears]
        inputs = {"input": heard, "state": self._states[:, places], "sr": _RATE}
        probabilities, self._states[:, places] = self._model.run(None, inputs)
        for ear, probability, parts in zip(
            ears, probabilities[:, 0].tolist(), levels, strict=True
        ):
            ear._judge(probability, parts)

    def _take_row(self) -> int:
        if not self._free:
            count = self._states.shape[1]
            self._states = np.concatenate((self._states, np.zeros_like(self._states)), axis=1)
            self._free = list(range(count, 2 * count))
        row = self._free.pop()
        self._states[:, row] = 0.0
        return row

    def _give_row_back(self, ear: NeuralEar) -> None:
        self._ready.pop(ear, None)
        self._free.append(ear._row)


class NeuralEar:
    """Speech detector of one session; `Silero.ear` makes it."""

    def __init__(self, silero: Silero, start_ms: int) -> None:
        self._silero = silero
        self._row = silero._take_row()
        self._speech = Speech(start_ms)
        self._events: list[VadEvent] = []
        self._start_ms = start_ms
        self._window_end_ms = start_ms - LATE_MS
        self._samples = 0
        # What was heard of before the next window, then the audio to come.
        self._audio = np.zeros(HISTORY_SAMPLES, np.int16)
        self._place = 0
        self._queued: list[NDArray[np.int16]] = []
        self._unheard_samples = 0
        self._closed = False

    @property
    def speaking(self) -> bool:
        """Whether speech is under way, as far as the audio has been listened to."""
        return self._speech.speaking

    @property
    def heard_ms(self) -> int:
        """How far the audio has been listened to, on the session's audio clock."""
        return self._window_end_ms

    def tune(self, threshold: float, prefix_padding_ms: int, silence_ms: SilencePolicy) -> None:
        """Take other settings from the next window on; a silence under way is judged anew."""
        self._speech.tune(threshold, prefix_padding_ms, silence_ms)

    def feed(self, samples: NDArray[np.int16]) -> None:
        """Queue further samples: shape (n,), int16 at 24 kHz; any n, even 0."""
        if self._closed:
            return
        # A copy: the caller's buffer may be a view of bytes it will use again.
        self._queued.append(samples.copy())
        self._unheard_samples += len(samples)
        self._samples += len(samples)
        deadline_ms = self._speech.deadline_ms
        if self._unheard_samples >= WINDOW_SAMPLES or (
            deadline_ms is not None and deadline_ms <= self._now_ms
        ):
            self._silero._ready[self] = None

    def take(self) -> list[VadEvent]:
        """Events found since the last call, in order."""
        events, self._events = self._events, []
        return events

    def forget_speech(self, end_ms: int) -> None:
        """Leave speech that is under way, if any; what comes next starts at `end_ms` or later."""
        self._speech.forget_speech(end_ms)

    def close(self) -> None:
        """Give the model's state back; what is fed from now on is not heard."""
        if not self._closed:
            self._closed = True
            self._silero._give_row_back(self)

    @property
    def _now_ms(self) -> int:
        """Where a window that ended now could be heard to its end."""
        return self._start_ms + self._samples // SAMPLES_PER_MS - LATE_MS

    def _has_window(self) -> bool:
        if len(self._audio) - self._place >= ROW_SAMPLES:
            return True
        if self._unheard_samples >= WINDOW_SAMPLES:
            self._audio = np.concatenate((self._audio[self._place :], *self._queued))
            self._queued.clear()
            self._place = 0
            return True
        # Of a long append only the tail is still wanted.
        if self._place:
            self._audio = self._audio[self._place :].copy()
            self._place = 0
        return False

    def _next_window(self) -> NDArray[np.int16]:
        window = self._audio[self._place : self._place + ROW_SAMPLES]
        self._place += WINDOW_SAMPLES
        self._unheard_samples -= WINDOW_SAMPLES
        return window

    def _judge(self, probability: float, levels: list[float]) -> None:
        self._window_end_ms += WINDOW_MS
        self._events += self._speech.hear(self._window_end_ms, probability, levels)

    def _expire(self) -> None:
        if self._unheard_samples >= WINDOW_SAMPLES:
            return  # what is still to be heard may bring the voice back
        stopped = self._speech.expire(self._now_ms)
        if stopped is not None:
            self._events.append(stopped)

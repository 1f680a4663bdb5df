"""Turns what the model says of each 32 ms of audio into starts and ends of speech.

The model's probability says that there was a voice, and within some 50 ms where it ended; it is
late after some sounds and early after others. The level of each 8 ms says it to the sample, but
not of what. So the probability chooses the neighbourhood, and the level finds the place in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from statistics import median

from bench.server.hearing.turns import SilencePolicy, Started, Stopped, VadEvent
from bench.server.hearing.window import LATE_MS, PART_MS, PARTS, WINDOW_MS

ONSET_WINDOWS = 2
"""Windows in a row that make an onset: 64 ms, longer than a knock or a key."""

QUIET_WINDOWS = 5
"""Windows without a voice after which its end is looked for: 160 ms."""

HANGOVER_MS = 56
"""Silence is counted from this long after the voice's end.

The end may be found too early where it fades into the noise of the room: a turn should rather
end some ms late than have its last sound cut.
"""

_ABOVE_NOISE_DB = 6.0
# Quieter than any room: a client that sends zeros between its words has not less noise in them.
_LOWEST_NOISE_DB = -67.0
_END_BEFORE_PARTS = 6
_END_AFTER_PARTS = 8
_ONSET_BEFORE_PARTS = 20
_ONSET_AFTER_PARTS = 2
_USUAL_ONSET_LEAD_MS = 24
_LEAST_NOISE_PARTS = 12
_KEPT_WINDOWS = 16


class Speech:
    """Whether one session's caller is speaking, window after window.

    `threshold` 0..1 is the probability of an onset; speech lasts while half of it is reached,
    or, once its end has been told, while all of it is. `start_ms` is where on the session's
    audio clock hearing begins.
    """

    def __init__(self, start_ms: int) -> None:
        self.speaking = False
        self.deadline_ms: int | None = None
        """Where the turn ends unless the voice comes back before."""
        self.tune(0.5, 300, 500)
        self._previous_end_ms = start_ms
        self._levels: deque[Sequence[float]] = deque(maxlen=_KEPT_WINDOWS)
        self._loud_windows = 0
        self._quiet_windows = 0
        self._voice_end_ms = start_ms

    def tune(self, threshold: float, prefix_padding_ms: int, silence_ms: SilencePolicy) -> None:
        """Take other settings from the next window on; a silence under way is judged anew."""
        self._on = threshold
        self._prefix_padding_ms = prefix_padding_ms
        self._silence_ms = silence_ms
        self.deadline_ms = None

    def forget_speech(self, end_ms: int) -> None:
        """Leave speech that is under way, if any; what comes next starts at `end_ms` or later."""
        self.speaking = False
        self.deadline_ms = None
        self._loud_windows = 0
        self._previous_end_ms = end_ms

    def hear(self, end_ms: int, probability: float, levels_db: Sequence[float]) -> list[VadEvent]:
        """Events up to `end_ms`, where a window of this probability and these levels ends."""
        events: list[VadEvent] = []
        stopped = self.expire(end_ms - 1)
        if stopped is not None:
            events.append(stopped)
        self._levels.append(levels_db)
        if self.speaking:
            self._follow_voice(end_ms, probability)
            stopped = self.expire(end_ms)
            if stopped is not None:
                events.append(stopped)
            return events
        # A window that reaches back into what was left would hear the end of it as a start.
        is_new = end_ms - WINDOW_MS + LATE_MS >= self._previous_end_ms
        heard = is_new and probability >= self._on
        self._loud_windows = self._loud_windows + 1 if heard else 0
        if self._loud_windows == ONSET_WINDOWS:
            events.append(self._start(end_ms))
        return events

    def expire(self, now_ms: int) -> Stopped | None:
        """The end of the turn, if it falls at `now_ms` or before."""
        if self.deadline_ms is None or self.deadline_ms > now_ms:
            return None
        stopped = Stopped(self.deadline_ms, self._voice_end_ms)
        self.forget_speech(self.deadline_ms)
        return stopped

    def _start(self, end_ms: int) -> Started:
        onset_ms = max(self._find_onset_ms(end_ms), self._previous_end_ms)
        self.speaking = True
        self._quiet_windows = 0
        return Started(max(onset_ms - self._prefix_padding_ms, self._previous_end_ms), onset_ms)

    def _follow_voice(self, end_ms: int, probability: float) -> None:
        ended = self._quiet_windows >= QUIET_WINDOWS
        if probability >= (self._on if ended else self._on / 2):
            self._quiet_windows = 0
            self.deadline_ms = None
            return
        self._quiet_windows += 1
        if self._quiet_windows < QUIET_WINDOWS:
            return
        if self._quiet_windows == QUIET_WINDOWS:
            self._voice_end_ms = self._find_voice_end_ms(end_ms)
        if self.deadline_ms is None:
            silence_ms = self._silence_ms
            wait_ms = silence_ms(self._voice_end_ms) if callable(silence_ms) else silence_ms
            self.deadline_ms = max(self._voice_end_ms + HANGOVER_MS + wait_ms, end_ms)

    def _find_voice_end_ms(self, end_ms: int) -> int:
        """End of the last 8 ms above the noise, near the end of the last window with a voice.

        The noise is what was heard of the silence so far.
        """
        levels = self._parts(QUIET_WINDOWS + 2)
        silence = len(levels) - QUIET_WINDOWS * PARTS
        noise_db = _noise_db(levels[silence + _END_AFTER_PARTS :])
        first, last = silence - _END_BEFORE_PARTS, silence + _END_AFTER_PARTS
        loud = [at for at in range(first, last) if levels[at] > noise_db + _ABOVE_NOISE_DB]
        voice_end = loud[-1] + 1 if loud else first
        return end_ms - (len(levels) - voice_end) * PART_MS

    def _find_onset_ms(self, end_ms: int) -> int:
        """Start of the first 8 ms above the noise, near the first window with a voice.

        The noise is what was heard before; where little was, the onset is where it usually is.
        """
        levels = self._parts(_KEPT_WINDOWS)
        voice = len(levels) - ONSET_WINDOWS * PARTS
        first, last = voice - _ONSET_BEFORE_PARTS, voice + _ONSET_AFTER_PARTS
        if first < _LEAST_NOISE_PARTS:
            return end_ms - ONSET_WINDOWS * WINDOW_MS - _USUAL_ONSET_LEAD_MS
        noise_db = _noise_db(levels[:first])
        loud = [level > noise_db + _ABOVE_NOISE_DB for level in levels]
        # Two in a row: a click on the lips is no voice yet.
        onset = next((at for at in range(first, last) if loud[at] and loud[at + 1]), last)
        return end_ms - (len(levels) - onset) * PART_MS

    def _parts(self, windows: int) -> list[float]:
        """Levels of the last `windows` windows, or of fewer, 8 ms each."""
        kept = list(self._levels)[-windows:]
        return [level for levels in kept for level in levels]


def _noise_db(levels: Sequence[float]) -> float:
    return max(median(levels), _LOWEST_NOISE_DB)

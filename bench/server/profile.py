"""Turns a seed and a few settings into the delays of every turn, the same on every run."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, fields

from bench.problem import Problem

_FARTHEST_DRAW = 3.0


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn draws: its delay in milliseconds and a number 0..1 that picks the reply."""

    reply_delay_ms: float
    choice: float


@dataclass(frozen=True, slots=True)
class Profile:
    """How the server behaves; everything drawn follows from `seed`.

    `reply_delay_ms` is the median of the delay from `speech_stopped` written (after a
    `response.create`: from `response.created` written) to the first audio delta written.
    `response.created` follows the committed item at once; the output item is announced up to
    20 ms, at most half the delay, before the audio.

    `reply_jitter_ms` spreads that delay log-normally, as services do: one turn in six takes
    longer than median + jitter; draws stop at three deviations. 0 makes it constant.

    `transcript_delay_ms` is the delay from the committed item to the outcome of its
    transcription. Audio goes out in deltas of `delta_ms`, `speed` times faster than real time,
    after `leading_silence_ms` of digital silence at the start of each reply.

    Raises:
        Problem: a value is out of its range.
    """

    seed: int = 1
    reply_delay_ms: float = 300.0
    reply_jitter_ms: float = 0.0
    transcript_delay_ms: float = 200.0
    delta_ms: int = 100
    speed: float = 5.0
    leading_silence_ms: int = 40
    session_s: float = 3_600.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise Problem(f"{field.name} {value!r} is no finite number")
            if field.name != "seed" and value < 0:
                raise Problem(f"{field.name} {value!r} is negative; give 0 or more")
        if self.delta_ms < 10:
            raise Problem(f"delta_ms {self.delta_ms!r} is too short; give 10 or more")
        if self.speed == 0:
            raise Problem("speed 0 would never end; give 1 for real time, 5 for five times faster")
        if self.reply_jitter_ms and not self.reply_delay_ms:
            raise Problem("reply_jitter_ms needs a reply_delay_ms above 0 to spread around")

    @property
    def delta_interval_ns(self) -> int:
        """Nanoseconds between the due instants of two audio deltas."""
        return round(self.delta_ms * 1e6 / self.speed)

    def turn(self, session: int, turn: int) -> Turn:
        """Draw of the `turn`-th response of the `session`-th connection, both from 0.

        It depends on nothing but these two and the profile: neither on time nor on what other
        sessions do.
        """
        draw = random.Random(f"{self.seed}/{session}/{turn}")  # noqa: S311 - repeatable on purpose
        choice = draw.random()
        delay_ms = self.reply_delay_ms
        if self.reply_jitter_ms:
            deviation = math.log1p(self.reply_jitter_ms / self.reply_delay_ms)
            place = min(max(draw.gauss(0.0, 1.0), -_FARTHEST_DRAW), _FARTHEST_DRAW)
            delay_ms *= math.exp(deviation * place)
        return Turn(delay_ms, choice)

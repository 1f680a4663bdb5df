"""Turns a profile and the few numbers that a command line or a test names into another one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from bench.problem import Problem
from bench.server.profiles.delay import P95_DEVIATIONS, Delay, LogNormal
from bench.server.profiles.fault import Fault
from bench.server.profiles.profile import Profile
from bench.server.profiles.reading import check_range

_MOST_JITTER = 15


def tune(
    profile: Profile,
    *,
    seed: int | None = None,
    reply_delay_ms: float | None = None,
    reply_jitter_ms: float = 0.0,
    transcript_delay_ms: float | None = None,
    delta_ms: int | None = None,
    speed: float | None = None,
    leading_silence_ms: int | None = None,
    faults: Iterable[Fault] = (),
) -> Profile:
    """`profile` with what is not None in place of its own, and further `faults`.

    `reply_delay_ms` is a median; with `reply_jitter_ms` one reply in six takes longer than both
    together, without it none does.

    Raises:
        Problem: a number is out of its range.
    """
    delays, delivery = profile.delays, profile.delivery
    if reply_delay_ms is not None:
        delays = replace(delays, reply=_spread(reply_delay_ms, reply_jitter_ms))
    if transcript_delay_ms is not None:
        delays = replace(delays, transcript=Delay(transcript_delay_ms))
    if delta_ms is not None:
        delivery = replace(delivery, delta_ms=delta_ms)
    if speed is not None:
        delivery = replace(delivery, speed=speed)
    if leading_silence_ms is not None:
        delivery = replace(delivery, leading_silence_ms=leading_silence_ms)
    return replace(
        profile,
        seed=profile.seed if seed is None else seed,
        delays=delays,
        delivery=delivery,
        faults=(*profile.faults, *faults),
    )


def _spread(median_ms: float, jitter_ms: float) -> Delay:
    check_range("reply_jitter_ms", jitter_ms, 0)
    if not jitter_ms:
        return Delay(median_ms)
    if not median_ms:
        raise Problem("reply_jitter_ms needs a reply_delay_ms above 0 to spread around")
    if jitter_ms > _MOST_JITTER * median_ms:
        raise Problem(
            f"reply_jitter_ms {jitter_ms:g} is over {_MOST_JITTER} times reply_delay_ms "
            f"{median_ms:g}; give less, or a profile whose reply has a tail"
        )
    # One deviation above the median is median + jitter.
    p95_ms = median_ms * math.pow(1 + jitter_ms / median_ms, P95_DEVIATIONS)
    return Delay(LogNormal(median_ms, p95_ms))

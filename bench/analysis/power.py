"""Turns the error of an effect into what a run can show, and how many turns would show more.

An error of sampling shrinks with the root of the number of turns, clusters and all, as long as
sessions stay as long as they were. What runs differ by themselves does not shrink: it sets an
end to what turns can settle.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2, sqrt
from statistics import NormalDist

POWER = 0.95
"""Chance with which the number of turns named for a test decides it."""

SHOWN = 0.9
"""Chance with which a run shows its minimum detectable effect."""

MOST_TURNS = 10_000_000


@dataclass(frozen=True, slots=True)
class Hurdle:
    """What one test asks of an effect; effects and errors are on one scale, positive is worse.

    An alarm needs an estimate of at least `floor` and of `alarm_z` errors; a pass needs
    `pass_z` errors between the estimate and `tolerance`. `noise` is the variance that the
    difference of two runs has whatever the number of turns.
    """

    floor: float
    tolerance: float
    alarm_z: float
    pass_z: float
    noise: float = 0.0

    def total(self, error: float) -> float:
        """The error of sampling and of the noise between runs together."""
        return sqrt(error**2 + self.noise)


def detectable(hurdle: Hurdle, error: float) -> float:
    """The smallest effect that raises an alarm with the chance SHOWN."""
    total = hurdle.total(error)
    return max(hurdle.floor, hurdle.alarm_z * total) + NormalDist().inv_cdf(SHOWN) * total


def detecting_error(hurdle: Hurdle, effect: float, power: float = POWER) -> float | None:
    """The error of sampling at which `effect` raises an alarm with the chance `power`.

    None where no error is small enough: the effect is below the floor or the noise too large.
    """
    z = NormalDist().inv_cdf(power)
    wanted = min(effect / (hurdle.alarm_z + z), (effect - hurdle.floor) / z)
    return _of_sampling(hurdle, wanted)


def settling_error(hurdle: Hurdle, estimate: float, error: float) -> float | None:
    """The error of sampling at which a test that could not decide will, with the chance POWER.

    It will if the truth is no change, or a change of one and a half tolerances or more. What lies
    between is harder the nearer it is to the tolerance: no finite run tells an effect just below
    from one at it. So only where an effect is beyond doubt is the pass asked for at that effect,
    at its least, and down to a tenth of the tolerance away.
    """
    least = max(estimate - hurdle.alarm_z * hurdle.total(error), 0.0)
    gap = hurdle.tolerance
    if estimate < hurdle.floor:
        gap = max(gap - least, gap / 10)
    return _of_sampling(hurdle, gap / (hurdle.pass_z + NormalDist().inv_cdf(POWER)))


def fewest_pairs(level: float) -> int:
    """Pairs of sessions that can be exchanged in enough ways for a p-value below `level`."""
    return ceil(log2(1 / level)) + 1


def turns_for(
    wanted: float | None, error_at: Callable[[float], float], pairs: int, least: int
) -> int | None:
    """The smallest number of turns, at least `least`, with `error_at(turns)` <= `wanted`.

    An error seen on few sessions is itself uncertain and may be too small: it is taken at the
    far end of what `pairs` sessions leave open (four in five). None where no number will do.
    """
    if wanted is None:
        return None
    wanted /= 1 + 0.84 / sqrt(2 * max(pairs - 1, 1))
    low, high = 0, max(least, 1)
    while error_at(high) > wanted:
        low, high = high, 2 * high
        if high > MOST_TURNS:
            return None
    while low and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if error_at(middle) > wanted else (low, middle)
    return high


def _of_sampling(hurdle: Hurdle, wanted: float) -> float | None:
    rest = wanted * abs(wanted) - hurdle.noise
    return sqrt(rest) if rest > 0 else None

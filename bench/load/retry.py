"""Turns how often something was refused into how long to wait before it is tried again. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bench.problem import Problem

REFUSED = frozenset({"rate_limited", "server_error", "disconnected"})
"""Outcomes of turns that may end better another time."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How patient a caller is: `attempts` in all, each wait `factor` times the one before.

    The first wait is `first_s`; each is longer or shorter by up to a share `jitter` of it, so
    that callers refused together do not come back together.

    Raises:
        Problem: a number is out of its range.
    """

    attempts: int = 5
    first_s: float = 0.5
    factor: float = 2.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        for name, least, most in (
            ("attempts", 1, 1_000),
            ("first_s", 0, 3_600),
            ("factor", 1, 100),
            ("jitter", 0, 1),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise Problem(f"Retry: {name} {value!r} is not between {least} and {most:,}")

    def wait_s(self, refusals: int, draw: float) -> float | None:
        """How long to wait after so many refusals in a row, 1 or more; None to give up.

        `draw` is a random number from 0 to 1: 0.5 is the middle.
        """
        if refusals >= self.attempts:
            return None
        return self.first_s * self.factor ** (refusals - 1) * (1 + self.jitter * (2 * draw - 1))

"""What the steps of one benchmark share: what was found so far, and how a trial is announced."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psutil

from tests.benchmarks.trial import Outcome, Trial, run_trial

MAIN = "rtbench, ws, 20 ms"
"""The capacity that everything else is related to."""

SHARE_LIMIT = 0.995
LATENESS_LIMIT_MS = 2.0

_DEFAULT_LEVEL = 1_000
_QUIET_SHARE = 0.1
_QUIET_WAIT_S = 20


@dataclass(slots=True)
class Benchmark:
    """`guesses` are levels found another time; `levels` those found this time."""

    say: Callable[[str], None]
    guesses: dict[str, int]
    long: bool = False
    levels: dict[str, int | None] = field(default_factory=dict)
    trials: list[dict[str, Any]] = field(default_factory=list)

    @property
    def level(self) -> int:
        """Sessions one core carries: as found now, or before, or about so many."""
        return self.levels.get(MAIN) or self.guesses.get(MAIN) or _DEFAULT_LEVEL

    def run(self, trial: Trial) -> Outcome | None:
        """Run a trial when the machine is quiet; say and keep what came of it.

        None when it left no record: then it was too much for the client.
        """
        await_quiet()
        try:
            outcome = run_trial(trial)
        except RuntimeError as error:
            self.say(f"    {trial.client} {trial.sessions}: {str(error).splitlines()[0]}")
            return None
        self.say(f"    {outcome.line()}")
        self.trials.append(outcome.figures())
        return outcome


def holds(outcome: Outcome | None) -> bool:
    """Whether a client kept its schedule."""
    if outcome is None or outcome.pace.p99_ms is None:
        return False
    return outcome.pace.share >= SHARE_LIMIT and outcome.pace.p99_ms < LATENESS_LIMIT_MS


def await_quiet() -> None:
    """Wait until nothing else keeps the machine busy, but not for ever."""
    deadline = time.monotonic() + _QUIET_WAIT_S
    while time.monotonic() < deadline:
        if psutil.cpu_percent(0.5) / 100 < _QUIET_SHARE:
            return

"""What the steps of one benchmark share: what was found so far, and how a trial is announced."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import psutil

from tests.benchmarks.reading import Pace
from tests.benchmarks.trial import Outcome, Trial, run_trial

MAIN = "rtbench, ws, 20 ms"
"""The capacity that everything else is related to."""

SHARE_LIMIT = 0.995
LATENESS_LIMIT_MS = 2.0

_DEFAULT_LEVEL = 1_000
_QUIET_SHARE = 0.1
_QUIET_WAIT_S = 10
_OTHERS_LIMIT = 0.05
_LONG_S = 120


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

    def run(self, trial: Trial, judge: Callable[[Outcome], Pace] | None = None) -> Outcome | None:
        """Run a trial when the machine is quiet; say and keep what came of it.

        `judge` takes the pace of a part of it, in place of that of all sessions in the window.
        Unless it is long, it is repeated once when it failed and others had part of its cores.
        None when it left no record: then it was too much for the client.
        """
        outcome = self._attempt(trial, judge)
        disturbed = outcome is not None and outcome.others_share > _OTHERS_LIMIT
        if disturbed and not holds(outcome) and trial.seconds < _LONG_S:
            self.say("      once more: others had part of its cores")
            outcome = self._attempt(trial, judge)
        return outcome

    def _attempt(self, trial: Trial, judge: Callable[[Outcome], Pace] | None) -> Outcome | None:
        await_quiet()
        try:
            outcome = run_trial(trial)
            if judge is not None:
                outcome = replace(outcome, pace=judge(outcome))
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

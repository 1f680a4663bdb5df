"""How often the regression gate is right, on simulated pairs of runs with a known effect.

Fixed seeds; exits with 1 when a rate that is promised is missed:

    python -m tests.benchmarks.verify_gate [--share 1.0]

Beside each case stands what two common gates say of the same time to first audio: "p95 > +10 %",
and a one-sided Mann-Whitney test over turns at 5 %. A run has clustered turns, fixtures of
different medians, heavy tails, censored and missing values (`simulated_runs`), six metrics and
with them ten tests; a verdict is that of all tests together.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from threadpoolctl import threadpool_limits

from bench.analysis.finding import INCONCLUSIVE, PASS, REGRESSION
from bench.analysis.gate import judge
from bench.analysis.history import ASSUMED_NOISE, run_noise
from tests.benchmarks.common_gates import mann_whitney, p95
from tests.benchmarks.simulated_runs import RATES, Build, Run, compare, interleave, simulate

Pair = tuple[Run, Run, dict[str, float]]
Draw = Callable[[np.random.Generator], Pair]

PAST_RUNS = 6


@dataclass(frozen=True)
class Case:
    """One way of drawing pairs, and the share of `verdict` promised of it, if any."""

    title: str
    trials: int
    draw: Draw
    verdict: str
    at_least: float = 0.0
    at_most: float = 1.0


@dataclass(frozen=True)
class Told:
    """What came of a case."""

    case: Case
    trials: int
    verdicts: Counter[str]
    p95_alarms: int
    turn_alarms: int
    verdict_ms: float

    def __str__(self) -> str:
        case, trials = self.case, self.trials
        promise = f">= {case.at_least:.0%}" if case.at_least else "told"
        if case.at_most < 1:
            promise = f"<= {case.at_most:.0%}"
        shares = {
            case.verdict: self.verdicts[case.verdict] / trials,
            "pass": self.verdicts[PASS] / trials,
            "p95": self.p95_alarms / trials,
            "turns": self.turn_alarms / trials,
        }
        told = "  ".join(f"{name} {value:6.1%}" for name, value in shares.items())
        return f"{case.title:46} {trials:4} {promise:7} {told}  {self.verdict_ms:4.0f} ms"

    @property
    def kept(self) -> bool:
        # Of few trials one false alarm is already more than 1 %, and says nothing.
        most = max(self.case.at_most * self.trials, 1 if self.case.at_most < 1 else 0)
        hits = self.verdicts[self.case.verdict]
        return self.case.at_least * self.trials <= hits <= most


def baseline_known(reference: Build, candidate: Build, turns: int) -> Draw:
    """A stored baseline of which `PAST_RUNS` past runs tell how runs differ by themselves."""

    def draw(rng: np.random.Generator) -> Pair:
        past = [simulate(rng, reference, turns) for _ in range(PAST_RUNS)]
        noise = {
            name: run_noise([run[name] for run in past]) for name in past[0] if name not in RATES
        }
        return simulate(rng, reference, turns), simulate(rng, candidate, turns), noise

    return draw


def baseline_alone(
    reference: Build, candidate: Build, turns: int, noise: float = ASSUMED_NOISE
) -> Draw:
    """A stored baseline and nothing else, so that the noise between runs is assumed."""

    def draw(rng: np.random.Generator) -> Pair:
        run = simulate(rng, reference, turns)
        return run, simulate(rng, candidate, turns), dict.fromkeys(run, noise)

    return draw


def interleaved(reference: Build, candidate: Build, turns: int) -> Draw:
    """Both builds in one job, blocks ABBA, `turns` turns of each."""
    return lambda rng: (*interleave(rng, (reference, candidate), turns), {})


STEADY = Build()
RESTLESS = Build(run_noise=0.01)
EVEN = Build(cv=0.01, session_sd=0.003, slow=0.0, failing=0.002, cut_off=0.002)
"""As even as a server whose delays come from a profile."""

CASES = (
    Case(
        "A/A, no noise between runs, 6 past runs",
        600,
        baseline_known(STEADY, STEADY, 400),
        REGRESSION,
        at_most=0.01,
    ),
    Case(
        "A/A, 1 % noise between runs, 6 past runs",
        600,
        baseline_known(RESTLESS, RESTLESS, 400),
        REGRESSION,
        at_most=0.01,
    ),
    Case(
        "A/A, 1 % noise between runs, none known",
        200,
        baseline_alone(RESTLESS, RESTLESS, 400),
        REGRESSION,
        at_most=0.01,
    ),
    Case(
        "A/A, interleaved, 1 % noise between blocks",
        200,
        interleaved(RESTLESS, RESTLESS, 800),
        REGRESSION,
        at_most=0.01,
    ),
    Case(
        "A/A, strong clusters (session sd 15 %)",
        200,
        baseline_alone(Build(session_sd=0.15), Build(session_sd=0.15), 400, noise=0.0),
        REGRESSION,
        at_most=0.01,
    ),
    Case(
        "+10 %, 400 turns, 6 past runs",
        200,
        baseline_known(STEADY, Build(slower=0.1), 400),
        REGRESSION,
        at_least=0.95,
    ),
    Case(
        "+10 %, 400 turns, 1 % noise between runs",
        200,
        baseline_known(RESTLESS, Build(slower=0.1, run_noise=0.01), 400),
        REGRESSION,
        at_least=0.9,
    ),
    Case(
        "+50 ms on 800, interleaved, 800 turns of each",
        200,
        interleaved(RESTLESS, Build(slower_ms=50, run_noise=0.01), 800),
        REGRESSION,
        at_least=0.95,
    ),
    Case(
        "+50 ms on 800, interleaved, 400 turns of each",
        100,
        interleaved(RESTLESS, Build(slower_ms=50, run_noise=0.01), 400),
        REGRESSION,
    ),
    Case(
        "+60 ms on one turn in 20, 800 turns, CV 0.01",
        100,
        baseline_alone(EVEN, replace(EVEN, delayed=0.05, delayed_ms=60), 800, noise=0.0),
        REGRESSION,
        at_least=0.95,
    ),
    Case(
        "A/A, 800 turns, CV 0.01",
        100,
        baseline_alone(EVEN, EVEN, 800, noise=0.0),
        PASS,
        at_least=0.9,
    ),
    Case(
        "-20 %: better never fails",
        100,
        baseline_known(STEADY, Build(slower=-0.2), 400),
        REGRESSION,
        at_most=0.01,
    ),
    Case(
        "failed turns 0.5 % -> 6 %",
        100,
        baseline_known(STEADY, Build(failing=0.06), 800),
        REGRESSION,
        at_least=0.9,
    ),
    Case(
        "A/A, 200 turns: too few to pass",
        100,
        baseline_alone(STEADY, STEADY, 200, noise=0.0),
        INCONCLUSIVE,
        at_least=0.9,
    ),
)


def tell(case: Case, share: float, seed: int) -> Told:
    """Judges as many pairs as the case has trials, times `share`."""
    verdicts: Counter[str] = Counter()
    p95_alarms = turn_alarms = 0
    judged_s = 0.0
    trials = max(ceil(case.trials * share), 1)
    for trial in range(trials):
        baseline, candidate, noise = case.draw(np.random.default_rng([seed, trial]))
        begun_s = time.perf_counter()
        verdicts[judge(compare(baseline, candidate, noise)).verdict] += 1
        judged_s += time.perf_counter() - begun_s
        first, second = (run["ttfa_ms"].known().values for run in (baseline, candidate))
        p95_alarms += bool(p95(second) > 1.1 * p95(first))
        turn_alarms += mann_whitney(first, second) < 0.05
    return Told(case, trials, verdicts, p95_alarms, turn_alarms, judged_s / trials * 1e3)


@dataclass(frozen=True)
class Settled:
    """Of underpowered runs: how many were told a number of turns, and what that number gave."""

    title: str
    passed_early: int
    trials: int
    named: list[int]
    then: Counter[str]
    right: str

    def __str__(self) -> str:
        middle = int(np.median(self.named)) if self.named else 0
        return (
            f"{self.title:46} {self.trials:4} passed {self.passed_early}; {len(self.named)} named "
            f"a number, in the middle {middle} turns, and of so many: {dict(self.then)}"
        )

    @property
    def kept(self) -> bool:
        asked = self.then.total()
        return self.then[self.right] >= 0.9 * asked and self.passed_early <= 0.1 * self.trials


def settle(
    title: str, candidate: Build, turns: int, right: str, *, trials: int, seed: int
) -> Settled:
    """Runs of too few turns, and fresh ones of the number that the verdict on them named."""
    named: list[int] = []
    then: Counter[str] = Counter()
    early = 0
    for trial in range(trials):
        rng = np.random.default_rng([seed, trial])
        first = judge(compare(simulate(rng, STEADY, turns), simulate(rng, candidate, turns), {}))
        early += first.verdict == PASS
        if first.verdict != INCONCLUSIVE:
            continue
        if first.turns_needed is None:
            then["no number named"] += 1
            continue
        named.append(first.turns_needed)
        runs = [simulate(rng, build, first.turns_needed) for build in (STEADY, candidate)]
        then[judge(compare(runs[0], runs[1], {})).verdict] += 1
    return Settled(title, early, trials, named, then, right)


def verify(share: float) -> Iterator[tuple[str, bool]]:
    """A line per case, and whether its promise was kept."""
    for seed, case in enumerate(CASES):
        told = tell(case, share, seed)
        yield str(told), told.kept
    trials = max(ceil(80 * share), 2)
    for settled in (
        settle("no change, 160 turns", STEADY, 160, PASS, trials=trials, seed=1_000),
        settle("+10 %, 120 turns", Build(slower=0.1), 120, REGRESSION, trials=trials, seed=1_001),
    ):
        yield str(settled), settled.kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="of all trials (default: 1.0)")
    begun_s = time.perf_counter()
    broken = 0
    # Products here are small: threads would wait for each other.
    with threadpool_limits(1):
        for line, kept in verify(parser.parse_args().share):
            print("ok  " if kept else "MISS", line, flush=True)
            broken += not kept
    print(f"{time.perf_counter() - begun_s:.0f} s, {time.process_time():.0f} s of a core")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

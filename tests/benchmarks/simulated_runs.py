"""Turns a seed into runs with a known effect, as hard on a gate as real ones.

Fixtures differ in their medians by far more than any effect. Turns of a session share what is
drawn for it, turns of a run what is drawn for the run. Noise has heavy tails, and one turn in a
hundred is slow. Some replies never come (censored), some turns are cut off or their record is
lost (missing), and both come in clusters.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log1p

import numpy as np

from bench.analysis.evidence import Comparison
from bench.analysis.sample import Sample

FIXTURES = 12
MEDIAN_MS = 800.0
WATCHDOG_MS = 15_000.0
SLOW_CV = 1.2
"""What slow turns add to the coefficient of variation, times the root of their share."""

TURNS = 8
"""Per session."""

RATES = ("cut_off", "failed")

_SPREAD = np.exp(np.random.default_rng(1).normal(0, 0.25, FIXTURES))
FIXTURE_MS = MEDIAN_MS * _SPREAD / np.median(_SPREAD)


@dataclass(frozen=True)
class Build:
    """What is measured: how much slower than the reference, and how noisy."""

    slower: float = 0.0
    """Of time to first audio, as a share; all of it in the response, none in endpointing."""
    slower_ms: float = 0.0
    cv: float = 0.2
    """Standard deviation of the time to first audio of a fixture, over its mean."""
    session_sd: float = 0.05
    """Of the logarithm, shared by a session's turns."""
    run_noise: float = 0.0
    """Of the logarithm, shared by a run's turns."""
    slow: float = 0.01
    """Share of turns that take one and a half to three times as long."""
    delayed: float = 0.0
    delayed_ms: float = 0.0
    """Added to the share `delayed` of turns."""
    failing: float = 0.005
    cut_off: float = 0.02


Run = dict[str, Sample]


def simulate(rng: np.random.Generator, build: Build, turns: int) -> Run:
    """A sample per metric and rate; the number of turns is rounded up to whole sessions."""
    sessions = -(-turns // TURNS)
    size = sessions * TURNS
    session = np.repeat(np.arange(sessions), TURNS)
    fixture = np.arange(size) * 7 % FIXTURES
    slowness = np.where(rng.random(size) < build.slow, rng.uniform(0.4, 1.1, size), 0.0)
    # One turn in ten is three times as noisy as the others.
    rest = log1p(build.cv**2 - build.slow * SLOW_CV**2) - build.session_sd**2
    noise = rng.normal(0, np.sqrt(rest / 1.8), size) * np.where(rng.random(size) < 0.1, 3, 1)
    shared = rng.normal(0, build.run_noise) + rng.normal(0, build.session_sd, sessions)[session]
    reference = FIXTURE_MS[fixture]
    before = reference * np.exp(noise + shared + slowness)
    endpointing = reference * 0.45 * np.exp(rng.normal(0, 0.3 * build.cv, size) + shared / 2)
    ttfa = before * (1 + build.slower) + build.slower_ms
    ttfa += np.where(rng.random(size) < build.delayed, build.delayed_ms, 0.0)
    response = np.maximum(ttfa - endpointing, 20.0)
    ttfa = endpointing + response
    failed = _clustered(rng, build.failing, sessions, session)
    cut_off = _clustered(rng, build.cut_off, sessions, session) & ~failed
    lost = cut_off | (rng.random(size) < 0.01)

    def sample(values: np.ndarray, censored: np.ndarray) -> Sample:
        known = np.where(censored, WATCHDOG_MS, np.where(lost, np.nan, values))
        return Sample.of(known, session, fixture, censored)

    never = np.zeros(size, np.bool_)
    return {
        "ttfa_ms": sample(ttfa, failed),
        "voice_to_voice_ms": sample(ttfa + rng.uniform(20, 60, size), failed),
        "endpointing_delay_ms": sample(endpointing, never),
        "response_latency_ms": sample(response, failed),
        "cut_off": Sample.of(cut_off, session, fixture),
        "failed": Sample.of(failed, session, fixture),
    }


def interleave(
    rng: np.random.Generator, builds: tuple[Build, Build], turns: int, blocks: int = 40
) -> tuple[Run, Run]:
    """Both builds in one job of `blocks` blocks, ABBA, `turns` turns each.

    Each block has noise of its own, that of a run, and the host slows down by a tenth over the
    job. Sessions are numbered by the pair of blocks, which is what may be exchanged.
    """
    halves: tuple[list[Run], list[Run]] = ([], [])
    for block in range(blocks):
        side = (0, 1, 1, 0)[block % 4]
        build = builds[side]
        drift = 1 + 0.1 * block / blocks
        slower = (1 + build.slower) * drift - 1
        piece = simulate(
            rng,
            replace(build, slower=slower, slower_ms=build.slower_ms * drift),
            turns * 2 // blocks,
        )
        pair = block // 2
        halves[side].append(
            {
                name: replace(sample, sessions=np.full(len(sample.values), pair))
                for name, sample in piece.items()
            }
        )
    return _joined(halves[0]), _joined(halves[1])


def compare(baseline: Run, candidate: Run, run_noise: dict[str, float]) -> list[Comparison]:
    """What a gate is asked about two runs; `run_noise` by metric, 0 where not named."""
    return [
        Comparison(
            name,
            baseline[name],
            candidate[name],
            run_noise=run_noise.get(name, 0.0),
            is_rate=name in RATES,
        )
        for name in baseline
    ]


def _clustered(
    rng: np.random.Generator, rate: float, sessions: int, session: np.ndarray
) -> np.ndarray:
    """Hits of `rate`, in a few sessions rather than in all alike."""
    own = rng.beta(0.5, 0.5 / rate - 0.5, sessions) if rate else np.zeros(sessions)
    return rng.random(len(session)) < own[session]


def _joined(parts: list[Run]) -> Run:
    return {
        name: Sample.of(
            np.concatenate([part[name].values for part in parts]),
            np.concatenate([part[name].sessions for part in parts]),
            np.concatenate([part[name].fixtures for part in parts]),
            np.concatenate([part[name].censored for part in parts]),
        )
        for name in parts[0]
    }

"""What runs differ by themselves, against what was put in."""

from __future__ import annotations

import numpy as np
import pytest

from bench.analysis.history import ASSUMED_NOISE, run_noise
from bench.analysis.sample import Sample


def past(seed, runs, noise, turns=800):
    rng = np.random.default_rng(seed)
    session, fixture = np.arange(turns) // 8, np.arange(turns) % 5
    return [
        Sample.of(
            (fixture + 1) * 300 * np.exp(rng.normal(0, 0.1, turns) + rng.normal(0, noise)),
            session,
            fixture,
            rng.random(turns) < 0.01,
        )
        for _ in range(runs)
    ]


def test_of_one_run_nothing_is_known():
    assert run_noise([]) == ASSUMED_NOISE
    assert run_noise(past(0, 1, 0.2)) == ASSUMED_NOISE


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.04])
def test_many_runs_show_their_noise(noise):
    found = np.mean([run_noise(past(seed, 40, noise)) for seed in range(4)])
    assert found == pytest.approx(noise, abs=0.004)


def test_a_few_quiet_runs_do_not_prove_a_quiet_host():
    assert 0.004 < run_noise(past(1, 3, 0.0)) < ASSUMED_NOISE


def test_metrics_that_can_be_negative_have_noise_as_a_share_too():
    rng = np.random.default_rng(3)
    runs = [
        Sample.of(np.append(100 + rng.normal(0, 5) + rng.normal(0, 1, 400), -1), np.arange(401))
        for _ in range(40)
    ]
    assert run_noise(runs) == pytest.approx(0.05, abs=0.015)


def test_a_run_without_values_is_no_run():
    empty = Sample.of([np.nan], [0])
    assert run_noise([empty, empty, *past(0, 1, 0.0)]) == ASSUMED_NOISE

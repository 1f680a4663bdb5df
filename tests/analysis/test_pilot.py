"""What a pilot run says a gate will need."""

from __future__ import annotations

import numpy as np

from bench.analysis.finding import REGRESSION, SHIFT, TAIL
from bench.analysis.gate import Comparison, judge
from bench.analysis.pilot import Pilot, find_needs
from bench.analysis.sample import Sample


def run(seed, turns=400, cv=0.15, session_sd=0.05, slower=0.0):
    rng = np.random.default_rng(seed)
    session, fixture = np.arange(turns) // 8, np.arange(turns) * 7 % 5
    noise = rng.normal(0, cv, turns) + rng.normal(0, session_sd, turns)[session]
    return Sample.of((fixture + 2) * 300 * (1 + slower) * np.exp(noise), session, fixture)


def needs(sample, effect=0.1, **options):
    noise = {"ttfa_ms": options.pop("run_noise", 0.0)}
    found = find_needs([Pilot.of("ttfa_ms", sample)], effect, noise, **options)
    return {need.statistic: need for need in found}


def test_the_numbers_that_pilots_name_find_the_effect_and_far_fewer_do_not():
    found = {1: 0, 3: 0}
    for seed in range(60):
        needed = needs(run(seed), 0.08)[SHIFT].turns
        for part in found:
            turns = needed // part
            pair = run(100 + seed, turns), run(200 + seed, turns, slower=0.08)
            (shift, _tail) = judge([Comparison("ttfa_ms", *pair, run_noise=0.0)]).findings
            found[part] += shift.verdict == REGRESSION
    assert found[1] >= 54
    assert found[3] <= 45


def test_noise_clusters_tests_and_small_effects_ask_for_more():
    usual = needs(run(1))
    assert needs(run(1, cv=0.3))[SHIFT].turns > 2 * usual[SHIFT].turns
    assert needs(run(1, session_sd=0.2))[SHIFT].turns > 2 * usual[SHIFT].turns
    assert needs(run(1), 0.05)[SHIFT].turns > 2 * usual[SHIFT].turns
    assert needs(run(1), tests=40)[SHIFT].turns > usual[SHIFT].turns
    assert needs(run(1), run_noise=0.01)[SHIFT].turns > usual[SHIFT].turns
    assert usual[TAIL].turns > usual[SHIFT].turns
    assert usual[SHIFT].sessions == -(-usual[SHIFT].turns // 8)


def test_a_quiet_pilot_still_asks_for_enough_sessions_to_exchange():
    need = needs(run(1, cv=0.001, session_sd=0.001))
    assert need[SHIFT].sessions >= 8
    assert need[TAIL].turns == 200


def test_what_no_number_finds_has_a_reason():
    for need in (needs(run(1), 0.03)[SHIFT], needs(run(1), 0.05, run_noise=0.03)[SHIFT]):
        assert (need.turns, need.sessions) == (None, None)
        assert "floor" in need.reason


def test_too_few_sessions_say_how_many():
    need = needs(run(1, turns=80))[SHIFT]
    assert need.turns is None
    assert need.reason == "10 sessions with values; at least 16 are needed"


def test_the_same_pilot_gives_the_same_answer():
    assert needs(run(1)) == needs(run(1))

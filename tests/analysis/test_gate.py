"""What the gate says of runs that are made to deserve it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.evidence import Comparison, GateRules, Margin
from bench.analysis.finding import (
    INCONCLUSIVE,
    PASS,
    RATE,
    REGRESSION,
    SHIFT,
    TAIL,
    Finding,
    weigh,
)
from bench.analysis.gate import confirm, judge
from bench.analysis.sample import DIFFERENCE, RATIO, Sample


def run(seed, turns=1_200, slower=0.0, cv=0.1, level=800, **marks):
    rng = np.random.default_rng(seed)
    session, fixture = np.arange(turns) // 8, np.arange(turns) * 7 % 5
    noise = rng.normal(0, cv, turns) + rng.normal(0, 0.02, turns)[session]
    values = level * (fixture + 2) / 4 * (1 + slower) * np.exp(noise)
    return Sample.of(values, session, fixture, **marks)


def hits(seed, rate, turns=1_200):
    rng = np.random.default_rng(seed)
    return Sample.of(rng.random(turns) < rate, np.arange(turns) // 8)


def ttfa(baseline, candidate, **fields):
    return Comparison("ttfa_ms", baseline, candidate, **{"run_noise": 0.0} | fields)


def findings(*comparisons, rules=None):
    return {
        (finding.metric, finding.statistic): finding
        for finding in judge(comparisons, rules).findings
    }


def test_a_build_that_is_no_different_passes_with_its_effect_bounded():
    result = judge([ttfa(run(1), run(2))])
    assert (result.verdict, result.turns_needed) == (PASS, None)
    shift, tail = result.findings
    assert (shift.statistic, tail.statistic) == (SHIFT, TAIL)
    assert (shift.scale, shift.sessions, shift.n_candidate) == (RATIO, 150, 1_200)
    assert shift.low < shift.effect < shift.high < shift.tolerance == pytest.approx(0.03)
    assert tail.high < tail.tolerance == pytest.approx(0.1)
    assert shift.detectable > shift.floor


def test_a_slower_build_is_a_regression_with_its_size():
    result = judge([ttfa(run(1), run(2, slower=0.1))])
    assert result.verdict == REGRESSION
    shift = result.findings[0]
    assert shift.verdict == REGRESSION
    assert shift.effect == pytest.approx(0.1, abs=0.02)
    assert shift.p_value < 0.01
    assert (shift.baseline, shift.candidate) == pytest.approx((800, 880), rel=0.1)


def test_a_faster_build_passes_and_is_said_to_be_better():
    result = judge([ttfa(run(1), run(2, slower=-0.1))])
    assert result.verdict == PASS
    assert result.findings[0].improved
    assert result.findings[0].high < 0


def test_a_build_that_only_seems_faster_is_not_said_to_be_better():
    shift = next(
        shift
        for seed in range(20)
        for shift in judge([ttfa(run(seed), run(seed + 100))]).findings
        if shift.effect < 0 < shift.high
    )
    assert not shift.improved


def test_a_large_change_has_no_bias_where_fixtures_are_many_and_turns_are_lost():
    errors = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        fixture, session = rng.permutation(240) % 60, np.arange(240) // 8
        first, second = (
            Sample.of(
                np.where(rng.random(240) < 0.05, np.nan, by * np.exp(rng.normal(0, 0.1, 240))),
                session,
                fixture,
            )
            for by in (800, 1_440)
        )
        errors.append(judge([ttfa(first, second)]).findings[0].effect - 0.8)
    assert np.mean(errors) == pytest.approx(0, abs=0.01)


def test_a_change_below_the_floor_passes_however_significant():
    even = Margin(0.03, 0.0)
    found = judge(
        [ttfa(run(1, 4_000, cv=0.01), run(2, 4_000, cv=0.01, slower=0.01))], GateRules(floor=even)
    )
    assert found.verdict == PASS
    assert found.findings[0].p_value < 0.001


def test_the_floor_is_the_larger_of_a_share_and_of_ms():
    (quick, slow) = (findings(ttfa(run(1, level=ms), run(2, level=ms))) for ms in (100, 8_000))
    assert quick["ttfa_ms", SHIFT].floor == pytest.approx(0.15, rel=0.15)
    assert slow["ttfa_ms", SHIFT].floor == pytest.approx(0.03)
    unitless = ttfa(run(1, level=1), run(2, level=1), unit="\u00d7")
    assert findings(unitless)["ttfa_ms", SHIFT].floor == pytest.approx(0.03)


def test_where_higher_is_better_less_is_a_regression():
    less = ttfa(run(1), run(2, slower=-0.1), better="higher", unit="\u00d7")
    more = ttfa(run(1), run(2, slower=0.1), better="higher", unit="\u00d7")
    shift = findings(less)["ttfa_ms", SHIFT]
    assert shift.verdict == REGRESSION
    assert shift.low < shift.effect < shift.high < 0
    assert judge([more]).verdict == PASS


def test_too_few_turns_are_inconclusive_and_the_number_named_decides():
    small = judge([ttfa(run(1, 240, cv=0.2), run(2, 240, cv=0.2))])
    assert small.verdict == INCONCLUSIVE
    assert small.turns_needed > 240
    turns = small.turns_needed
    assert judge([ttfa(run(3, turns, cv=0.2), run(4, turns, cv=0.2))]).verdict == PASS


def test_a_tail_of_few_turns_is_not_judged_and_says_how_many_it_takes():
    tail = findings(ttfa(run(1, 160, cv=0.01), run(2, 160, cv=0.01)))["ttfa_ms", TAIL]
    assert tail.verdict == INCONCLUSIVE
    assert tail.turns_needed >= 200


def test_few_sessions_are_not_judged():
    baseline = Sample.of(np.arange(1.0, 141), np.arange(140) // 20)
    (finding,) = judge([ttfa(baseline, baseline)]).findings
    assert (finding.verdict, finding.turns_needed) == (INCONCLUSIVE, 160)
    assert finding.reason == "7 sessions; at least 8 are needed"
    assert finding.effect is None


def test_without_values_nothing_is_judged():
    nothing = Sample.of([np.nan] * 400, np.arange(400) // 8)
    elsewhere = replace(run(1), fixtures=run(1).fixtures + 100)
    for candidate in (nothing, elsewhere):
        result = judge([ttfa(run(1), candidate)])
        assert (result.verdict, result.turns_needed) == (INCONCLUSIVE, None)
    assert judge([]).verdict == INCONCLUSIVE


def test_one_fixture_that_is_missing_does_not_make_a_run_faster():
    baseline, candidate = run(1), run(2)
    without_the_slowest = candidate.take(candidate.fixtures != 4)
    shift = findings(ttfa(baseline, without_the_slowest))["ttfa_ms", SHIFT]
    assert shift.effect == pytest.approx(0, abs=0.02)


def test_a_build_that_stops_answering_is_a_regression_whatever_the_noise_between_runs():
    lost = np.arange(1_200) % 5 > 0
    result = judge([ttfa(run(1), run(2, censored=lost), run_noise=0.01)])
    assert result.verdict == REGRESSION
    assert result.findings[0].effect == math.inf
    assert result.findings[0].candidate == math.inf


def test_metrics_that_can_be_negative_are_seen_in_their_unit():
    rng = np.random.default_rng(1)
    session = np.arange(1_200) // 8
    first, second = (Sample.of(rng.normal(by, 40, 1_200), session) for by in (-10, 30))
    shift = findings(ttfa(first, second))["ttfa_ms", SHIFT]
    assert (shift.scale, shift.verdict) == (DIFFERENCE, REGRESSION)
    assert shift.effect == pytest.approx(40, abs=5)
    assert shift.floor == 15


def test_noise_between_runs_takes_the_certainty_away():
    pair = run(1), run(2, slower=0.045)
    certain = findings(ttfa(*pair))["ttfa_ms", SHIFT]
    doubtful = findings(ttfa(*pair, run_noise=0.02))["ttfa_ms", SHIFT]
    assert (certain.verdict, doubtful.verdict) == (REGRESSION, INCONCLUSIVE)
    beyond = [math.log1p(found.high) - math.log1p(found.effect) for found in (certain, doubtful)]
    # 1.645 standard deviations of a difference of two runs.
    assert math.sqrt(beyond[1] ** 2 - beyond[0] ** 2) == pytest.approx(
        1.645 * 0.02 * math.sqrt(2), rel=1e-3
    )
    assert doubtful.turns_needed is None
    assert "interleaved" in doubtful.reason


def test_rates_are_judged_by_sessions():
    def judged(before, after, **fields):
        comparison = Comparison("failed", before, after, 0.0, is_rate=True, **fields)
        return findings(comparison)["failed", RATE]

    assert judged(hits(1, 0.005), hits(2, 0.005)).verdict == PASS
    worse = judged(hits(1, 0.005), hits(2, 0.05))
    assert worse.verdict == REGRESSION
    assert worse.effect == pytest.approx(0.045, abs=0.015)
    assert judged(hits(2, 0.05), hits(1, 0.005)).verdict == PASS
    fewer = judged(hits(2, 0.05), hits(1, 0.005), better="higher")
    assert fewer.verdict == REGRESSION
    assert (fewer.effect, fewer.low, fewer.high) == (-worse.effect, -worse.high, -worse.low)
    unsure = judged(hits(1, 0.02, 240), hits(3, 0.02, 240))
    assert unsure.verdict == INCONCLUSIVE
    assert 240 < unsure.turns_needed < 10_000
    never = Sample.of(np.zeros(400), np.arange(400) // 8)
    assert judged(never, never).verdict == PASS
    # One session in which all turns failed is one event, not eight.
    broken = Sample.of(np.arange(400) < 8, np.arange(400) // 8)
    assert judged(never, broken).p_value > 0.2


def test_more_tests_need_more_evidence():
    pair = run(1, 240, cv=0.3), run(2, 240, cv=0.3, slower=0.1)
    alone = findings(ttfa(*pair))["ttfa_ms", SHIFT]
    others = [
        Comparison(f"other_{seed}", run(seed, 240), run(seed + 50, 240), 0.0)
        for seed in range(10, 20)
    ]
    among = findings(ttfa(*pair), *others)["ttfa_ms", SHIFT]
    assert among.p_value == pytest.approx(min(11 * alone.p_value, 1), rel=0.1)
    assert among.detectable > alone.detectable


@given(seed=st.integers(0, 1_000), slower=st.floats(-0.2, 0.2))
def test_rows_in_any_order_have_one_verdict(seed, slower):
    baseline, candidate = run(seed, 240), run(seed + 1, 240, slower=slower)
    order = np.random.default_rng(seed).permutation(240)
    shuffled = Sample.of(
        candidate.values[order], candidate.sessions[order], candidate.fixtures[order]
    )
    for first, second in zip(
        judge([ttfa(baseline, candidate)]).findings,
        judge([ttfa(baseline, shuffled)]).findings,
        strict=True,
    ):
        assert first.verdict == second.verdict
        assert first.effect == pytest.approx(second.effect, abs=5e-4)


@given(seed=st.integers(0, 1_000), factor=st.floats(0.01, 100))
def test_units_do_not_matter_to_a_share(seed, factor):
    pair = run(seed, 240), run(seed + 1, 240)
    scaled = [replace(sample, values=sample.values * factor) for sample in pair]
    plain, other = (judge([ttfa(*samples, unit="s")]).findings[0] for samples in (pair, scaled))
    for name in ("effect", "low", "high"):  # found to a small part of the standard error
        assert getattr(other, name) == pytest.approx(getattr(plain, name), abs=5e-4)


def test_session_names_and_fixture_names_may_be_words():
    def named(sample):
        return replace(
            sample,
            sessions=np.array([f"w0-{number:05}" for number in sample.sessions]),
            fixtures=np.array([f"clip {number}" for number in sample.fixtures]),
        )

    pair = run(1, 240), run(2, 240)
    assert judge([ttfa(*pair)]) == judge([ttfa(*map(named, pair))])


def test_a_regression_stands_only_if_a_fresh_run_repeats_it():
    slow, again, fine = (
        judge([ttfa(run(seed), run(seed + 1, slower=slower))])
        for seed, slower in ((1, 0.1), (11, 0.1), (21, 0.0))
    )
    confirmed = confirm(slow, again)
    assert (confirmed.verdict, confirmed.confirmed) == (REGRESSION, True)
    assert confirmed.findings[0].reason == "worse, and by more than the floor, in a fresh run too"
    contradicted = confirm(slow, fine)
    assert (contradicted.verdict, contradicted.turns_needed) == (INCONCLUSIVE, 2_400)
    assert "not again in a fresh run" in contradicted.findings[0].reason
    assert confirm(slow, judge([])).verdict == INCONCLUSIVE
    assert confirm(fine, slow).verdict == PASS


def test_a_regression_of_another_metric_or_to_the_better_side_repeats_nothing():
    slow = judge([ttfa(run(1), run(2, slower=0.1))])
    elsewhere = judge([replace(ttfa(run(11), run(12, slower=0.1)), metric="other_ms")])
    faster = judge([ttfa(run(11), run(12, slower=-0.1))])
    assert elsewhere.verdict == REGRESSION
    for fresh in (elsewhere, faster):
        assert confirm(slow, fresh).verdict == INCONCLUSIVE


def test_what_the_fresh_run_leaves_open_asks_for_the_turns_that_it_wants():
    slow = judge([ttfa(run(1), run(2, slower=0.1))])
    unsure = judge([ttfa(run(11, 240, cv=0.2), run(12, 240, cv=0.2, slower=0.04))])
    assert unsure.findings[0].verdict == INCONCLUSIVE
    shift = confirm(slow, unsure).findings[0]
    assert (shift.verdict, shift.turns_needed) == (INCONCLUSIVE, unsure.findings[0].turns_needed)


def test_one_regression_outweighs_and_one_open_test_keeps_from_passing():
    def finding(verdict, needed=None):
        return Finding("m", SHIFT, "lower", RATIO, verdict, "", 1, 1, 9, 9, 9, turns_needed=needed)

    def weighed(*all_findings):
        result = weigh(all_findings, confidence=0.95, alpha=0.01)
        return result.verdict, result.turns_needed

    passed, open_one, endless = finding(PASS), finding(INCONCLUSIVE, 900), finding(INCONCLUSIVE)
    assert weighed(passed, passed) == (PASS, None)
    assert weighed(passed, open_one, finding(INCONCLUSIVE, 300)) == (INCONCLUSIVE, 900)
    assert weighed(passed, open_one, endless) == (INCONCLUSIVE, None)
    assert weighed(passed, open_one, finding(REGRESSION))[0] == REGRESSION
    assert weighed() == (INCONCLUSIVE, None)

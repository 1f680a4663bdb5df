"""What is spent, by the usage that responses told, and when that is enough."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.budget import HELD_SHARE, Stage, Tally, spent, stage_of
from bench.analysis.prices import Prices, Usage

PRICES = Prices(4, 0.4, 16, 32, 0.4, 64)
TURN_USD = 0.01


def done(audio_in: int = 100, audio_out: int = 50, **more: Any) -> str:
    usage = {
        "input_tokens": audio_in,
        "output_tokens": audio_out,
        "input_token_details": {"audio_tokens": audio_in},
        "output_token_details": {"audio_tokens": audio_out},
    }
    return json.dumps({"status": "completed", "usage": usage} | more)


EACH_USD = (100 * 32 + 50 * 64) / 1e6


def test_responses_add_up() -> None:
    tally = Tally().after([done(), done()], begun=2, ended=2).after([done()], begun=1, ended=1)
    assert (tally.responses, tally.open_turns, tally.usage.audio_in) == (3, 0, 300)
    found = spent(tally, PRICES, TURN_USD)
    assert found.told_usd == pytest.approx(3 * EACH_USD)
    assert found.assumed_usd == 0


def test_turns_under_way_cost_what_others_did() -> None:
    tally = Tally().after([done()], begun=5, ended=1)
    assert spent(tally, PRICES, TURN_USD).usd == pytest.approx(5 * EACH_USD)


def test_before_any_response_turns_cost_what_is_assumed() -> None:
    assert spent(Tally(open_turns=3), PRICES, TURN_USD).usd == pytest.approx(3 * TURN_USD)


@pytest.mark.parametrize(
    ("detail", "silent"),
    [
        ('{"status": "completed"}', 1),
        ('{"status": "cancelled", "usage": null}', 1),
        ('{"status": "failed"}', 0),
        ("no JSON", 1),
        (None, 1),
    ],
)
def test_a_response_without_usage_counts_unless_it_failed(detail: str | None, silent: int) -> None:
    tally = Tally().after([detail], begun=0, ended=0)
    assert (tally.responses, tally.silent) == (0, silent)
    assert spent(tally, PRICES, TURN_USD).usd == pytest.approx(silent * TURN_USD)


def test_tokens_of_no_told_kind_count_as_audio() -> None:
    detail = json.dumps({"usage": {"input_tokens": 10, "output_tokens": 5}})
    tally = Tally().after([detail], begun=0, ended=0)
    assert spent(tally, PRICES, TURN_USD).told_usd == pytest.approx((10 * 32 + 5 * 64) / 1e6)


def test_a_turn_that_ended_before_it_was_seen_to_begin_is_no_credit() -> None:
    assert Tally().after([], begun=0, ended=2).open_turns == 0


@pytest.mark.parametrize(
    ("usd", "stage"),
    [
        (0.0, Stage.OPEN),
        (0.89, Stage.OPEN),
        (0.9, Stage.HELD),
        (0.999, Stage.HELD),
        (1.0, Stage.SPENT),
        (7.0, Stage.SPENT),
    ],
)
def test_stages_of_a_dollar(usd: float, stage: Stage) -> None:
    assert HELD_SHARE == 0.9
    assert stage_of(usd, 1.0) is stage
    assert stage_of(usd, None) is Stage.OPEN


tallies = st.builds(
    Tally,
    st.builds(Usage, *[st.integers(0, 10_000)] * 10),
    *[st.integers(0, 100)] * 3,
)


@given(tallies)
def test_a_tally_survives_the_way_to_another_process(tally: Tally) -> None:
    assert Tally.from_json(json.loads(json.dumps(tally.to_json()))) == tally


@given(tallies, tallies)
def test_processes_may_be_added_in_any_order(first: Tally, second: Tally) -> None:
    assert first + second == second + first
    assert first + Tally() == first

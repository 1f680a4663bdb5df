"""Dollars by hand, and a price table of one's own."""

from __future__ import annotations

import pytest

from bench.analysis.prices import PRICES, Prices, Usage, prices_of, read_prices, usage_of
from bench.problem import Problem

TOLD = {
    "total_tokens": 821,
    "input_tokens": 789,
    "output_tokens": 32,
    "input_token_details": {
        "text_tokens": 313,
        "audio_tokens": 476,
        "cached_tokens": 640,
        "cached_tokens_details": {"text_tokens": 256, "audio_tokens": 384},
    },
    "output_token_details": {"text_tokens": 9, "audio_tokens": 23},
}
PLAIN = Prices(4, 0.4, 16, 32, 0.4, 64)


def test_a_usage_is_read():
    usage = usage_of([TOLD])
    assert usage == Usage(313, 476, 0, 256, 384, 0, 9, 23, 789, 32)
    dollars = 57 * 4 + 256 * 0.4 + 92 * 32 + 384 * 0.4 + 9 * 16 + 23 * 64
    assert PLAIN.cost_usd(usage) == pytest.approx(dollars / 1e6)


def test_usages_add_up():
    twice = usage_of([None, TOLD, {"input_tokens": 0}, TOLD])
    assert (twice.input_tokens, twice.output_tokens, twice.audio_cached) == (1578, 64, 768)
    assert PLAIN.cost_usd(twice) == pytest.approx(2 * 0.005044)


@pytest.mark.parametrize("told", [[], [None], ["much"], [[]]])
def test_no_usage_is_none(told):
    assert usage_of(told) is None


def test_nonsense_in_a_usage_counts_nothing():
    odd = {"input_tokens": "many", "output_tokens": True, "input_token_details": 7}
    assert usage_of([odd, {"input_tokens": -4, "output_tokens": float("nan")}]) == Usage()


def test_tokens_of_no_known_kind_have_no_price():
    assert PLAIN.cost_usd(usage_of([{"input_tokens": 10, "output_tokens": 0}])) is None
    assert PLAIN.cost_usd(usage_of([{"output_tokens": 3}])) is None


def test_cached_tokens_of_no_told_kind_are_text_first():
    details = {"text_tokens": 30, "audio_tokens": 100, "cached_tokens": 50}
    usage = usage_of([{"input_tokens": 130, "input_token_details": details}])
    assert (usage.text_cached, usage.audio_cached) == (30, 20)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-realtime-2.1", "gpt-realtime-2.1"),
        ("gpt-realtime-2.1-mini", "gpt-realtime-2.1-mini"),
        ("openai/gpt-realtime-2", "gpt-realtime-2"),
        ("gpt-4o-realtime-preview-2024-12-17", "gpt-4o-realtime-preview"),
        ("gpt-4o-realtime-preview-mini", None),
        ("rtbench-embedded", None),
        ("", None),
        (None, None),
    ],
)
def test_whose_prices(model, name):
    assert prices_of(model) is (None if name is None else PRICES[name])


def test_every_price_has_a_date_and_a_source():
    assert all(p.date and p.source.startswith("https://") for p in PRICES.values())


def test_a_table_of_ones_own():
    table = read_prices(
        '["my-model"]\ntext_in = 1\ntext_out = 2\naudio_in = 10\naudio_out = 20.5\n'
        'date = "2030-01-01"\nsource = "contract"\n',
        "prices.toml",
    )
    assert table["my-model"] == Prices(1, 1, 2, 10, 10, 20.5, 0, 0, "2030-01-01", "contract")
    assert table["gpt-realtime-2"] is PRICES["gpt-realtime-2"]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[x", "prices.toml: is no TOML"),
        ("x = 3", r"prices.toml: \[x\]: is no table"),
        ("[x]\ntext_in = 1", "text_out and audio_in and audio_out missing"),
        ("[x]\ntext_in = -1", r"\[x\] text_in: -1 will not do; give dollars per million"),
        ("[x]\ntext_in = true", "text_in: True will not do"),
        ("[x]\ntext_in = nan", "text_in: nan will not do"),
        ("[x]\ntext_in = inf", "text_in: inf will not do"),
        ("[x]\ndate = 2030-01-01", "date: .* will not do; give text in quotes"),
        ("[x]\naudio = 1", r"\[x\] audio: unknown; there are audio_cached, audio_in"),
    ],
)
def test_a_bad_table_names_what_to_mend(toml, said):
    with pytest.raises(Problem, match=said):
        read_prices(toml, "prices.toml")

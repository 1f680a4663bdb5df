"""What a run may cost, in words, and what is refused for want of a price."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.audio.catalogue import Catalogue, default_directory
from bench.load.cost import foresee_cost, speech_of
from bench.problem import Problem

KNOWN = "gpt-realtime-2"
TOML = '["mine"]\ntext_in = 1\ntext_out = 2\naudio_in = 3\naudio_out = 4\n'

Parse = Callable[..., Any]


def test_words_of_a_known_model(parse: Parse) -> None:
    cost = foresee_cost(parse(), KNOWN, 2.5, callers=20, seconds=30)
    assert cost.words == "$0.55 to $1.42"
    assert cost.assumptions.startswith(
        "Assumed: 20 callers for 30 s, 2.5 s of speech a turn, replies of 3 s to 10 s heard"
    )
    assert f"at the prices of {KNOWN}, read on 2026-" in cost.assumptions


def test_words_of_a_run_without_end_are_for_an_hour(parse: Parse) -> None:
    timeless = foresee_cost(parse(), KNOWN, 2.5, callers=1, seconds=None)
    assert timeless.words.endswith(" an hour")
    cost = foresee_cost(parse(), KNOWN, 2.5, callers=None, seconds=None)
    assert cost.words == f"{timeless.words} for each caller"
    assert "1 caller for 3600 s" in cost.assumptions


def test_several_runs_cost_as_much_more(parse: Parse) -> None:
    one = foresee_cost(parse(), KNOWN, 2.5, callers=100, seconds=600)
    ten = foresee_cost(parse(), KNOWN, 2.5, callers=100, seconds=600, runs=10)
    low, high = (float(word.strip("$").replace(",", "")) for word in one.words.split(" to "))
    lows, highs = (float(word.strip("$").replace(",", "")) for word in ten.words.split(" to "))
    assert lows == pytest.approx(10 * low, rel=0.02)
    assert highs == pytest.approx(10 * high, rel=0.02)
    assert "10 runs with 100 callers" in ten.assumptions


def test_unknown_model_has_no_estimate(parse: Parse) -> None:
    cost = foresee_cost(parse(), "nobody's", 2.5, callers=2, seconds=30)
    assert cost.estimate is None
    assert cost.words == 'unknown, as is the price of model "nobody\'s"'
    assert cost.assumptions == "--prices FILE tells dollars per million tokens."


def test_prices_of_a_file(parse: Parse, tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text(TOML, encoding="utf-8")
    cost = foresee_cost(parse("--prices", str(path)), "mine", 2.5, callers=2, seconds=30)
    assert cost.prices is not None
    assert cost.prices.audio_out == 4
    assert cost.toml == TOML


def test_a_limit_needs_a_price(parse: Parse) -> None:
    with pytest.raises(Problem, match=r"--max-usd 2: the price of model 'x' is unknown; .*FILE"):
        foresee_cost(parse("--max-usd", "2"), "x", 2.5, callers=1, seconds=30)


def test_a_limit_on_transcription_is_refused(parse: Parse) -> None:
    options = parse("--max-usd", "2", "--session-type", "transcription")
    with pytest.raises(Problem, match="--max-usd 2: nobody tells what transcription costs"):
        foresee_cost(options, KNOWN, 2.5, callers=1, seconds=30)


def test_prices_that_cannot_be_read(parse: Parse, tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"--prices .*nosuch: cannot be read \(No such file"):
        foresee_cost(parse("--prices", str(tmp_path / "nosuch")), "x", 1, callers=1, seconds=1)
    latin = tmp_path / "latin"
    latin.write_bytes(b"\xe9")
    with pytest.raises(Problem, match="is not UTF-8 text"):
        foresee_cost(parse("--prices", str(latin)), "x", 1, callers=1, seconds=1)


def test_speech_of_the_clips_that_a_scenario_names(tmp_path: Path) -> None:
    catalogue = Catalogue.open(default_directory())
    scenario = tmp_path / "scenario.py"
    scenario.write_text('say("question")', encoding="utf-8")
    entry = catalogue.entry("question")
    assert entry.speech_end_ms is not None
    expected_s = (entry.speech_end_ms - (entry.speech_start_ms or 0)) / 1000
    assert speech_of(catalogue, [scenario]) == pytest.approx(expected_s)


def test_speech_of_a_scenario_that_names_none_is_that_of_all_clips(tmp_path: Path) -> None:
    catalogue = Catalogue.open(default_directory())
    everything_s = speech_of(catalogue, [tmp_path / "nosuch.py"])
    assert 1 < everything_s < 10
    assert speech_of(catalogue, []) == everything_s

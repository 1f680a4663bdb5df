"""Words counted as a person would count them."""

from __future__ import annotations

import pytest

from bench.analysis.words import normalised, word_error_rate


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Lights off.", "lights off"),
        ("  Well\u2014I don't know\u2026 ", "well i dont know"),
        ("I don\u2019t, 'really'", "i dont really"),
        ("\uff21\uff22 \ufb01ne", "ab fine"),
        ("¿Qué hora es?", "qué hora es"),
        ("今日は、いい", "今 日 は い い"),
        ("under_score twenty-seven 27", "under score twenty seven 27"),
        ("?!", ""),
    ],
)
def test_normalised(text, words):
    assert normalised(text) == words
    assert normalised(words) == words


@pytest.mark.parametrize(
    ("said", "understood", "rate"),
    [
        ("Lights off.", "lights off", 0.0),
        ("Lights off.", "light off", 0.5),
        ("turn the lights off", "turn lights off", 0.25),
        ("turn the lights off", "turn the big lights off", 0.25),
        ("turn the lights off", "", 1.0),
        ("off", "switch it off now", 3.0),
        ("今日は", "今日わ", 1 / 3),
        ("", "ghost", None),
        ("\u2026", "", None),
    ],
)
def test_word_error_rate(said, understood, rate):
    assert word_error_rate(said, understood) == (None if rate is None else pytest.approx(rate))

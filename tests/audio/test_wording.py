"""Any text becomes pieces a voice has, and the tokens joined are the text again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audio.wording import Token, Wording

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty "
    "ninety hundred thousand point minus"
)
PHRASES = (
    "Nice to meet you,",
    "You said",
    "The weather in",
    "the",
    "weather",
    "Lisbon",
    "degrees",
)
KNOWN = (*SMALL.split(), *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", *PHRASES)
WORDING = Wording(KNOWN)
VALUES = {word: value for value, word in enumerate(SMALL.split()[:20])} | {
    word: 10 * tens for tens, word in enumerate(SMALL.split()[20:28], start=2)
}


def said(text: str) -> str:
    return " ".join(piece for token in WORDING.tokens_of(text) for piece in token.said)


def value_of(words: list[str]) -> int:
    """The number that cardinal words stand for, worked out the other way round."""
    thousands = total = 0
    for word in words:
        if word == "thousand":
            thousands, total = total, 0
        elif word == "hundred":
            total *= 100
        else:
            total += VALUES[word]
    return thousands * 1_000 + total


def test_each_token_keeps_what_it_stands_for() -> None:
    assert WORDING.tokens_of("It is: 21 degrees!") == [
        Token("It ", ("I", "T")),
        Token("is: ", ("I", "S")),
        Token("21 ", ("twenty", "one")),
        Token("degrees!", ("degrees",)),
    ]


def test_the_longest_known_phrase_is_taken_whatever_its_capitals_and_marks() -> None:
    assert said("THE weather in lisbon, nice to meet  you. The Weather.") == (
        "The weather in Lisbon Nice to meet you, the weather"
    )


def test_a_phrase_does_not_reach_over_the_end_of_a_sentence() -> None:
    assert said("The weather. In Lisbon") == "the weather I N Lisbon"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0", "zero"),
        ("15", "fifteen"),
        ("40", "forty"),
        ("100,000", "one hundred thousand"),
        ("-4.50", "minus four point five zero"),
        ("\u22127", "minus seven"),
        ("5-10", "five ten"),
        ("007", "zero zero seven"),
        ("1,000,000", "one zero zero zero zero zero zero"),
        ("1,23", "one twenty three"),
        ("K7B", "K seven B"),
        ("3.", "three"),
    ],
)
def test_numbers_are_said_as_people_say_them(text: str, words: str) -> None:
    assert said(text) == words


@given(st.integers(0, 999_999))
def test_every_number_up_to_the_largest_is_said_in_words(number: int) -> None:
    assert value_of(said(str(number)).split()) == number
    assert said(f"{number:,}") == said(str(number))


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Zoë", "Z O E"),
        ("Zoe\u0308", "Z O E"),
        ("l\u2019été", "L E T E"),
        ("straße", "S T R A S S E"),
        ("ﬁ", "F I"),
        ("Søren", "S R E N"),
    ],
)
def test_unknown_words_are_spelled_without_accents(text: str, letters: str) -> None:
    tokens = WORDING.tokens_of(text)
    assert tokens == [Token(text, tuple(letters.split()))]


def test_what_cannot_be_said_hangs_on_its_neighbour() -> None:
    assert WORDING.tokens_of("東京 the 日本 degrees …") == [
        Token("東京 the 日本 ", ("the",)),
        Token("degrees …", ("degrees",)),
    ]
    assert WORDING.tokens_of("東京…") == [Token("東京…", ())]
    assert WORDING.tokens_of("") == []


def test_a_voice_says_only_what_it_has() -> None:
    assert Wording(["two", "Anna"]).tokens_of("anna 21 22") == [
        Token("anna 21 ", ("Anna",)),
        Token("22", ("two",)),
    ]
    assert Wording([]).tokens_of("Anna") == [Token("Anna", ())]


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from([*PHRASES, "-", "−", ",", ".", " ", "'", "12,345.6", "9" * 5_000]),  # noqa: RUF001
        ),
        max_size=12,
    ).map("".join)
)
def test_any_text_is_its_tokens_joined_and_all_of_them_can_be_said(text: str) -> None:
    tokens = WORDING.tokens_of(text)
    assert "".join(token.original for token in tokens) == text
    assert {piece for token in tokens for piece in token.said} <= set(KNOWN)
    assert len(tokens) <= 1 or all(token.said for token in tokens)

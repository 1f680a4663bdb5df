"""Turns any text into the pieces that say it: phrases, numbers in words, else letters. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

_MARKS = "\u0300-\u036f"
_TERM = re.compile(
    rf"(?P<word>(?:[^\W\d_][{_MARKS}]*)+(?:['\u2019](?:[^\W\d_][{_MARKS}]*)+)*)"
    r"|(?P<number>(?:(?<![\w.,)])[-\u2212])?"
    r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?)"
)
_BETWEEN = re.compile(r",?\s+")
"""What may stand between two words of one phrase."""

_LARGEST_DIGITS = 6
_BELOW_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
)
_ONES = _BELOW_TWENTY.split()
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


class Token(NamedTuple):
    """A stretch of a text, and the pieces said for it; none where nothing of it can be said."""

    original: str
    said: tuple[str, ...]


class _Term(NamedTuple):
    start: int
    end: int
    text: str
    is_number: bool


class Wording:
    """How a voice that can say `known` says any text."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = {text.casefold(): text for text in known}
        self._phrases = {
            tuple(term.text.casefold() for term in _terms(text)): text for text in known
        }
        self._longest = max((len(words) for words in self._phrases), default=1)

    def tokens_of(self, text: str) -> list[Token]:
        """The text cut into tokens whose `original`s joined are the text again.

        A known phrase is found in any capitals, whatever mark stands behind it; the longest
        wins. Numbers up to 999,999 are said in words, larger ones and those with leading zeros
        digit by digit. Other words are spelled, accents left out. What cannot be said hangs on
        the token before it, at the beginning of a text on the first.
        """
        said = list(self._said(text, list(_terms(text))))
        if not said:
            return [Token(text, ())] if text else []
        starts = [0, *(start for start, _ in said[1:]), len(text)]
        return [
            Token(text[starts[index] : starts[index + 1]], pieces)
            for index, (_, pieces) in enumerate(said)
        ]

    def _said(self, text: str, terms: Sequence[_Term]) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Where each token starts, and its pieces."""
        index = 0
        while index < len(terms):
            term = terms[index]
            phrase, length = self._phrase(text, terms, index)
            if phrase is not None:
                pieces: tuple[str, ...] = (phrase,)
            elif term.is_number:
                pieces = self._only_known(_number_words(term.text))
            else:
                pieces = self._only_known(_letters(term.text))
            if pieces:
                yield term.start, pieces
            index += length

    def _phrase(self, text: str, terms: Sequence[_Term], index: int) -> tuple[str | None, int]:
        """The longest known phrase that starts at a term, and how many terms it takes."""
        longest = 1
        while (
            longest < self._longest
            and index + longest < len(terms)
            and _BETWEEN.fullmatch(text, terms[index + longest - 1].end, terms[index + longest][0])
        ):
            longest += 1
        words = tuple(term.text.casefold() for term in terms[index : index + longest])
        for length in range(longest, 0, -1):
            if phrase := self._phrases.get(words[:length]):
                return phrase, length
        return None, 1

    def _only_known(self, words: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._known[key] for word in words if (key := word.casefold()) in self._known)


def _terms(text: str) -> Iterator[_Term]:
    for match in _TERM.finditer(text):
        yield _Term(match.start(), match.end(), match.group(), match.lastgroup == "number")


def _letters(word: str) -> Iterator[str]:
    """The base letters of a word, without what the alphabet has no letter for."""
    for letter in unicodedata.normalize("NFKD", word.casefold()):
        if "a" <= letter <= "z":
            yield letter


def _number_words(number: str) -> Iterator[str]:
    if number[0] in "-\u2212":
        yield "minus"
    whole, point, fraction = number.lstrip("-\u2212").replace(",", "").partition(".")
    if len(whole) > _LARGEST_DIGITS or (whole[0] == "0" and len(whole) > 1):
        yield from _digits(whole)
    else:
        yield from _cardinal(int(whole))
    if point:
        yield "point"
        yield from _digits(fraction)


def _digits(digits: str) -> Iterator[str]:
    return (_ONES[int(digit)] for digit in digits)


def _cardinal(number: int) -> Iterator[str]:
    """An integer of 0..999,999 in words."""
    thousands, rest = divmod(number, 1_000)
    if thousands:
        yield from _cardinal(thousands)
        yield "thousand"
    hundreds, below = divmod(rest, 100)
    if hundreds:
        yield from (_ONES[hundreds], "hundred")
    tens, ones = divmod(below, 10)
    if tens >= 2:
        yield _TENS[tens - 2]
        if ones:
            yield _ONES[ones]
    elif below or number == 0:
        yield _ONES[below]

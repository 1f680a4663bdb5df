"""Turns what was said and what was understood into how many words were got wrong."""

from __future__ import annotations

import functools
import re
import unicodedata

import jiwer

_JOINED = re.compile(r"(?<=\w)['\u2019\u02bc](?=\w)")
"""Apostrophes inside words: "don't" is one word."""

_BETWEEN = re.compile(r"[\W_]+")

_UNSPACED = re.compile("([\u0e00-\u0eff\u1000-\u109f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff])")
"""Letters of scripts that put no space between words: each counts as a word."""


def normalised(text: str) -> str:
    """Words of `text` in small letters with one space between them, without punctuation.

    Numbers stay as they are written: "27" is another word than "twenty-seven".
    """
    text = unicodedata.normalize("NFKC", text).casefold()
    text = _BETWEEN.sub(" ", _JOINED.sub("", text))
    return " ".join(_UNSPACED.sub(r" \1 ", text).split())


@functools.lru_cache(maxsize=4096)
def word_error_rate(said: str, understood: str) -> float | None:
    """Words to replace, drop and add, over the words said; None where no word was said.

    It exceeds 1 where more was understood than said.
    """
    reference, heard = normalised(said), normalised(understood)
    if not reference:
        return None
    if reference == heard:
        return 0.0
    return float(jiwer.wer(reference, heard))

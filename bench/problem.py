"""Turns bad input into one clear line: what is wrong, where, and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Problem(Exception):  # noqa: N818 - it is the user's problem, not a program error
    """Input the user can mend; the command line prints it as one line and exits with 2.

    The message names the file or option, the field, the value and what to do about it.
    It never holds a secret.
    """


def suggest(word: str, known: Iterable[str]) -> str:
    """The mend for a word that is not among the `known` ones: the nearest, else all of them."""
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(word[:60], names, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"

"""What a command of `rtbench` said, as tests look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Told(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def flat(self) -> str:
        """Its output without the breaks that a narrow terminal makes."""
        return " ".join(self.out.split())

    def says(self, words: str) -> bool:
        """Whether it printed them, wherever a narrow terminal broke them."""
        return "".join(words.split()) in "".join(self.out.split())


Say = Callable[..., Told]
"""Runs a command, given by its arguments."""

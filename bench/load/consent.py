"""Asks before anything is sent to a target that may bill it."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence

from bench.load.cost import Cost
from bench.problem import Problem
from bench.quiet import is_quiet
from bench.session.target import is_loopback

_WIDTH = 80


class Consent:
    """What the user has agreed to, by target; this machine needs no agreement.

    A name counts as another machine unless it is `localhost`: what it resolves to may change.
    """

    def __init__(self) -> None:
        self._agreed: set[str] = set()

    def obtain(
        self, targets: Sequence[str], cost: Cost, *, given: bool, may_ask: bool = True
    ) -> None:
        """Go on only if the user wants to send to `targets`, redacted URLs.

        `given` is --yes. Without it whoever sits at the terminal is asked; with it they are told
        what it may cost.

        Raises:
            Problem: nobody can be asked, or the answer is no.
        """
        others = [
            target
            for target in dict.fromkeys(targets)
            if is_elsewhere(target) and target not in self._agreed
        ]
        if not others:
            return
        where = " and ".join(others)
        if not given and not (may_ask and _is_attended()):
            raise Problem(
                f"{where}: is not this machine and may bill what is sent "
                f"(estimated: {cost.words}); add --yes to go on"
            )
        if not given or not is_quiet():
            _tell(f"Estimated cost: {cost.words}.", cost.assumptions)
        if not given and not _ask(f"Send to {where}? [y/N] "):
            raise Problem(f"{where}: nothing was sent; answer y to go on, or add --yes")
        self._agreed.update(others)


def is_elsewhere(target: str) -> bool:
    """Whether a URL names another machine; one that is none is refused where it is used."""
    try:
        return not is_loopback(target)
    except ValueError:
        return False


def _is_attended() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _tell(*sentences: str) -> None:
    for sentence in sentences:
        print(textwrap.fill(sentence, _WIDTH), file=sys.stderr, flush=True)  # noqa: T201


def _ask(question: str) -> bool:
    print(question, end="", file=sys.stderr, flush=True)  # noqa: T201
    return sys.stdin.readline().strip().lower() in {"y", "yes"}

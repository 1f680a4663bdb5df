"""Turns everything that was reported as wrong into its kinds: how often, and from when to when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bench.analysis.turns import Fault

DISTINCT = 1_000
"""Messages told apart; a server may put an id or a time into each."""

FURTHER = ("other", "further messages, too many to tell apart")
"""Class and message of those beyond."""


@dataclass(slots=True)
class FaultGroup:
    """Faults of one class and message; `_s` count from the run's first event, None if unknown."""

    fault_class: str
    message: str
    count: int = 0
    first_s: float | None = None
    last_s: float | None = None

    def add(self, at_s: float | None) -> None:
        """Count one more, that happened at `at_s`."""
        self.count += 1
        if at_s is not None:
            self.first_s = at_s if self.first_s is None else min(self.first_s, at_s)
            self.last_s = at_s if self.last_s is None else max(self.last_s, at_s)


class FaultTally:
    """Faults by class and message, in bounded memory."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str], FaultGroup] = {}

    def add(self, fault: Fault, at_s: float | None) -> None:
        """Count a fault that happened at `at_s`."""
        key = fault.fault_class, fault.message
        if key not in self._groups and len(self._groups) >= DISTINCT:
            key = FURTHER
        self._groups.setdefault(key, FaultGroup(*key)).add(at_s)

    def __iter__(self) -> Iterator[FaultGroup]:
        """The groups, the most frequent first."""
        return iter(
            sorted(self._groups.values(), key=lambda g: (-g.count, g.fault_class, g.message))
        )

"""Turns a session's plans into calls, each at its instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count

Action = Callable[[int], None]


class Agenda:
    """What one session will do later. Plans of one instant are carried out in their order."""

    def __init__(self) -> None:
        self._plans: list[tuple[int, int, Action]] = []
        self._serial = count()
        self._dropped: set[int] = set()

    @property
    def next_due_ns(self) -> int | None:
        """Instant of the next plan, or None while there is none."""
        while self._plans and self._plans[0][1] in self._dropped:
            self._dropped.remove(heappop(self._plans)[1])
        return self._plans[0][0] if self._plans else None

    def plan(self, due_ns: int, action: Action) -> int:
        """Do `action` at `due_ns`; it is given that instant. The number names the plan."""
        serial = next(self._serial)
        heappush(self._plans, (due_ns, serial, action))
        return serial

    def drop(self, serial: int) -> None:
        """Do not carry out a plan that is still to come."""
        if any(plan[1] == serial for plan in self._plans):
            self._dropped.add(serial)

    def carry_out(self, now_ns: int) -> None:
        """Do all that is due by `now_ns`, what is planned meanwhile included."""
        while (due_ns := self.next_due_ns) is not None and due_ns <= now_ns:
            heappop(self._plans)[2](due_ns)

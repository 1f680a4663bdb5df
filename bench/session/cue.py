"""Turns an instant of a session's audio clock into an act of its own, done by the pacer."""

from __future__ import annotations

from collections.abc import Callable

_AFTER_FRAMES_NS = 1
"""A cue comes after the frame due at its instant."""


class Cue:
    """A stream of one: `act` is called once, when every frame due by `at_ns` was handed over.

    A caller who waited would wake up late in a busy process; the schedule is kept to the frame.
    `act` runs in the engine and may not wait. `on_fault` is told when it raises.
    """

    __slots__ = ("_act", "_on_fault", "chunk_ns", "next_due_ns")

    def __init__(
        self, at_ns: int, act: Callable[[], None], on_fault: Callable[[Exception], None]
    ) -> None:
        self.chunk_ns = _AFTER_FRAMES_NS
        self.next_due_ns: int | None = at_ns + _AFTER_FRAMES_NS
        self._act = act
        self._on_fault = on_fault

    def send_due(self, due_ns: int, next_ns: int) -> None:
        """Do it, and owe nothing more."""
        self.next_due_ns = None
        self._act()

    def on_fault(self, error: Exception) -> None:
        """Pass on what went wrong."""
        self._on_fault(error)

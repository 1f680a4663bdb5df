"""Turns a session's server events into numbered JSON texts, in the order they are to be sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

Written = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class End:
    """The end of the connection: a close frame with this code."""

    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Trickle:
    """What comes after is written at so many bytes a second."""

    bytes_per_s: float


class Fate(Enum):
    """What may happen to a connection beside its end."""

    DROP = "reset"
    FALL_SILENT = "neither read nor write any more"
    STOP_READING = "read no more"


Effect = End | Trickle | Fate


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event to write now; it was meant for `due_ns`.

    `written`, if any, wants the monotonic nanoseconds right after the write. `effect`, if any,
    is done to the connection after that; then the text may be "", which is not written.
    """

    text: str
    due_ns: int
    written: Written | None = None
    effect: Effect | None = None


class Outbox:
    """Events of one session that wait for the caller to take them."""

    def __init__(self, tag: str) -> None:
        """`tag` tells this session's ids from any other's."""
        self._tag = tag
        self._count = 0
        self._waiting: list[Outgoing] = []

    def new_id(self, prefix: str) -> str:
        """An id nobody else has, such as `item_3f2a_7`."""
        self._count += 1
        return f"{prefix}_{self._tag}_{self._count}"

    def put(
        self, due_ns: int, event_type: str, *, written: Written | None = None, **fields: Any
    ) -> None:
        """Add one event of `event_type` with its fields."""
        event = {"type": event_type, "event_id": self.new_id("event"), **fields}
        self.put_text(due_ns, msgspec.json.encode(event).decode(), written)

    def put_text(self, due_ns: int, text: str, written: Written | None = None) -> None:
        """Add one event that is JSON text already."""
        self._waiting.append(Outgoing(text, due_ns, written))

    def act(self, due_ns: int, effect: Effect) -> None:
        """Do this to the connection after what was put before."""
        self._waiting.append(Outgoing("", due_ns, effect=effect))

    def take(self) -> list[Outgoing]:
        """All events added since the last call."""
        taken, self._waiting = self._waiting, []
        return taken

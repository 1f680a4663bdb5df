"""Turns what a client can be given into types: a session, an answer instead, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from bench.server.alarm import Alarm
from bench.server.counters import Row
from bench.server.outbox import Outgoing
from bench.server.wire.gate import Admission
from bench.server.wire.http import HttpAnswer, Request

if TYPE_CHECKING:
    from bench.server.connection import Connection


class Session(Protocol):
    """What a connection is for. It never blocks, and knows the clock from its arguments."""

    def open(self, now_ns: int) -> list[Outgoing]:
        """The client is connected; what to send it first."""

    def receive(self, message: bytes, now_ns: int) -> list[Outgoing]:
        """A whole text message came; what to send now."""

    def advance(self, now_ns: int) -> list[Outgoing]:
        """The instant of `next_due_ns` has come; what to send now."""

    def next_due_ns(self) -> int | None:
        """When `advance` is wanted next; None for not before the next message."""

    def close(self) -> None:
        """The connection is over. Called once for each session given, opened or not."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection off with a TCP reset, unanswered."""


@dataclass(frozen=True, slots=True)
class Never:
    """Leave the request without an answer, and the connection as it is."""


@dataclass(frozen=True, slots=True)
class Later:
    """Decide after `delay_s`, if the client is still there; nothing is held for it until then."""

    delay_s: float
    decide: Callable[[], Verdict]


Verdict: TypeAlias = "Session | HttpAnswer | Reset | Never | Later"
Decide = Callable[[Request, float], Admission | HttpAnswer]
Admit = Callable[[Admission, "Connection"], Verdict]


@dataclass(slots=True, eq=False)
class Reception:
    """What the connections of one event loop share.

    `decide` is the gate's. `admit` gives what an admitted client gets. `connections` are those
    that are open in any way.
    """

    decide: Decide
    admit: Admit
    counts: Row
    alarm: Alarm
    connections: set[Connection] = field(default_factory=set)

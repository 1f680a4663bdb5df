"""Turns many users that dial or hang up at once into calls made one by one.

Locust starts the users of a whole second at the same instant, and stops all of them at another;
the hub then resumes their greenlets dozens in a row, and no microphone has its turn until the
last is through. So who dials or hangs up passes a gate, and of the handshakes under way one is
advanced by one short piece per turn of the hub: the engine has its turn between any two.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import gevent
from gevent import monkey
from gevent.event import Event

from bench.dialects.base import Endpoint
from bench.load.turnstile import Pace, Turnstile, Waiter
from bench.session.engine import Engine
from bench.session.entrance import Entrance
from bench.session.opening import Opening, enter
from bench.session.stamps import StampClock
from bench.session.transport import Transport

DIALS = Pace(
    spread_s=1.0,  # Locust starts the users of a second at once
    least_gap_s=0.001,
    most_gap_s=0.005,
    places=32,
    place_s=0.03,
    patience_s=0.1,
)
HANG_UPS = Pace(
    spread_s=0.0,
    least_gap_s=0.001,
    most_gap_s=0.001,
    places=32,
    place_s=0.0,
    patience_s=0.02,
)
BEHIND_NS = 1_000_000
"""An engine whose oldest frame due waits this long is let catch up first."""

GIVEN_WAY_S = 0.001
"""A sleep of nothing would end before the hub has looked at any descriptor."""

_READ = 1


class Gate:
    """Greenlets that are about to do the same pass here, one after the other.

    `behind` says whether somebody must be let catch up first.
    """

    def __init__(self, pace: Pace, behind: Callable[[], bool]) -> None:
        self._turnstile = Turnstile(pace)
        self._behind = behind
        self._called: dict[Waiter, Event] = {}
        self._changed = Event()
        self._keeper = gevent.spawn(self._keep)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn; it lasts as long as the context."""
        waiter = self._turnstile.come(time.monotonic())
        called = self._called[waiter] = Event()
        self._changed.set()
        try:
            called.wait()
            yield
        finally:
            del self._called[waiter]
            self._turnstile.leave(waiter)
            self._changed.set()

    def _keep(self) -> None:
        while True:
            self._changed.clear()
            now_s = time.monotonic()
            look = self._turnstile.look(now_s, behind=self._behind())
            if look.waiter is not None:
                self._called[look.waiter].set()
            else:
                self._changed.wait(None if look.again_s is None else look.again_s - now_s)

    def close(self) -> None:
        """Call nobody any more; nobody may wait."""
        self._keeper.kill()


class Switchboard:
    """The gates of one process, and its handshakes, each in the greenlet of a user that dials."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.dials = Gate(DIALS, self._behind)
        self.hang_ups = Gate(HANG_UPS, self._behind)
        # gevent deletes select.epoll when it patches; this one is only polled without waiting.
        self._poller = monkey.get_original("select", "epoll")()
        self._entrances: dict[Endpoint, Entrance] = {}
        self._turns: dict[int, Event] = {}
        self._greenlet = gevent.spawn(self._give_turns)

    def open_transport(
        self, endpoint: Endpoint, stamps: StampClock, timeout_s: float
    ) -> Transport:
        """Connect, upgrade, and hand back a transport ready for the engine.

        Raises:
            ConnectError: the target cannot be reached or does not accept the upgrade.
        """
        entrance = self._entrances.get(endpoint)
        if entrance is None:
            entrance = self._entrances[endpoint] = Entrance(endpoint)
        return enter(entrance, stamps, timeout_s, self._await_turn)

    def _await_turn(self, opening: Opening) -> bool:
        """Wait until the opening's socket is ready, and no other is advanced."""
        fd = opening.fileno()
        turn = self._turns[fd] = Event()
        awaited = select.EPOLLOUT if opening.wants_write else select.EPOLLIN
        self._poller.register(fd, awaited | select.EPOLLONESHOT)
        try:
            return bool(turn.wait(max(opening.left_s, 0)))
        finally:
            del self._turns[fd]
            self._poller.unregister(fd)

    def _give_turns(self) -> None:
        """Resume one greenlet per turn of the hub; what else is ready stays so until the next."""
        hub = gevent.get_hub()
        watcher = hub.loop.io(self._poller.fileno(), _READ)
        try:
            while True:
                hub.wait(watcher)
                for fd, _ in self._poller.poll(0, 1):
                    self._turns[fd].set()
        finally:
            watcher.stop()
            watcher.close()

    def give_way(self) -> None:
        """Let the engine catch up if it is behind; for those who do much without a pause."""
        if self._behind():
            gevent.sleep(GIVEN_WAY_S)

    def _behind(self) -> bool:
        due_ns = self._engine.next_due_ns
        return due_ns is not None and time.monotonic_ns() - due_ns > BEHIND_NS

    def close(self) -> None:
        """Let nobody dial or hang up any more; nobody may be about to."""
        self.dials.close()
        self.hang_ups.close()
        self._greenlet.kill()
        self._poller.close()

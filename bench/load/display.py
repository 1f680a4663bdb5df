"""Shows ended turns on Locust's page, one at a time: the engine has its turn between any two."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

import gevent
from gevent.event import Event

from bench.load.switchboard import GIVEN_WAY_S

_log = logging.getLogger(__name__)


class Display:
    """What is to be shown, in order, until `close`.

    A turn is put together again and told to whoever listens to Locust's events: half a
    millisecond, in which no frame leaves. Turns end in clusters, and a dozen in a row would be
    felt by every caller.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = Event()
        self._closing = False
        self._greenlet = gevent.spawn(self._run)

    def put(self, show: Callable[[], None]) -> None:
        """Have something shown soon; never waits."""
        self._waiting.append(show)
        self._changed.set()

    def _run(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._changed.clear()
                self._changed.wait()
                continue
            try:
                self._waiting.popleft()()
            except Exception:  # noqa: BLE001 - some listener's: the next are to be shown
                _log.exception("a turn could not be shown")
            gevent.sleep(GIVEN_WAY_S)

    def close(self) -> None:
        """Return when all of it was shown."""
        self._closing = True
        self._changed.set()
        self._greenlet.join()

"""Lets gevent's loop drive the engine: one greenlet, waiting on one descriptor."""

from __future__ import annotations

import time

import gevent
from gevent import monkey

from bench.session.engine import Engine
from bench.session.stalls import Stalls

_READ = 1


class EngineLoop:
    """The engine of a process and the greenlet that turns it."""

    def __init__(self) -> None:
        # gevent deletes select.epoll when it patches; the nested one needs no patching,
        # because it is only ever polled without waiting.
        self.engine = Engine(monkey.get_original("select", "epoll")())
        self.stalls: Stalls = getattr(self.engine, "stalls", None) or Stalls(
            time.thread_time_ns, time.process_time_ns
        )
        self._greenlet = gevent.spawn(self._run)

    def _run(self) -> None:
        hub = gevent.get_hub()
        watcher = hub.loop.io(self.engine.fileno(), _READ)
        try:
            while True:
                hub.wait(watcher)
                self.engine.step()
        finally:
            watcher.stop()
            watcher.close()

    def close(self) -> None:
        """Stop turning; sessions must be gone."""
        self._greenlet.kill()
        self.engine.close()

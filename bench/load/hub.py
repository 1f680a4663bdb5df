"""Lets gevent's loop drive the engine: one watcher, on one descriptor."""

from __future__ import annotations

import time

import gevent
from gevent import monkey

from bench.session.engine import Engine
from bench.session.stalls import Stalls

_READ = 1


class EngineLoop:
    """The engine of a process, turned by the hub itself.

    A greenlet that waits for the descriptor would cost two switches and a watcher's start and
    stop for each of some 2,000 turns a second. What the engine calls may therefore not wait;
    `RealtimeUser` hands on what may.
    """

    def __init__(self) -> None:
        self.stalls = Stalls(time.thread_time_ns, time.process_time_ns)
        # gevent deletes select.epoll when it patches; the nested ones need no patching,
        # because they are only ever polled without waiting.
        self.engine = Engine(monkey.get_original("select", "epoll"), self.stalls)
        loop = gevent.get_hub().loop
        self._watcher = loop.io(self.engine.fileno(), _READ, priority=loop.MAXPRI)
        self._watcher.start(self.engine.step)

    def close(self) -> None:
        """Stop turning; sessions must be gone."""
        self._watcher.stop()
        self._watcher.close()
        self.engine.close()

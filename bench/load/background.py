"""Does what can wait in a real thread, on the time that the engine leaves."""

from __future__ import annotations

import os

from gevent import monkey
from gevent.threadpool import ThreadPool


def background_pool() -> ThreadPool:
    """A pool of one thread of low priority: what it does may be late, a frame may not."""
    pool = ThreadPool(1)
    pool.apply(_give_way)
    return pool


def _give_way() -> None:
    os.setpriority(os.PRIO_PROCESS, monkey.get_original("threading", "get_native_id")(), 10)

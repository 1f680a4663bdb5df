"""Runs the tests of a module at the same time: each waits for real time, and works little."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

AT_ONCE = 16
"""More would make each other late: they share one interpreter."""

Play = Callable[[Callable[..., None], Mapping[str, Any]], None]


class SideBySide:
    """Tests under way; `play` is called with each selected one and its parameters, in a thread.

    A module whose tests use this as the fixture `side_by_side` has them waited for, not called.
    """

    def __init__(self, request: pytest.FixtureRequest, play: Play) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._played: dict[str, Future[None]] = {}
        for item in request.session.items:
            if isinstance(item, pytest.Function) and item.path == request.node.path:
                parameters = item.callspec.params if hasattr(item, "callspec") else {}
                self._played[item.nodeid] = self._pool.submit(play, item.obj, parameters)

    def result(self, nodeid: str) -> None:
        """Wait for a test's end; raises what it raised."""
        self._played[nodeid].result()

    def __enter__(self) -> SideBySide:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

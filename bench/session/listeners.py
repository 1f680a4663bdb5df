"""Hands received events to a scenario's callbacks, when the scenario has time for them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench.dialects.base import Kind, ServerEvent

QUEUED_EVENTS = 1_000
"""Events that wait for a scenario; of more, the oldest are dropped and counted."""

Callback = Callable[[ServerEvent], None]


class Listeners:
    """Callbacks by kind, and the events that wait for them."""

    def __init__(self) -> None:
        self.dropped = 0
        """Events that no callback was told of, because too many waited."""
        self._callbacks: dict[Kind, list[Callback]] = {}
        self._queue: deque[ServerEvent] = deque(maxlen=QUEUED_EVENTS)

    def add(self, kind: Kind, callback: Callback) -> None:
        """Have `callback` told of every event of `kind` from now on."""
        self._callbacks.setdefault(kind, []).append(callback)

    def remove(self, kind: Kind, callback: Callback) -> None:
        """Tell it no more."""
        self._callbacks[kind].remove(callback)
        if not self._callbacks[kind]:
            del self._callbacks[kind]

    @contextmanager
    def collecting(self, kind: Kind) -> Iterator[list[ServerEvent]]:
        """The events of `kind` that are delivered while the context lasts."""
        came: list[ServerEvent] = []
        take = came.append
        self.add(kind, take)
        try:
            yield came
        finally:
            self.remove(kind, take)

    def take(self, event: ServerEvent) -> bool:
        """Keep an event for later if anybody listens to its kind; never waits."""
        if event.kind not in self._callbacks:
            return False
        self.dropped += len(self._queue) == QUEUED_EVENTS
        self._queue.append(event)
        return True

    def deliver(self) -> None:
        """Call the callbacks of what waits, oldest first; what they raise is the scenario's."""
        while self._queue:
            event = self._queue.popleft()
            for callback in tuple(self._callbacks.get(event.kind, ())):
                callback(event)

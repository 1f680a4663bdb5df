"""Moves the bytes of every session of a process: what is due first, then what has arrived.

One nested epoll stands for all sockets and a deadline timer; an outer event loop waits on that
one descriptor and calls `step`. Reading is bounded between looks at the schedule, because without
a bound a burst of replies would hold back the microphones.

Sessions in the middle of a reply are read after all others. The kernel stamps the latest of what
lies unread: a first piece of audio that waits until the second has come seems as late as that.
Few figures depend on the pieces after the first, and they are nine of ten messages.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Protocol

from bench.session.pacer import Pacer, Stream
from bench.session.stalls import LIMIT_NS, Stalls
from bench.session.timer import DeadlineTimer

READABLE = 0x001  # EPOLLIN
WRITABLE = 0x004  # EPOLLOUT
SENDS_PER_LOOK = 64
READS_PER_LOOK = 8
LAST_READS = 2
"""Of sessions that are read last, however many others wait."""

_log = logging.getLogger(__name__)


class Poller(Protocol):
    """The part of `select.epoll` that the engine uses."""

    def register(self, fd: int, eventmask: int) -> None: ...  # noqa: D102
    def modify(self, fd: int, eventmask: int) -> None: ...  # noqa: D102
    def unregister(self, fd: int) -> None: ...  # noqa: D102
    def poll(self, timeout: float, maxevents: int) -> list[tuple[int, int]]: ...  # noqa: D102
    def fileno(self) -> int: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class Connection(Stream, Protocol):
    """A session as the engine sees it."""

    session_id: str

    def fileno(self) -> int:
        """Descriptor of its socket."""

    def on_readable(self) -> None:
        """Read once."""

    def on_writable(self) -> None:
        """Flush what waits."""

    @property
    def congested(self) -> bool:
        """Whether frames wait for room in the socket's buffer."""


class Engine:
    """The sessions of one process, their schedule and their sockets.

    `make_poller` is `select.epoll`, given by the caller since gevent hides it when it patches;
    `stalls` is told of every late look at the schedule.
    """

    def __init__(self, make_poller: Callable[[], Poller], stalls: Stalls) -> None:
        self._stalls = stalls
        self._timer = DeadlineTimer()
        self._first, self._last = make_poller(), make_poller()  # sessions, by when they are read
        self._outer = make_poller()
        for inner in (self._timer, self._first, self._last):
            self._outer.register(inner.fileno(), READABLE)
        self._pacer = Pacer(self._end)
        self._connections: dict[int, Connection] = {}
        self._write_watched: set[int] = set()
        self._read_last: set[int] = set()

    def fileno(self) -> int:
        """The one descriptor to wait on; `step` when it is readable."""
        return self._outer.fileno()

    def __len__(self) -> int:
        return len(self._connections)

    @property
    def next_due_ns(self) -> int | None:
        """When the next frame of any session is due; past while the engine is behind."""
        return self._pacer.next_due_ns

    def add(self, connection: Connection) -> None:
        """Watch an open connection."""
        fd = connection.fileno()
        self._connections[fd] = connection
        self._first.register(fd, READABLE)

    def start_stream(self, stream: Stream) -> None:
        """Begin to send a connection's frames from its `next_due_ns`."""
        self._pacer.add(stream)
        if self._pacer.next_due_ns is not None:
            self._timer.arm(self._pacer.next_due_ns)

    def remove(self, connection: Connection) -> None:
        """Forget a connection; call it before its socket is closed."""
        fd = connection.fileno()
        if self._connections.pop(fd, None) is not None:
            self._poller_of(fd).unregister(fd)
            self._write_watched.discard(fd)
            self._read_last.discard(fd)

    def read_last(self, connection: Connection, *, last: bool) -> None:
        """Say whether a connection is to be read after the others from now on."""
        fd = connection.fileno()
        if fd not in self._connections or last == (fd in self._read_last):
            return
        watched = WRITABLE if fd in self._write_watched else 0
        (self._last if last else self._first).register(fd, READABLE | watched)
        self._poller_of(fd).unregister(fd)
        (self._read_last.add if last else self._read_last.remove)(fd)

    def _poller_of(self, fd: int) -> Poller:
        return self._last if fd in self._read_last else self._first

    def watch_backlog(self, connection: Connection) -> None:
        """Have `on_writable` called while frames of this connection wait."""
        fd = connection.fileno()
        if connection.congested and fd not in self._write_watched and fd in self._connections:
            self._write_watched.add(fd)
            self._poller_of(fd).modify(fd, READABLE | WRITABLE)

    def step(self) -> None:
        """One turn: frames due, then a bounded batch of reads; then arm the timer."""
        self._look(None)
        ready = self._first.poll(0, READS_PER_LOOK)
        ready += self._last.poll(0, max(READS_PER_LOOK - len(ready), LAST_READS))
        for fd, mask in ready:
            connection = self._connections.get(fd)
            if connection is not None:
                self._serve(connection, fd, mask)
                self._look(connection.session_id)
        due_ns = self._pacer.next_due_ns
        if due_ns is None:
            self._timer.clear()
        else:
            self._timer.arm(due_ns)

    def _look(self, serving: str | None) -> None:
        """Send what is due; `serving` is the session whose data was moved since the last look."""
        now_ns, due_ns = time.monotonic_ns(), self._pacer.next_due_ns
        stalls = self._stalls
        if due_ns is not None and now_ns - due_ns > LIMIT_NS:
            stalls.note(due_ns, now_ns, serving)
        elif now_ns >= stalls.sample_at_ns:
            stalls.sample(now_ns)
        stalls.looked_ns = now_ns
        if due_ns is not None and due_ns <= now_ns:
            self._pacer.send_due(now_ns, SENDS_PER_LOOK)

    def _serve(self, connection: Connection, fd: int, mask: int) -> None:
        try:
            if mask & WRITABLE:
                connection.on_writable()
                if not connection.congested and fd in self._write_watched:
                    self._write_watched.discard(fd)
                    self._poller_of(fd).modify(fd, READABLE)
            if mask & ~WRITABLE:
                connection.on_readable()
        except Exception as error:  # noqa: BLE001 - one session's fault must not end the others
            self._end(connection, error)

    @staticmethod
    def _end(stream: Stream, error: Exception) -> None:
        try:
            stream.on_fault(error)
        except Exception:  # noqa: BLE001 - logged with its traceback
            _log.exception("a session raised again while it was ended")

    def close(self) -> None:
        """Give the descriptors back; sessions must be gone."""
        for each in (self._outer, self._timer, self._first, self._last):
            each.close()

"""Turns the kernel's realtime receive stamps into instants of the monotonic clock."""

from __future__ import annotations

import _socket
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass

# Linux's value; the name is missing from CPython's socket module before 3.14.
SO_TIMESTAMPNS = getattr(socket, "SO_TIMESTAMPNS", 35)
ANCILLARY_BYTES = socket.CMSG_SPACE(16)
_TIMESPEC = struct.Struct("@qq")
_REFRESH_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Anchor:
    """The same instant on the monotonic and on the realtime clock, in ns."""

    monotonic_ns: int
    realtime_ns: int


def read_anchor() -> Anchor:
    """Read both clocks as close together as this host lets us: the tightest of five tries."""
    best: tuple[int, Anchor] | None = None
    for _ in range(5):
        before = time.monotonic_ns()
        realtime = time.time_ns()
        after = time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = after - before, Anchor((before + after) // 2, realtime)
    assert best is not None
    return best[1]


class StampClock:
    """Maps kernel stamps to the monotonic clock of one process.

    The offset between the clocks is read anew every second, because the realtime clock is
    slewed while a run lasts.
    """

    def __init__(self) -> None:
        self._offset_ns = 0
        self._fresh_until_ns = 0

    def enable(self, sock: _socket.socket) -> bool:
        """Ask the kernel to stamp what `sock` receives; False where it can't."""
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        except OSError:
            return False
        return True

    def at_ns(self, ancillary: Iterable[tuple[int, int, bytes]], read_ns: int) -> int:
        """Arrival of the last segment of a read that `recvmsg` returned at `read_ns`.

        It is `read_ns` itself where the kernel gave no stamp, and never later than that.
        """
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
                seconds, nanoseconds = _TIMESPEC.unpack(data)
                if read_ns > self._fresh_until_ns:
                    anchor = read_anchor()
                    self._offset_ns = anchor.realtime_ns - anchor.monotonic_ns
                    self._fresh_until_ns = read_ns + _REFRESH_NS
                stamp_ns = int(seconds) * 1_000_000_000 + int(nanoseconds)
                return min(stamp_ns - self._offset_ns, read_ns)
        return read_ns

"""Turns a session's events into writes, at once or trickling, and bounds what waits."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from time import monotonic_ns

from bench.server.counters import Row
from bench.server.outbox import Outgoing
from bench.server.wire.frames import text_frame

# A client that reads this much too slowly would be measured by our memory, not by its speed.
BACKLOG_LIMIT_BYTES = 32 * 1024 * 1024

_TRICKLE_INTERVAL_S = 0.02
_TCP_ESTABLISHED = 1


class Writer:
    """Writes in order. While something trickles, what comes after it waits its turn.

    A backlog of more than 32 MiB, here or in the transport, aborts the connection.
    """

    def __init__(self, transport: asyncio.Transport, counts: Row) -> None:
        self._transport = transport
        self._counts = counts
        self._socket = transport.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._held: deque[tuple[bytes, float | None]] = deque()
        self._held_bytes = 0
        self._tick: asyncio.TimerHandle | None = None
        self._sealed = False

    @property
    def trickling(self) -> bool:
        """Whether bytes are held back."""
        return bool(self._held)

    def send(self, events: list[Outgoing]) -> None:
        """Write events: in one piece, but for those that want to know when."""
        frames = []
        for event in events:
            frames.append(text_frame(event.text.encode()))
            if event.written is not None:
                self.write(b"".join(frames), len(frames))
                if self._sealed:
                    return
                frames.clear()
                event.written(monotonic_ns())
        if frames:
            self.write(b"".join(frames), len(frames))

    def write(self, data: bytes, messages: int = 0) -> None:
        """Write bytes that hold so many messages: now, or behind what trickles."""
        if self._sealed:
            return
        self._counts.sent(messages, len(data))
        if self._held:
            self._hold(data, None)
            return
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > BACKLOG_LIMIT_BYTES:
            self.stop()
            self._transport.abort()

    def trickle(self, data: bytes, bytes_per_s: float) -> None:
        """Write in small pieces, so many bytes a second."""
        if self._sealed or not data:
            return
        self._counts.sent(0, len(data))
        self._hold(data, bytes_per_s)
        if self._tick is None:
            self._drip()

    def seal(self) -> None:
        """Ignore what is written from now on."""
        self._sealed = True

    def stop(self) -> None:
        """Forget what is held as well."""
        self._sealed = True
        self._held.clear()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def reset(self) -> None:
        """Abort by a TCP reset: what the client has not read is lost to it."""
        linger_for_none = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_none)
        self._transport.abort()

    def has_reader(self) -> bool:
        """Whether the client still has its end open, as the kernel knows without reading."""
        info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bool(info[0] == _TCP_ESTABLISHED)

    def _hold(self, data: bytes, bytes_per_s: float | None) -> None:
        self._held.append((data, bytes_per_s))
        self._held_bytes += len(data)
        if self._held_bytes > BACKLOG_LIMIT_BYTES:
            self.stop()
            self._transport.abort()

    def _drip(self) -> None:
        self._tick = None
        while self._held:
            data, bytes_per_s = self._held.popleft()
            if bytes_per_s is None:
                size = len(data)
            else:
                size = max(1, int(bytes_per_s * _TRICKLE_INTERVAL_S))
            self._transport.write(data[:size])
            self._held_bytes -= min(size, len(data))
            if bytes_per_s is None:
                continue
            if size < len(data):
                self._held.appendleft((data[size:], bytes_per_s))
            # Slower than a byte per interval, the interval grows.
            pause_s = max(_TRICKLE_INTERVAL_S, 1 / bytes_per_s)
            self._tick = asyncio.get_running_loop().call_later(pause_s, self._drip)
            return

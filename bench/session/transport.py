"""Turns a socket into stamped WebSocket messages and back: Sans-I/O protocol, no thread.

Nothing here blocks; the engine says when to read and when to flush.
"""

from __future__ import annotations

import _socket
import time
from collections import deque
from dataclasses import dataclass

from websockets.client import ClientProtocol
from websockets.protocol import State

from bench.session.inbox import Inbox, Message
from bench.session.stamps import ANCILLARY_BYTES, StampClock
from bench.session.tls import Tls

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""A message over this closes the session: four times the largest the protocol allows."""

RECEIVE_BYTES = 65_536
WAITING_LIMIT = 4_096
"""Frames that may wait for room: a peer that pings and never reads would fill the memory."""

FLUSHED_FRAMES = 32
"""Frames sent by one `flush`: a peer that reads again after long must not hold up the others."""


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended; `by` is `client`, `server` or `network`."""

    by: str
    code: int | None
    reason: str


class Transport:
    """One open WebSocket over a non-blocking socket.

    A bare socket: a patched one runs Python code around each call, only to wait where this
    never does.

    `send` hands whole frames over; what the kernel does not take at once waits in order. The
    index given with a paced frame comes back from `flush` once it was taken, or from `drop`.
    `early` is what was read behind the upgrade's head.
    """

    __slots__ = (
        "_backlog",
        "_broken",
        "_closed_by_us",
        "_early",
        "_inbox",
        "_protocol",
        "_rest",
        "_sock",
        "_stamps",
        "_tls",
        "kernel_stamps",
    )

    def __init__(
        self,
        sock: _socket.socket,
        protocol: ClientProtocol,
        stamps: StampClock,
        tls: Tls | None,
        *,
        kernel_stamps: bool,
        early: bytes = b"",
    ) -> None:
        self._sock = sock
        self._protocol = protocol
        self._inbox = Inbox(protocol, MESSAGE_LIMIT_BYTES)
        self._early = early
        self._stamps = stamps
        self._tls = tls
        self.kernel_stamps = kernel_stamps
        self._backlog: deque[tuple[bytes, int | None]] | None = None  # None while nothing waits
        self._rest: memoryview | None = None  # of the oldest frame there, once begun
        self._closed_by_us = False
        self._broken: str | None = None

    @property
    def stirred(self) -> bool:
        """Whether anything but whole messages has come: it may be congested, closing or broken."""
        return self._inbox.stirred or self._broken is not None

    def fileno(self) -> int:
        """The socket's descriptor, -1 once dropped."""
        return self._sock.fileno()

    @property
    def resumed(self) -> bool | None:
        """Whether the host took the ticket of an earlier TLS connection; None without TLS."""
        return None if self._tls is None else self._tls.resumed

    @property
    def congested(self) -> bool:
        """Whether frames wait for room in the socket's buffer."""
        return self._backlog is not None

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        return self._broken is None and self._protocol.state is State.OPEN

    @property
    def over(self) -> bool:
        """Whether the server has closed or broken the protocol; nothing more will come."""
        return self._protocol.close_rcvd is not None or self._protocol.parser_exc is not None

    @property
    def closed(self) -> Closed | None:
        """How it ended, None while it has not."""
        if self._broken is None and self._protocol.state is not State.CLOSED:
            return None
        said = self._protocol.close_rcvd
        by = "client" if self._closed_by_us else "server" if said else "network"
        if said is not None:  # a connection may break after the server has said why it closes
            return Closed(by, said.code, said.reason)
        if self._broken is not None:
            return Closed(by, None, self._broken)
        return Closed(by, self._protocol.close_code, str(self._protocol.parser_exc or ""))

    def send(self, frame: bytes, index: int | None = None) -> bool:
        """Send a whole frame; False when (part of) it waits for `flush`."""
        if self._backlog is not None:
            self._backlog.append((frame, index))
            if len(self._backlog) > WAITING_LIMIT:
                self.give_up("the target asks and does not read")
            return False
        try:
            data = frame if self._tls is None else self._tls.encrypt(frame)
            taken = self._sock.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._break(error)
            return False
        if taken == len(data):
            return True
        self._backlog = deque([(frame, index)])
        self._rest = memoryview(data)[taken:]
        return False

    def flush(self) -> list[int]:
        """Send what waits, as far as the kernel takes it; indexes of frames now wholly sent.

        At most `FLUSHED_FRAMES` go; `congested` says whether more wait.
        """
        done: list[int] = []
        backlog = self._backlog
        if backlog is None:
            return done
        for _ in range(min(len(backlog), FLUSHED_FRAMES)):
            frame, index = backlog[0]
            try:
                if self._rest is None:
                    self._rest = memoryview(
                        frame if self._tls is None else self._tls.encrypt(frame)
                    )
                taken = self._sock.send(self._rest)
            except BlockingIOError:
                break
            except OSError as error:
                self._break(error)
                break
            if taken < len(self._rest):
                self._rest = self._rest[taken:]
                break
            self._rest = None
            backlog.popleft()
            if index is not None:
                done.append(index)
        if not backlog:
            self._backlog = None
        return done

    def receive(self) -> list[Message]:
        """Read once; the whole messages that this completed, oldest first."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(RECEIVE_BYTES, ANCILLARY_BYTES)
        except BlockingIOError:
            return []
        except OSError as error:
            self._break(error)
            return []
        read_ns = time.monotonic_ns()
        if not data:
            self._inbox.end()
            self._send_protocol_data()
            return []
        at_ns = self._stamps.at_ns(ancillary, read_ns)
        if self._tls is not None:
            try:
                data = self._tls.decrypt(data)
            except OSError as error:  # ssl.SSLError is one
                self._break(error)
                return []
        return self._take(data, at_ns, read_ns)

    def early(self) -> list[Message]:
        """Messages that came together with the upgrade; ask once, before `receive`."""
        now_ns = time.monotonic_ns()
        data, self._early = self._early, b""
        return self._take(data, now_ns, now_ns)

    def _take(self, data: bytes, at_ns: int, read_ns: int) -> list[Message]:
        self._inbox.stirred = False
        messages = self._inbox.feed(data, at_ns, read_ns)
        if self._inbox.stirred:
            self._send_protocol_data()
        return messages

    def _send_protocol_data(self) -> None:
        for data in self._protocol.data_to_send():
            if data and self._broken is None:
                self.send(data)

    def start_closing(self) -> None:
        """Send a close frame; the peer's answer or `drop` ends the connection."""
        if self.open:
            self._closed_by_us = True
            self._protocol.send_close(1000)
            self._send_protocol_data()

    def give_up(self, reason: str) -> None:
        """End the connection from our side, without a closing handshake."""
        self._closed_by_us = True
        self._broken = reason

    def drop(self) -> list[int]:
        """Close the socket now; indexes of the frames that waited and are lost."""
        if self._broken is None and self._protocol.state is not State.CLOSED:
            self._broken = str(self._protocol.parser_exc or "dropped")
        lost = [index for _, index in self._backlog or () if index is not None]
        self._backlog = None
        self._rest = None
        self._sock.close()
        self._protocol.parser.close()  # it holds the protocol that holds it
        return lost

    def _break(self, error: OSError) -> None:
        self._broken = error.strerror or str(error)

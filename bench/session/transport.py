"""Turns a socket into stamped WebSocket messages and back: Sans-I/O protocol, no thread.

Nothing here blocks; the engine says when to read and when to flush.
"""

from __future__ import annotations

import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from bench.session.stamps import ANCILLARY_BYTES, StampClock
from bench.session.tls import Tls

RECEIVE_BYTES = 65_536


class Message(NamedTuple):
    """One whole text message: when its last byte arrived, and when we read it."""

    data: bytes | bytearray
    at_ns: int
    read_ns: int


@dataclass(frozen=True, slots=True)
class Closed:
    """How a connection ended; `by` is `client`, `server` or `network`."""

    by: str
    code: int | None
    reason: str


class Transport:
    """One open WebSocket over a non-blocking socket.

    `send` hands whole frames over; what the kernel does not take at once waits in order. The
    index given with a paced frame comes back from `flush` once it was taken, or from `drop`.
    """

    def __init__(
        self,
        sock: socket.socket,
        protocol: ClientProtocol,
        stamps: StampClock,
        tls: Tls | None,
        *,
        kernel_stamps: bool,
    ) -> None:
        self._sock = sock
        self._protocol = protocol
        self._stamps = stamps
        self._tls = tls
        self.kernel_stamps = kernel_stamps
        self._backlog: deque[tuple[memoryview, int | None]] = deque()
        self._fragments: list[bytes | bytearray] = []
        self._closed_by_us = False
        self._broken: str | None = None

    def fileno(self) -> int:
        """The socket's descriptor, -1 once dropped."""
        return self._sock.fileno()

    @property
    def congested(self) -> bool:
        """Whether frames wait for room in the socket's buffer."""
        return bool(self._backlog)

    @property
    def open(self) -> bool:
        """Whether frames may still be sent."""
        return self._broken is None and self._protocol.state is State.OPEN

    @property
    def peer_closed(self) -> bool:
        """Whether the server's close frame has come; nothing more will."""
        return self._protocol.close_rcvd is not None

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
        try:
            data = frame if self._tls is None else self._tls.encrypt(frame)
            if self._backlog:
                self._backlog.append((memoryview(data), index))
                return False
            taken = self._sock.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._break(error)
            return False
        if taken == len(data):
            return True
        self._backlog.append((memoryview(data)[taken:], index))
        return False

    def flush(self) -> list[int]:
        """Send what waits, as far as the kernel takes it; indexes of frames now wholly sent."""
        done: list[int] = []
        while self._backlog:
            data, index = self._backlog[0]
            try:
                taken = self._sock.send(data)
            except BlockingIOError:
                break
            except OSError as error:
                self._break(error)
                break
            if taken < len(data):
                self._backlog[0] = data[taken:], index
                break
            self._backlog.popleft()
            if index is not None:
                done.append(index)
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
            self._protocol.receive_eof()
            self._send_protocol_data()
            return []
        at_ns = self._stamps.at_ns(ancillary, read_ns)
        try:
            plain = data if self._tls is None else self._tls.decrypt(data)
        except OSError as error:  # ssl.SSLError is one
            self._break(error)
            return []
        if plain:
            self._protocol.receive_data(plain)
        messages = self._take_messages(at_ns, read_ns)
        self._send_protocol_data()
        return messages

    def early(self) -> list[Message]:
        """Messages that came in one TLS record with the upgrade; ask once, before `receive`."""
        now_ns = time.monotonic_ns()
        return self._take_messages(now_ns, now_ns)

    def _take_messages(self, at_ns: int, read_ns: int) -> list[Message]:
        return [
            Message(text, at_ns, read_ns)
            for event in self._protocol.events_received()
            if isinstance(event, Frame) and (text := self._whole_text(event)) is not None
        ]

    def _whole_text(self, frame: Frame) -> bytes | bytearray | None:
        """Text of a finished message; binary ones count as text, as some servers send them."""
        if frame.opcode not in {Opcode.TEXT, Opcode.BINARY, Opcode.CONT}:
            return None
        data = bytes(frame.data) if isinstance(frame.data, memoryview) else frame.data
        if frame.fin and not self._fragments:
            return data
        self._fragments.append(data)
        if not frame.fin:
            return None
        whole = b"".join(self._fragments)
        self._fragments.clear()
        return whole

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

    def drop(self) -> list[int]:
        """Close the socket now; indexes of the frames that waited and are lost."""
        if self._broken is None and self._protocol.state is not State.CLOSED:
            self._broken = "dropped"
        lost = [index for _, index in self._backlog if index is not None]
        self._backlog.clear()
        self._sock.close()
        return lost

    def _break(self, error: OSError) -> None:
        self._broken = error.strerror or str(error)

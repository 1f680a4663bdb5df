"""The far end of a loopback socket, made by hand so that it can misbehave."""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.dialects.base import Endpoint
from bench.runs.event import EventRow
from bench.runs.recorder import Recorder
from bench.session.engine import Engine
from bench.session.inbox import Message
from bench.session.opening import Opening, open_transport
from bench.session.stamps import StampClock
from bench.session.transport import Transport

MS = 1_000_000


def until(condition: Callable[[], Any], timeout_s: float = 5.0) -> Any:
    """Wait until `condition` gives something true, and give that."""
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)
    return found


def read_head(sock: socket.socket) -> bytes:
    """An HTTP request up to its blank line."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        if not byte:
            break
        data += byte
    return data


def upgrade_response(head: bytes) -> bytes:
    """What a WebSocket server answers to the request in `head`."""
    protocol = ServerProtocol()
    protocol.receive_data(head)
    (request,) = protocol.events_received()
    assert isinstance(request, Request)
    protocol.send_response(protocol.accept(request))
    return b"".join(protocol.data_to_send())


def frame(text: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    """One frame as servers send them."""
    return Frame(opcode, text, fin).serialize(mask=False)


def close_frame(code: int, reason: str) -> bytes:
    return frame(Close(code, reason).serialize(), Opcode.CLOSE)


@contextmanager
def listener(
    script: Callable[[socket.socket], None], *, receive_buffer: int | None = None
) -> Iterator[int]:
    """Accept one connection and run `script` on it in a thread; gives the port."""
    server = socket.create_server(("127.0.0.1", 0))
    if receive_buffer is not None:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    faults: list[BaseException] = []

    def run() -> None:
        try:
            sock, _ = server.accept()
            script(sock)
        except OSError:
            pass  # nobody came, or they left
        except BaseException as error:  # noqa: BLE001 - told by the test
            faults.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(5)
        server.close()
        assert not thread.is_alive()
        assert not faults, faults


def endpoint(port: int, **fields: Any) -> Endpoint:
    return Endpoint(f"ws://127.0.0.1:{port}/v1/realtime?model=m", fields.pop("headers", ()))


class Peer:
    """The server's side of an open WebSocket, driven by the test."""

    def __init__(self, sock: socket.socket, head: bytes) -> None:
        self.sock = sock
        self.head = head
        self._protocol = ServerProtocol(state=State.OPEN, max_size=None)

    def send(self, *frames: bytes) -> None:
        self.sock.sendall(b"".join(frames))

    def frames(self, count: int, timeout_s: float = 5.0) -> list[Frame]:
        """The next `count` frames of the client."""
        found: list[Frame] = []
        self.sock.settimeout(timeout_s)
        while len(found) < count:
            data = self.sock.recv(65_536)
            assert data, "the client left"
            self._protocol.receive_data(data)
            assert self._protocol.parser_exc is None
            found += [e for e in self._protocol.events_received() if isinstance(e, Frame)]
        return found

    def texts(self, count: int) -> list[bytes]:
        return [bytes(f.data) for f in self.frames(count)]

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with RST, as a process that is killed or leaves data unread does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@contextmanager
def connected(
    *,
    with_upgrade: bytes = b"",
    receive_buffer: int | None = None,
    send_buffer: int | None = None,
) -> Iterator[tuple[Transport, Peer]]:
    """A transport and its peer; `with_upgrade` follows the 101 in the same segment."""
    peers: list[Peer] = []

    def accept(sock: socket.socket) -> None:
        head = read_head(sock)
        peers.append(Peer(sock, head))
        sock.sendall(upgrade_response(head) + with_upgrade)

    with listener(accept, receive_buffer=receive_buffer) as port:
        transport = open_transport(endpoint(port), StampClock(), 5)
    (peer,) = peers
    if send_buffer is not None:
        set_send_buffer(transport, send_buffer)
    try:
        yield transport, peer
    finally:
        transport.drop()
        peer.close()


def set_send_buffer(transport: Transport, size: int) -> None:
    with socket.socket(fileno=os.dup(transport.fileno())) as twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)


def receive(transport: Transport, count: int = 1, timeout_s: float = 5.0) -> list[Message]:
    """Read until `count` messages have come."""
    found: list[Message] = []
    deadline = time.monotonic() + timeout_s
    while len(found) < count:
        assert wait_readable(transport, deadline - time.monotonic()), f"{len(found)} came"
        found += transport.receive()
        assert transport.closed is None, transport.closed
    return found


def read_to_end(transport: Transport, timeout_s: float = 5.0) -> list[Message]:
    """Read until the connection has ended."""
    found: list[Message] = []
    deadline = time.monotonic() + timeout_s
    while transport.closed is None:
        assert wait_readable(transport, deadline - time.monotonic()), "it did not end"
        found += transport.receive()
    return found


def wait_readable(source: Any, timeout_s: float) -> bool:
    poll = select.poll()
    poll.register(source.fileno(), select.POLLIN)
    return bool(poll.poll(max(timeout_s, 0) * 1000))


def turn(engine: Engine, until: Callable[[], object], timeout_s: float = 5.0) -> None:
    """Drive `engine` as an event loop does."""
    poll = select.poll()
    poll.register(engine.fileno(), select.POLLIN)
    deadline = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline, "waited in vain"
        if poll.poll(20):
            engine.step()


def recorded(recorder: Recorder) -> list[EventRow]:
    """The events that a recorder holds, oldest first."""
    table = recorder.events.table([f"{recorder.worker}-{n:05d}" for n in range(99)])
    return [EventRow(*row.values()) for row in table.to_pylist()]


def advance(opening: Opening) -> Transport | None:
    """Wait until the opening's socket is ready for what it wants, and go on."""
    poll = select.poll()
    poll.register(opening.fileno(), select.POLLOUT if opening.wants_write else select.POLLIN)
    assert poll.poll(5_000)
    return opening.advance()


def silent(sock: socket.socket) -> None:
    """Read whatever comes, and never answer."""
    with sock:
        while sock.recv(4_096):
            pass

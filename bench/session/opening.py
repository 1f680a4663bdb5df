"""Turns an endpoint into an open transport, or into the reason why there is none.

An `Opening` never waits: each `advance` is one short piece of work on what its socket is ready
for, so that whoever drives many of them can look after the microphones in between.
"""

from __future__ import annotations

import _socket
import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable

from websockets.protocol import State

from bench.dialects.base import Endpoint
from bench.session.addresses import Address
from bench.session.entrance import Entrance
from bench.session.refusal import ConnectError, refusal
from bench.session.stamps import StampClock
from bench.session.tls import Tls
from bench.session.transport import RECEIVE_BYTES, Transport
from bench.session.tunnel import Tunnel


class Opening:
    """One session on its way in: from a socket that connects to an open transport.

    Making one may look the host's name up, which blocks the caller's greenlet or thread. Wait
    until `fileno` is writable where `wants_write`, else readable; then `advance`. Both may have
    changed after that.

    Raises:
        ConnectError: the host has no address, or none that accepts a connection.
    """

    def __init__(self, entrance: Entrance, stamps: StampClock, timeout_s: float) -> None:
        self._entrance = entrance
        self._stamps = stamps
        self._timeout_s = timeout_s
        self._deadline_s = time.monotonic() + timeout_s
        self._sock: _socket.socket | None = None
        self._kernel_stamps = False
        self._stage: Callable[[], Transport | None] = self._finish_connecting
        self._unsent = b""
        self._tunnel: Tunnel | None = None
        self._via = entrance.via
        self._tls: Tls | None = None
        self._protocol = entrance.protocol()
        self._received = b""
        self._parsed_bytes = 0
        who = self._via or f"host {entrance.host!r}: "
        try:
            self._addresses = entrance.addresses.next()
        except socket.gaierror as error:
            raise ConnectError("dns", f"{who}{error.strerror}") from None
        except (OSError, UnicodeError) as error:  # no resolver; a label too long or empty
            raise ConnectError("dns", f"{who}{error}") from None
        self._connect()

    def fileno(self) -> int:
        """The descriptor to wait on, -1 once given up or open."""
        return -1 if self._sock is None else self._sock.fileno()

    @property
    def wants_write(self) -> bool:
        """Whether it waits for room to write, not for something to read."""
        return self._stage == self._finish_connecting or bool(self._unsent)

    @property
    def left_s(self) -> float:
        """Time until it must be given up; negative when that has passed."""
        return self._deadline_s - time.monotonic()

    def advance(self) -> Transport | None:
        """Do what the socket is ready for; the transport once it is open.

        Raises:
            ConnectError: the target, or the proxy before it, does not let us in.
        """
        try:
            if self._unsent:
                self._send(b"")
            return self._stage()
        except BlockingIOError:
            return None
        except OSError as error:
            self.give_up()
            raise ConnectError("closed", f"{self._via}{error.strerror or error}") from None
        except BaseException:
            self.give_up()
            raise

    def expire(self) -> ConnectError:
        """Give up because time is over; what to tell of it."""
        connecting = self._stage == self._finish_connecting
        self.give_up()
        awaited = "connection" if connecting else "answer"
        return ConnectError("timeout", f"{self._via}no {awaited} within {self._timeout_s:g} s")

    def give_up(self) -> None:
        """Close the socket; harmless once the transport has it."""
        sock, self._sock = self._sock, None
        if sock is not None:
            sock.close()

    def _connect(self) -> None:
        """Begin to connect to the next address that does not refuse at once."""
        error: int = errno.EADDRNOTAVAIL
        while self._addresses:
            try:
                error = self._start_connecting(self._addresses.pop(0))
            except OSError as problem:  # no descriptor left, no such family on this host
                self.give_up()
                words = problem.strerror or str(problem)
                raise ConnectError("refused", f"{self._via}{words}") from None
            if error in {0, errno.EINPROGRESS}:
                return
        self.give_up()
        raise ConnectError("refused", f"{self._via}{os.strerror(error)}")

    def _start_connecting(self, address: Address) -> int:
        self.give_up()
        self._sock = sock = _socket.socket(address.family, socket.SOCK_STREAM)
        sock.setblocking(False)
        self._kernel_stamps = self._stamps.enable(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock.connect_ex(address.sockaddr)

    def _finish_connecting(self) -> None:
        error = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            if not self._addresses:
                raise ConnectError("refused", f"{self._via}{os.strerror(error)}")
            self._connect()
            return
        self._tunnel = self._entrance.tunnel()
        if self._tunnel is None:
            self._greet()
        else:
            self._stage = self._pass_proxy
            self._send(self._tunnel.request)

    def _pass_proxy(self) -> None:
        tunnel = self._tunnel
        assert tunnel is not None
        if tunnel.receive(self._read_head()):
            self._via = ""
            self._greet()

    def _greet(self) -> None:
        """Say the first words to the host itself."""
        if self._entrance.secure:
            self._tls = self._entrance.tls()
            self._stage = self._shake_hands
            _, hello = self._tls.shake_hands()
            self._send(hello)
        else:
            self._stage = self._read_answer
            self._send(self._entrance.request(self._protocol))

    def _shake_hands(self) -> None:
        tls = self._tls
        assert tls is not None
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectError("tls", "connection closed during the TLS handshake")
        try:
            done, answer = tls.shake_hands(data)
        except ssl.SSLCertVerificationError as error:
            raise ConnectError("tls", f"not trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            self._entrance.forget_ticket()
            raise ConnectError("tls", error.reason or str(error)) from None
        if done:
            self._stage = self._read_answer
            answer += tls.encrypt(self._entrance.request(self._protocol))
        self._send(answer)

    def _read_answer(self) -> Transport | None:
        """Read the answer's head; over TLS what came behind it, too, as records can't be split."""
        tls, protocol = self._tls, self._protocol
        data = self._read_head() if tls is None else self._socket.recv(RECEIVE_BYTES)
        if data:
            self._received += data if tls is None else tls.decrypt(data)
            self._parse()
        else:
            protocol.receive_eof()
        error = protocol.handshake_exc
        if error is not None:
            raise refusal(error)
        if protocol.state is State.OPEN:
            return self._transport()
        if not data:
            raise ConnectError("closed", "connection closed before the upgrade")
        return None

    def _read_head(self) -> bytes:
        """Read what there is of an HTTP answer's head, and not a byte more.

        What follows it belongs to the first message, which must be read with its own stamp.
        """
        size = _head_bytes(self._socket.recv(RECEIVE_BYTES, socket.MSG_PEEK)) or 1
        return self._socket.recv(size)

    def _parse(self) -> None:
        protocol, received = self._protocol, self._received
        end = max(_head_bytes(received), self._parsed_bytes)
        protocol.receive_data(received[self._parsed_bytes : end])
        if protocol.state is State.CONNECTING:  # what follows is the body of a refusal
            protocol.receive_data(received[end:])
            end = len(received)
        self._parsed_bytes = end

    def _transport(self) -> Transport:
        sock, self._sock = self._socket, None
        if self._tls is not None:
            self._entrance.keep_ticket(self._tls, time.monotonic())
        return Transport(
            sock,
            self._protocol,
            self._stamps,
            self._tls,
            kernel_stamps=self._kernel_stamps,
            early=self._received[self._parsed_bytes :],
        )

    @property
    def _socket(self) -> _socket.socket:
        assert self._sock is not None
        return self._sock

    def _send(self, data: bytes) -> None:
        self._unsent += data
        taken = self._socket.send(self._unsent)
        self._unsent = self._unsent[taken:]


def open_transport(endpoint: Endpoint, stamps: StampClock, timeout_s: float) -> Transport:
    """Connect, upgrade, and hand back a transport ready for the engine; blocks the thread.

    Raises:
        ConnectError: the target cannot be reached or does not accept the upgrade.
    """
    return enter(Entrance(endpoint), stamps, timeout_s, _poll)


def enter(
    entrance: Entrance,
    stamps: StampClock,
    timeout_s: float,
    await_ready: Callable[[Opening], bool],
) -> Transport:
    """Go in; `await_ready` waits for an opening's socket, False when its time is over.

    Raises:
        ConnectError: the target cannot be reached or does not accept the upgrade.
    """
    opening = Opening(entrance, stamps, timeout_s)
    try:
        while opening.left_s > 0 and await_ready(opening):
            transport = opening.advance()
            if transport is not None:
                return transport
        raise opening.expire()
    finally:
        opening.give_up()


def _poll(opening: Opening) -> bool:
    poll = select.poll()
    poll.register(opening.fileno(), select.POLLOUT if opening.wants_write else select.POLLIN)
    return bool(poll.poll(max(opening.left_s, 0) * 1000))


def _head_bytes(data: bytes) -> int:
    """Bytes up to and with the blank line that ends an HTTP head, all of them if it is not in."""
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 4

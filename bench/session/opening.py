"""Turns an endpoint into an open transport, or into the reason why there is none.

It blocks the caller's own greenlet or thread; once open, nothing blocks any more.
"""

from __future__ import annotations

import socket
import ssl
import time

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.protocol import State
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from bench.dialects.base import Endpoint
from bench.session.stamps import StampClock
from bench.session.tls import Tls
from bench.session.transport import RECEIVE_BYTES, Transport

MESSAGE_LIMIT_BYTES = 64 * 1024 * 1024
"""A message over this closes the session: four times the largest the protocol allows."""


class ConnectError(Exception):
    """A session that could not be opened: data about the target, not a fault of ours.

    `kind` is one of the `connect_failed` classes in bench/README.md.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def open_transport(endpoint: Endpoint, stamps: StampClock, timeout_s: float) -> Transport:
    """Connect, upgrade, and hand back a transport ready for the engine.

    Raises:
        ConnectError: the target cannot be reached or does not accept the upgrade.
    """
    try:
        uri = parse_uri(endpoint.url)
    except (InvalidURI, UnicodeError) as error:
        reason = error.msg if isinstance(error, InvalidURI) else str(error)
        raise ConnectError("dns", f"{endpoint.redacted_url}: {reason}") from None
    deadline = time.monotonic() + timeout_s
    sock = _connect(uri, timeout_s)
    try:
        kernel_stamps = stamps.enable(sock)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = Tls(uri.host) if uri.secure else None
        if tls is not None:
            _shake_hands(sock, tls, deadline)
        protocol = ClientProtocol(
            uri,
            subprotocols=[Subprotocol(name) for name in endpoint.subprotocols] or None,
            max_size=MESSAGE_LIMIT_BYTES,
        )
        request = protocol.connect()
        for name, value in endpoint.headers:
            request.headers[name] = value
        protocol.send_request(request)
        for data in protocol.data_to_send():
            sock.sendall(data if tls is None else tls.encrypt(data))
        _await_upgrade(sock, protocol, tls, deadline)
        sock.setblocking(False)
    except TimeoutError:
        sock.close()
        raise ConnectError("timeout", f"no answer within {timeout_s:g} s") from None
    except OSError as error:
        sock.close()
        raise ConnectError("closed", error.strerror or str(error)) from None
    except BaseException:  # a refusal, or the caller was killed: the socket must not outlive us
        sock.close()
        raise
    return Transport(sock, protocol, stamps, tls, kernel_stamps=kernel_stamps)


def _connect(uri: WebSocketURI, timeout_s: float) -> socket.socket:
    try:
        return socket.create_connection((uri.host, uri.port), timeout_s)
    except socket.gaierror as error:
        raise ConnectError("dns", f"host {uri.host!r}: {error.strerror}") from None
    except UnicodeError as error:  # a label too long or empty
        raise ConnectError("dns", f"host {uri.host!r}: {error}") from None
    except TimeoutError:
        raise ConnectError("timeout", f"no connection within {timeout_s:g} s") from None
    except OSError as error:
        raise ConnectError("refused", error.strerror or str(error)) from None


def _shake_hands(sock: socket.socket, tls: Tls, deadline: float) -> None:
    while True:
        try:
            tls.object.do_handshake()
        except ssl.SSLWantReadError:
            sock.sendall(tls.outgoing.read())
            sock.settimeout(max(deadline - time.monotonic(), 0.001))
            data = sock.recv(RECEIVE_BYTES)
            if not data:
                raise ConnectError("tls", "connection closed during the TLS handshake") from None
            tls.incoming.write(data)
        except ssl.SSLError as error:
            raise ConnectError("tls", error.reason or str(error)) from None
        else:
            sock.sendall(tls.outgoing.read())
            return


def _await_upgrade(
    sock: socket.socket, protocol: ClientProtocol, tls: Tls | None, deadline: float
) -> None:
    """Read the response's head and not a byte more.

    What follows it belongs to the first message, which must be read with its own stamp. TLS
    records can't be split so: there, `Transport.early` holds what came with the head.
    """
    while protocol.state is State.CONNECTING and protocol.handshake_exc is None:
        sock.settimeout(max(deadline - time.monotonic(), 0.001))
        size = RECEIVE_BYTES
        if tls is None:
            size = _head_bytes(sock.recv(RECEIVE_BYTES, socket.MSG_PEEK)) or 1
        data = sock.recv(size)
        if not data:
            protocol.receive_eof()
            break
        plain = data if tls is None else tls.decrypt(data)
        if plain:
            protocol.receive_data(plain)
    error = protocol.handshake_exc
    if error is not None:
        raise _refusal(error)
    if protocol.state is not State.OPEN:
        raise ConnectError("closed", "connection closed before the upgrade")


def _head_bytes(data: bytes) -> int:
    """Bytes up to and with the blank line that ends an HTTP head, all of them if it is not in."""
    end = data.find(b"\r\n\r\n")
    return len(data) if end < 0 else end + 4


def _refusal(error: Exception) -> ConnectError:
    if isinstance(error, InvalidStatus):
        response = error.response
        body = (response.body or b"")[:200].decode("utf-8", "replace").strip()
        text = f"HTTP {response.status_code} {response.reason_phrase}"
        return ConnectError(f"http_{response.status_code}", f"{text}: {body}" if body else text)
    if isinstance(error, InvalidHandshake):
        return ConnectError("protocol", f"no WebSocket upgrade: {error}")
    return ConnectError("protocol", str(error))

"""A session is opened, or the reason why not has a name."""

from __future__ import annotations

import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.dialects.base import Endpoint
from bench.session.addresses import Address
from bench.session.entrance import Entrance
from bench.session.opening import Opening, open_transport
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock

from .loopback import (
    advance,
    connected,
    endpoint,
    frame,
    listener,
    read_head,
    receive,
    silent,
    upgrade_response,
)

CERTIFICATE = Path(__file__).with_name("localhost.pem")
WRONG_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\n"
)
Script = Callable[[socket.socket], None]


def refusal(port: int, timeout_s: float = 5.0) -> ConnectError:
    with pytest.raises(ConnectError) as caught:
        open_transport(endpoint(port), StampClock(), timeout_s)
    assert caught.value.message == str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value


def answering(response: bytes) -> Script:
    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)
            sock.sendall(response)

    return script


def test_the_upgrade_asks_for_no_compression_and_names_the_target() -> None:
    with connected() as (transport, peer):
        head = peer.head.decode()
        assert head.startswith("GET /v1/realtime?model=m HTTP/1.1\r\n")
        assert "Upgrade: websocket" in head
        assert "Sec-WebSocket-Extensions" not in head
        assert "Sec-WebSocket-Protocol" not in head
        assert transport.open
        assert transport.closed is None
        assert transport.kernel_stamps
        assert transport.resumed is None


def test_headers_and_subprotocols_of_the_endpoint_are_sent() -> None:
    heads = []

    def script(sock: socket.socket) -> None:
        with sock:
            heads.append(read_head(sock).decode())
            sock.sendall(upgrade_response(heads[0].encode()))

    with listener(script) as port:
        target = Endpoint(
            f"ws://127.0.0.1:{port}/x",
            (("Authorization", "Bearer k"), ("OpenAI-Beta", "realtime=v1")),
            ("realtime", "openai-insecure-api-key.k"),
        )
        open_transport(target, StampClock(), 5).drop()
    assert "Authorization: Bearer k\r\n" in heads[0]
    assert "OpenAI-Beta: realtime=v1\r\n" in heads[0]
    assert "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.k\r\n" in heads[0]


def test_a_message_in_the_segment_of_the_upgrade_is_read_with_its_own_stamp() -> None:
    first = frame(b'{"type":"session.created"}')
    with connected(with_upgrade=first) as (transport, _):
        assert transport.early() == []
        time.sleep(0.03)
        (message,) = receive(transport)
        assert message.data == b'{"type":"session.created"}'
        assert message.read_ns - message.at_ns > 20_000_000


@pytest.mark.parametrize("pieces", ["bytes", "before the last newline"])
def test_a_response_in_pieces_is_put_together(pieces: str) -> None:
    first = frame(b"first")

    def script(sock: socket.socket) -> None:
        with sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            response = upgrade_response(read_head(sock))
            if pieces == "bytes":
                for place in range(len(response)):
                    sock.sendall(response[place : place + 1])
                    time.sleep(0.000_2)
                sock.sendall(first)
            else:
                sock.sendall(response[:-1])
                time.sleep(0.03)
                sock.sendall(response[-1:] + first)
            sock.recv(10)

    with listener(script) as port:
        transport = open_transport(endpoint(port), StampClock(), 5)
        messages = transport.early() or receive(transport)
        transport.drop()
    assert [m.data for m in messages] == [b"first"]


def test_401_with_a_body_gives_the_status_and_the_servers_words() -> None:
    body = b'{"error": {"code": "invalid_api_key"}}'
    response = (
        b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    )
    with listener(answering(response)) as port:
        error = refusal(port)
    assert error.kind == "http_401"
    assert "401 Unauthorized" in str(error)
    assert "invalid_api_key" in str(error)


def test_a_body_is_read_however_it_is_cut_and_not_at_any_length() -> None:
    body = b"a\r\n\r\nb " + b"x" * 3_000

    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)
            sock.sendall(b"HTTP/1.1 429 Too Many\r\nContent-Length: %d\r\n\r\na\r" % len(body))
            time.sleep(0.02)
            sock.sendall(body[2:])

    with listener(script) as port, pytest.raises(ConnectError) as caught:
        open_transport(endpoint(port), StampClock(), 5)
    assert caught.value.kind == "http_429"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "http_404"),
        (b"HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\nfull", "http_503"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "http_301"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "http_200"),
        (b"220 mail.example.org ESMTP\r\n", "protocol"),
        (b"\x00\x01\x02\xff\xfe\r\n\r\n", "protocol"),
        (b"x" * 100_000, "protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", "protocol"),
        (WRONG_ACCEPT, "protocol"),
    ],
    ids=["404", "503", "301", "200", "SMTP", "binary", "endless", "bare 101", "wrong accept"],
)
def test_what_is_no_upgrade_is_named(response: bytes, kind: str) -> None:
    with listener(answering(response)) as port:
        error = refusal(port)
    assert error.kind == kind
    assert str(error)


@pytest.mark.parametrize("response", [b"", b"HTTP/1.1 101 Swi"], ids=["nothing", "half a line"])
def test_a_server_that_hangs_up_before_it_answered_is_named(response: bytes) -> None:
    with listener(answering(response)) as port:
        assert refusal(port).kind in {"closed", "protocol"}


def test_nobody_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    error = refusal(port)
    assert error.kind == "refused"
    assert "refused" in str(error)


def dripping(sock: socket.socket) -> None:
    with sock:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 101 Switching Protocols\r\n")
        for number in range(1_000):
            sock.sendall(b"X-%d: y\r\n" % number)
            time.sleep(0.02)


@pytest.mark.parametrize("script", [silent, dripping])
def test_a_server_that_never_answers_is_given_up_in_time(script: Script) -> None:
    with listener(script) as port:
        began = time.monotonic()
        error = refusal(port, 0.2)
        took = time.monotonic() - began
    assert error.kind == "timeout"
    assert "0.2 s" in str(error)
    assert 0.15 < took < 1.5


@pytest.mark.parametrize(
    "url",
    [
        "ws://nothing.invalid/",
        "ws://foo..bar:80/",
        "ws://" + "a" * 70 + ".example/",
        "ws://ü..example/",
        "ws://me@127.0.0.1:9/",
    ],
)
def test_a_host_that_can_be_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(ConnectError) as caught:
        open_transport(Endpoint(url, ()), StampClock(), 5)
    assert caught.value.kind == "dns"


def test_a_refusal_holds_no_key() -> None:
    with listener(answering(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")) as port:
        target = Endpoint(
            f"ws://127.0.0.1:{port}/?key=SECRET", (("Authorization", "Bearer SECRET"),)
        )
        with pytest.raises(ConnectError) as caught:
            open_transport(target, StampClock(), 5)
    assert "SECRET" not in str(caught.value)
    with pytest.raises(ConnectError) as caught:
        open_transport(Endpoint("ws://SECRET@127.0.0.1:9/?k=SECRET", ()), StampClock(), 5)
    assert "SECRET" not in str(caught.value)


def opening_to(*sockaddrs: tuple[str, int], timeout_s: float = 5.0) -> Opening:
    """An opening for a host whose name stands for these addresses."""
    entrance = Entrance(Endpoint("ws://many.example/", ()))
    entrance.addresses.next = lambda: [Address(socket.AF_INET, to) for to in sockaddrs]  # type: ignore[method-assign]
    return Opening(entrance, StampClock(), timeout_s)


def nobody() -> tuple[str, int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address: tuple[str, int] = server.getsockname()
        return address


def test_an_address_that_refuses_is_passed_over() -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            sock.sendall(upgrade_response(read_head(sock)))
            sock.recv(1)

    with listener(script) as port:
        opening = opening_to(nobody(), nobody(), ("127.0.0.1", port))
        while (transport := advance(opening)) is None:
            pass
        assert transport.open
        transport.drop()
    assert opening.fileno() == -1


def test_when_all_addresses_refuse_the_last_ones_reason_is_told() -> None:
    opening = opening_to(nobody(), nobody())
    advance(opening)
    with pytest.raises(ConnectError) as caught:
        advance(opening)
    assert caught.value.kind == "refused"
    assert opening.fileno() == -1


def test_a_host_without_a_descriptor_left_says_so() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(ConnectError) as caught:
            opening_to(("127.0.0.1", 1), ("127.0.0.1", 2))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert caught.value.kind == "refused"
    assert "Too many open files" in str(caught.value)


def test_an_opening_never_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        opening = opening_to(server.getsockname())
        assert advance(opening) is None  # connected by the kernel; the request is out
        assert not opening.wants_write
        for _ in range(3):
            assert opening.advance() is None  # nothing to read: back at once
        opening.give_up()
        opening.give_up()


def test_what_is_told_of_a_timeout_says_what_was_awaited() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        opening = opening_to(server.getsockname(), timeout_s=0)
        assert opening.left_s <= 0
        error = opening.expire()
        assert (error.kind, str(error)) == ("timeout", "no connection within 0 s")
        opening = opening_to(server.getsockname(), timeout_s=3)
        advance(opening)
        assert str(opening.expire()) == "no answer within 3 s"
        assert opening.fileno() == -1

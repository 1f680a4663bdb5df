"""A session is opened over TLS, or the reason why not has a name."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench.dialects.base import Endpoint
from bench.session.addresses import Address
from bench.session.entrance import Entrance
from bench.session.opening import Opening, open_transport
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock
from bench.session.tls import client_context

from .loopback import advance, frame, listener, read_head, receive, silent, upgrade_response

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture(autouse=True)
def _read_certificates_anew() -> Iterator[None]:
    client_context.cache_clear()
    yield
    client_context.cache_clear()


def serve(sock: socket.socket) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    try:
        tls = context.wrap_socket(sock, server_side=True)
    except ssl.SSLError:
        sock.close()
        return
    with tls:
        head = read_head(tls)
        tls.sendall(upgrade_response(head) + frame(b"first"))
        tls.sendall(frame(b"second" * 20_000))
        tls.recv(65_536)
        tls.sendall(frame(b"third"))
        tls.recv(1)


def test_messages_with_and_after_the_upgrade_all_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    with listener(serve) as port:
        transport = open_transport(Endpoint(f"wss://localhost:{port}/", ()), StampClock(), 5)
        messages = transport.early()
        messages += receive(transport, 2 - len(messages))
        assert [m.data for m in messages] == [b"first", b"second" * 20_000]
        assert transport.send(frame(b"x"))
        assert [m.data for m in receive(transport)] == [b"third"]
        transport.drop()


def test_the_host_is_told_its_own_name_whatever_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE.with_name("voice_example.pem")))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE.with_name("voice_example.pem"))
    told: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: told.append(name)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as threads:
        resumed = threads.submit(serve_all, server, [context])
        entrance = Entrance(Endpoint("wss://voice.example/", ()))
        address = Address(socket.AF_INET, server.getsockname())
        monkeypatch.setattr(entrance.addresses, "next", lambda: [address])
        opening = Opening(entrance, StampClock(), 5)
        while (transport := advance(opening)) is None:
            pass
        transport.drop()
        assert resumed.result() == [False]
    assert told == ["voice.example"]


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with listener(serve) as port, pytest.raises(ConnectError) as caught:
        open_transport(Endpoint(f"wss://localhost:{port}/", ()), StampClock(), 5)
    assert caught.value.kind == "tls"
    assert "self-signed certificate" in str(caught.value)


def test_a_server_without_tls_is_refused() -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            sock.recv(4_096)
            sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with listener(script) as port, pytest.raises(ConnectError) as caught:
        open_transport(Endpoint(f"wss://localhost:{port}/", ()), StampClock(), 5)
    assert caught.value.kind == "tls"


def test_a_server_that_hangs_up_during_the_handshake_is_refused() -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            sock.recv(4_096)

    with listener(script) as port, pytest.raises(ConnectError) as caught:
        open_transport(Endpoint(f"wss://localhost:{port}/", ()), StampClock(), 5)
    assert caught.value.kind == "tls"


def test_a_handshake_that_never_ends_is_given_up_in_time() -> None:
    with listener(silent) as port, pytest.raises(ConnectError) as caught:
        open_transport(Endpoint(f"wss://localhost:{port}/", ()), StampClock(), 0.2)
    assert caught.value.kind == "timeout"


def serve_all(server: socket.socket, contexts: list[ssl.SSLContext]) -> list[bool]:
    """Serve one connection with each context; whether each was resumed, by the server."""
    resumed = []
    for context in contexts:
        sock, _ = server.accept()
        with context.wrap_socket(sock, server_side=True) as tls:
            tls.sendall(upgrade_response(read_head(tls)))
            resumed.append(bool(tls.session_reused))
            tls.recv(1)
    return resumed


def test_sessions_after_the_first_come_in_by_ticket_until_the_host_forgets_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2)]
    for context in contexts:
        context.load_cert_chain(CERTIFICATE)
    one, other = contexts
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        resumed = threads.submit(serve_all, server, [one, one, one, other, other])
        entrance = Entrance(Endpoint(f"wss://localhost:{server.getsockname()[1]}/", ()))
        told = []
        for _ in range(5):
            opening = Opening(entrance, StampClock(), 5)
            while (transport := advance(opening)) is None:
                pass
            told.append(transport.resumed)
            transport.drop()
    assert told == resumed.result() == [False, True, True, False, True]

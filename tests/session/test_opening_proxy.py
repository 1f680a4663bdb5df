"""A session is opened through a proxy that the environment names, or the reason has a name."""

from __future__ import annotations

import base64
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench.dialects.base import Endpoint
from bench.dialects.openai import OPENAI
from bench.session.opening import open_transport
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock
from bench.session.target import target_endpoint
from bench.session.tls import client_context

from .loopback import frame, listener, read_head, receive, silent, upgrade_response

CERTIFICATE = Path(__file__).with_name("voice_example.pem")
PASSWORD = "pa55-not-to-be-seen"
GRANTED = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"
Script = Callable[[socket.socket], None]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    client_context.cache_clear()
    yield
    client_context.cache_clear()


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hosts whose addresses were asked for."""
    asked = []
    getaddrinfo = socket.getaddrinfo

    def look_up(host: str, *arguments: Any, **options: Any) -> Any:
        asked.append(host)
        return getaddrinfo(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def target(proxy_port: int, host: str = "wss://voice.example", user: str = "") -> Endpoint:
    """What the environment makes of `host` when it names a proxy on this port."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", f"http://{user}127.0.0.1:{proxy_port}")
        return target_endpoint(OPENAI, host, "m")


def leading_to(port: int, heads: list[str]) -> Script:
    """A proxy that knows one way, whatever it is asked for; `heads` is told what that was."""

    def script(sock: socket.socket) -> None:
        with sock, socket.create_connection(("127.0.0.1", port)) as far:
            heads.append(read_head(sock).decode())
            sock.sendall(GRANTED)
            other = {sock: far, far: sock}
            while True:
                for ready in select.select([sock, far], [], [], 10)[0]:
                    data = ready.recv(65_536)
                    if not data:
                        return
                    other[ready].sendall(data)

    return script


def answering(answer: bytes) -> Script:
    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)
            sock.sendall(answer)
            sock.recv(1)

    return script


def greet(sock: Any) -> None:
    """Accept a WebSocket, say something at once, and hear one frame."""
    sock.sendall(upgrade_response(read_head(sock)) + frame(b"first"))
    sock.recv(1_024)


def test_wss_goes_through_and_the_host_is_told_its_own_name(looked_up: list[str]) -> None:
    told: list[str | None] = []
    heads: list[str] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.sni_callback = lambda _sock, name, _context: told.append(name)

    def script(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as tls:
            greet(tls)

    with listener(script) as port, listener(leading_to(port, heads)) as proxy_port:
        transport = open_transport(target(proxy_port), StampClock(), 5)
        messages = transport.early() or receive(transport)
        assert transport.send(frame(b"x"))
        assert transport.kernel_stamps
        transport.drop()
    assert [message.data for message in messages] == [b"first"]
    assert told == ["voice.example"]
    assert heads[0].startswith("CONNECT voice.example:443 HTTP/1.1\r\nHost: voice.example:443\r\n")
    assert "Proxy-Authorization" not in heads[0]
    assert "voice.example" not in looked_up


def test_ws_goes_through_and_the_first_message_has_its_own_stamp() -> None:
    heads: list[str] = []

    def script(sock: socket.socket) -> None:
        with sock:
            greet(sock)

    with listener(script) as port, listener(leading_to(port, heads)) as proxy_port:
        transport = open_transport(target(proxy_port, "ws://voice.example:99"), StampClock(), 5)
        assert transport.early() == []
        assert [message.data for message in receive(transport)] == [b"first"]
        transport.drop()
    assert heads[0].startswith("CONNECT voice.example:99 HTTP/1.1\r\n")


def test_who_has_a_user_is_let_in() -> None:
    heads: list[str] = []

    def script(sock: socket.socket) -> None:
        with sock:
            greet(sock)

    with listener(script) as port, listener(leading_to(port, heads)) as proxy_port:
        endpoint = target(proxy_port, "ws://voice.example", f"me:{PASSWORD}@")
        open_transport(endpoint, StampClock(), 5).drop()
    shown = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    assert f"\r\nProxy-Authorization: Basic {shown}\r\n" in heads[0]
    assert shown not in repr(endpoint) + repr(endpoint.proxy)


def refusal(proxy_port: int, timeout_s: float = 5.0, host: str = "wss://voice.example") -> Any:
    endpoint = target(proxy_port, host, f"me:{PASSWORD}@")
    with pytest.raises(ConnectError) as caught:
        open_transport(endpoint, StampClock(), timeout_s)
    text = str(caught.value)
    assert text.startswith(f"proxy 127.0.0.1:{proxy_port}: ")
    assert PASSWORD not in text
    return caught.value


@pytest.mark.parametrize("host", ["wss://voice.example", "ws://voice.example"])
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (
            b"HTTP/1.1 407 Who Are You\r\nContent-Length: 2\r\n\r\nno",
            "proxy_407",
        ),
        (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "proxy_502"),
        (b"220 mail.example.org ESMTP\r\n\r\n", "protocol"),
    ],
)
def test_a_proxy_that_refuses_is_named(host: str, answer: bytes, kind: str) -> None:
    with listener(answering(answer)) as proxy_port:
        assert refusal(proxy_port, host=host).kind == kind


def test_a_proxy_that_hangs_up_is_named() -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            read_head(sock)

    with listener(script) as proxy_port:
        assert refusal(proxy_port).kind == "closed"


def test_a_proxy_that_resets_is_named() -> None:
    def script(sock: socket.socket) -> None:
        with sock:
            sock.recv(1)  # the rest stays unread, so that closing resets

    with listener(script) as proxy_port:
        assert refusal(proxy_port).kind == "closed"


def test_a_proxy_that_never_answers_is_given_up_in_time() -> None:
    with listener(silent) as proxy_port:
        error = refusal(proxy_port, 0.2)
    assert error.kind == "timeout"
    assert str(error).endswith(": no answer within 0.2 s")


def test_a_proxy_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert refusal(port).kind == "refused"


def test_a_proxy_whose_name_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://nothing.invalid:3128")
    endpoint = target_endpoint(OPENAI, "wss://voice.example", "m")
    with pytest.raises(ConnectError, match=r"^proxy nothing\.invalid:3128: ") as caught:
        open_transport(endpoint, StampClock(), 5)
    assert caught.value.kind == "dns"


def test_what_the_host_says_is_told_as_the_hosts() -> None:
    def script(sock: socket.socket) -> None:
        with sock, suppress(OSError):
            read_head(sock)
            sock.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            sock.recv(1)

    with (
        listener(script) as port,
        listener(leading_to(port, [])) as proxy_port,
        pytest.raises(ConnectError) as caught,
    ):
        open_transport(target(proxy_port, "ws://voice.example"), StampClock(), 5)
    assert caught.value.kind == "http_403"
    assert "proxy" not in str(caught.value)


def test_what_the_host_keeps_to_itself_is_not_the_proxys() -> None:
    with (
        listener(silent) as port,
        listener(leading_to(port, [])) as proxy_port,
        pytest.raises(ConnectError, match=r"^no answer within 0\.2 s$"),
    ):
        open_transport(target(proxy_port), StampClock(), 0.2)


def test_a_certificate_for_another_host_is_refused() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)

    def script(sock: socket.socket) -> None:
        with suppress(OSError), context.wrap_socket(sock, server_side=True):
            pytest.fail("trusted")

    with (
        listener(script) as port,
        listener(leading_to(port, [])) as proxy_port,
        pytest.raises(ConnectError, match=r"other\.example") as caught,
    ):
        open_transport(target(proxy_port, "wss://other.example"), StampClock(), 5)
    assert caught.value.kind == "tls"


@pytest.mark.parametrize("host", ["ws://127.0.0.1:9", "wss://localhost", "ws://[::1]:9"])
def test_this_machine_is_never_reached_through_a_proxy(host: str) -> None:
    assert target(1, host).proxy is None


def test_a_host_that_is_listed_is_reached_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "voice.example")
    assert target(1).proxy is None
    assert target(1, "wss://other.example").proxy is not None

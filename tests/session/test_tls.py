"""TLS between buffers: whatever way cipher text is cut, plain text and errors are the same."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.session.tls import Tls, client_context

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture(autouse=True)
def _trusted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    client_context.cache_clear()
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    yield
    client_context.cache_clear()


def server_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    context.minimum_version = context.maximum_version = version
    return context


class Server:
    """The far end, which shakes hands with `tls`."""

    def __init__(self, tls: Tls, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        client_done, data = tls.shake_hands()
        server_done = self._shaken(data)
        while not client_done:
            client_done, data = tls.shake_hands(self._outgoing.read())
            server_done = server_done or self._shaken(data)
        assert server_done

    def _shaken(self, data: bytes) -> bool:
        self._incoming.write(data)
        try:
            self.object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def records(self, *texts: bytes) -> bytes:
        for text in texts:
            self.object.write(text)
        return self._outgoing.read()

    def goodbye(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.object.unwrap()
        return self._outgoing.read()

    def read(self, data: bytes) -> bytes:
        self._incoming.write(data)
        return self.object.read(65_536)


def connected(context: ssl.SSLContext | None = None) -> tuple[Tls, Server]:
    tls = Tls("localhost")
    return tls, Server(tls, context or server_context())


def test_what_is_encrypted_is_read_at_the_other_end() -> None:
    tls, server = connected()
    assert server.read(tls.encrypt(b"hello")) == b"hello"


def test_tickets_alone_are_no_text() -> None:
    tls, server = connected()
    assert tls.decrypt(server.records()) == b""
    assert tls.decrypt(b"") == b""


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 40_000), min_size=1, max_size=6), data=st.data())
def test_text_is_the_same_whatever_way_the_records_are_cut(
    sizes: list[int], data: st.DataObject
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        tls, server = connected()
    texts = [bytes([index + 1]) * size for index, size in enumerate(sizes)]
    stream = server.records(*texts)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8).map(sorted))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert b"".join(tls.decrypt(piece) for piece in pieces) == b"".join(texts)


def test_text_that_comes_with_the_goodbye_is_not_lost() -> None:
    tls, server = connected()
    stream = server.records(b"last") + server.goodbye()
    assert tls.decrypt(stream) == b"last"


def test_a_goodbye_is_an_error() -> None:
    tls, server = connected()
    assert tls.decrypt(server.records(b"x")) == b"x"
    with pytest.raises(ssl.SSLZeroReturnError, match="ended"):
        tls.decrypt(server.goodbye())


def test_whole_records_before_a_broken_one_count_and_the_error_comes_up_next() -> None:
    tls, server = connected()
    whole, broken = server.records(b"whole"), bytearray(server.records(b"broken"))
    broken[-1] ^= 1
    assert tls.decrypt(whole + broken) == b"whole"
    with pytest.raises(ssl.SSLError):
        tls.decrypt(server.records(b"more"))


def test_a_broken_record_is_an_error() -> None:
    tls, server = connected()
    broken = bytearray(server.records(b"broken"))
    broken[-1] ^= 1
    with pytest.raises(ssl.SSLError):
        tls.decrypt(broken)


def test_what_is_not_tls_is_an_error() -> None:
    tls = Tls("localhost")
    with pytest.raises(ssl.SSLError):
        tls.shake_hands(b"HTTP/1.1 400 Bad Request\r\n\r\n")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_lets_the_next_connection_in(version: ssl.TLSVersion) -> None:
    context = server_context(version)
    first, server = connected(context)
    assert not first.resumed
    first.decrypt(server.records(b"x"))
    assert first.ticket is not None
    second = Tls("localhost", first.ticket)
    server = Server(second, context)
    assert second.resumed
    assert server.object.session_reused
    assert second.decrypt(server.records(b"y")) == b"y"


def test_there_is_no_ticket_before_the_host_gave_one() -> None:
    tls, _ = connected()
    assert tls.ticket is None


def test_a_ticket_that_the_host_does_not_know_costs_a_whole_handshake() -> None:
    first, server = connected()
    first.decrypt(server.records(b"x"))
    second = Tls("localhost", first.ticket)
    server = Server(second, server_context())
    assert not second.resumed
    assert second.decrypt(server.records(b"y")) == b"y"


def test_a_host_that_nobody_vouches_for_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    client_context.cache_clear()
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ssl.SSLCertVerificationError):
        connected()


def test_a_host_of_another_name_is_not_trusted() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        Server(Tls("example.org"), server_context())

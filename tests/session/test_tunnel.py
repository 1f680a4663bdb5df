"""A way through a proxy is asked for in the words of HTTP, and refused in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects.base import Proxy
from bench.session.refusal import ConnectError
from bench.session.tunnel import Tunnel

PROXY = Proxy("proxy.example", 3128)
SECRET = "Basic bm90LXRvLWJlLXNlZW4="
GRANTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def refused(*pieces: bytes, proxy: Proxy = PROXY) -> ConnectError:
    tunnel = Tunnel(proxy, "voice.example", 443)
    *before, last = pieces
    assert not any(tunnel.receive(piece) for piece in before)
    with pytest.raises(ConnectError) as caught:
        tunnel.receive(last)
    text = str(caught.value)
    assert text.startswith("proxy proxy.example:3128: ")
    assert "\n" not in text
    assert len(text) < 300
    return caught.value


@pytest.mark.parametrize(
    ("host", "authority"),
    [("voice.example", "voice.example:443"), ("192.0.2.1", "192.0.2.1:443"), ("::1", "[::1]:443")],
)
def test_the_host_is_asked_for_by_name_and_port(host: str, authority: str) -> None:
    request = Tunnel(PROXY, host, 443).request.decode()
    assert request == f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"


def test_who_has_a_user_shows_it() -> None:
    request = Tunnel(Proxy("proxy.example", 3128, SECRET), "voice.example", 443).request.decode()
    assert request.splitlines()[2:] == [f"Proxy-Authorization: {SECRET}", ""]


@pytest.mark.parametrize("host", ["a b", "a\r\nX: y", "ü.example"])
def test_a_host_that_can_be_none_is_never_asked_for(host: str) -> None:
    with pytest.raises(ConnectError) as caught:
        Tunnel(PROXY, host, 443)
    assert caught.value.kind == "dns"


@given(cuts=st.sets(st.integers(1, len(GRANTED) - 1)))
def test_the_way_is_free_with_the_last_byte_of_the_answer(cuts: set[int]) -> None:
    tunnel = Tunnel(PROXY, "voice.example", 443)
    begins = [0, *sorted(cuts)]
    pieces = [GRANTED[a:b] for a, b in zip(begins, [*begins[1:], None], strict=True)]
    assert [tunnel.receive(piece) for piece in pieces] == [False] * len(cuts) + [True]


@pytest.mark.parametrize("status", [200, 201, 299])
def test_any_success_frees_the_way(status: int) -> None:
    tunnel = Tunnel(PROXY, "voice.example", 443)
    assert not tunnel.receive(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert tunnel.receive(b"HTTP/1.0 %d x\r\nContent-Length: 7\r\nVia: z\r\n\r\n" % status)


@pytest.mark.parametrize("status", [302, 400, 403, 407, 429, 502, 504])
def test_a_refusal_is_told_as_the_proxys(status: int) -> None:
    error = refused(b"HTTP/1.1 %d Not You\r\nContent-Length: 100\r\n\r\n" % status)
    assert error.kind == f"proxy_{status}"
    assert str(error).endswith(f": HTTP {status} Not You")


def test_a_refusal_without_words_is_told_too() -> None:
    assert str(refused(b"HTTP/1.1 407\r\n\r\n")).endswith(": HTTP 407")


def test_a_refusal_holds_nothing_of_what_was_shown() -> None:
    error = refused(b"HTTP/1.1 407 No\r\n\r\n", proxy=Proxy("proxy.example", 3128, SECRET))
    assert SECRET not in str(error)


@pytest.mark.parametrize(
    "answer",
    [b"220 mail.example.org ESMTP\r\n\r\n", b"\x16\x03\x01\x02\r\n\r\n", b"x" * 100_000],
)
def test_what_is_no_http_is_told_as_that(answer: bytes) -> None:
    assert refused(answer).kind == "protocol"


@pytest.mark.parametrize("before", [(), (b"HTTP/1.1 20",)])
def test_a_proxy_that_hangs_up_is_told_as_closed(before: tuple[bytes, ...]) -> None:
    assert refused(*before, b"").kind == "closed"

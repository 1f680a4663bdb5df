"""Which proxy leads to a host is said by the environment, in words that others know, too."""

from __future__ import annotations

import base64
import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects.base import Proxy
from bench.problem import Problem
from bench.session.proxy import find_proxy

PASSWORD = "pa55-not-to-be-seen"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def found(monkeypatch: pytest.MonkeyPatch, url: str, **variables: str) -> str | None:
    """The proxy that leads to `url`, by its name."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    proxy = find_proxy(url)
    return None if proxy is None else proxy.name


def test_without_a_word_of_one_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, "wss://voice.example") is None
    assert found(monkeypatch, "wss://voice.example", HTTPS_PROXY="") is None


@pytest.mark.parametrize(
    ("url", "names", "proxy"),
    [
        ("wss://h", "WSS HTTPS HTTP ALL", "wss:1"),
        ("wss://h", "HTTPS HTTP ALL WS", "https:1"),
        ("wss://h", "HTTP ALL", "all:1"),
        ("wss://h", "HTTP WS", None),
        ("ws://h", "WS WSS HTTPS HTTP ALL", "ws:1"),
        ("ws://h", "HTTPS HTTP ALL WSS", "https:1"),
        ("ws://h", "HTTP ALL", "http:1"),
        ("ws://h", "ALL", "all:1"),
        ("ws://h", "WSS FTP", None),
    ],
)
def test_the_nearest_word_counts(
    monkeypatch: pytest.MonkeyPatch, url: str, names: str, proxy: str | None
) -> None:
    for upper in (True, False):
        with monkeypatch.context() as patch:
            variables = {
                f"{name}_PROXY" if upper else f"{name}_PROXY".lower(): f"http://{name.lower()}:1"
                for name in names.split()
            }
            assert found(patch, url, **variables) == proxy


def test_small_letters_go_first_and_may_take_back(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"HTTPS_PROXY": "http://loud:1", "https_proxy": "http://quiet:1"}
    assert found(monkeypatch, "wss://h", **told) == "quiet:1"
    assert found(monkeypatch, "wss://h", https_proxy="") is None


@pytest.mark.parametrize(
    ("host", "no_proxy", "reached"),
    [
        ("voice.example", "voice.example", True),
        ("voice.example", "VOICE.example", True),
        ("voice.example", ".example", True),
        ("voice.example", "example", True),
        ("voice.example", "other.example, voice.example", True),
        ("voice.example", "*", True),
        ("voice.example:8765", "voice.example", True),
        ("voice.example:8765", "voice.example:8765", True),
        ("voice.example", "voice.example:443", True),
        ("voice.example", "voice.example:8765", False),
        ("invoice.example", "voice.example", False),
        ("voice.example.org", "voice.example", False),
        ("voice.example", "*.example", False),
        ("voice.example", "", False),
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.0/8", False),
        ("[2001:db8::1]", "2001:db8::1", True),
    ],
)
def test_hosts_that_are_reached_without(
    monkeypatch: pytest.MonkeyPatch, host: str, no_proxy: str, reached: bool
) -> None:
    told = {"HTTPS_PROXY": "http://p:1", "NO_PROXY": no_proxy}
    assert (found(monkeypatch, f"wss://{host}/v1/realtime?model=m", **told) is None) is reached


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ("http://proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://proxy.example:3128/", Proxy("proxy.example", 3128)),
        ("HTTP://Proxy.example", Proxy("proxy.example", 80)),
        ("proxy.example:3128", Proxy("proxy.example", 3128)),
        ("http://[::1]:3128", Proxy("::1", 3128)),
    ],
)
def test_a_proxy_is_a_host_and_a_port(
    monkeypatch: pytest.MonkeyPatch, text: str, proxy: Proxy
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    assert find_proxy("wss://h") == proxy


@pytest.mark.parametrize(
    ("user_info", "pair"),
    [
        ("me:secret", b"me:secret"),
        ("me", b"me:"),
        ("m%40e:%C3%A9%3A%25", "m@e:é:%".encode()),
        ("me:a@b", b"me:a@b"),
        ("me:\udcff", b"me:\xff"),
    ],
)
def test_its_user_info_is_what_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, user_info: str, pair: bytes
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{user_info}@proxy.example:3128")
    proxy = find_proxy("wss://h")
    assert proxy is not None
    scheme, _, text = str(proxy.authorization).partition(" ")
    assert (scheme, base64.b64decode(text)) == ("Basic", pair)
    assert text not in repr(proxy)
    assert proxy.name == "proxy.example:3128"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            f"https://me:{PASSWORD}@proxy.example",
            "HTTPS_PROXY: a proxy of https:// cannot be used",
        ),
        (f"socks5h://me:{PASSWORD}@proxy.example", "a proxy of socks5h:// cannot be used"),
        (f"http://me:{PASSWORD}@", "HTTPS_PROXY: is no URL of a proxy; write http://HOST:PORT"),
        (f"http://me:{PASSWORD}@proxy:port", "HTTPS_PROXY: is no URL"),
        (f"http://me:{PASSWORD}/x@proxy:1", "HTTPS_PROXY: is no URL"),
        (f"http://me:{PASSWORD}@[proxy:1", "HTTPS_PROXY: is no URL"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", text)
    with pytest.raises(Problem) as caught:
        find_proxy("wss://h")
    assert said in str(caught.value)
    assert PASSWORD not in str(caught.value)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_no_word_raises_anything_but_a_problem(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for value in (text, f"http://{text}", f"http://me@{text}", f"http://h:{text}"):
            patch.setenv("WSS_PROXY", value)
            with suppress(Problem):
                find_proxy("wss://h")

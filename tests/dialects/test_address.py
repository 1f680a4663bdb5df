"""Where a session is opened, and with which key."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects.base import Endpoint
from bench.dialects.openai import OPENAI
from bench.problem import Problem

KEY = "sk-very-secret"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("ws://127.0.0.1:8765", "ws://127.0.0.1:8765/v1/realtime?model=m"),
        ("ws://127.0.0.1:8765/", "ws://127.0.0.1:8765/v1/realtime?model=m"),
        ("wss://api.openai.com", "wss://api.openai.com/v1/realtime?model=m"),
        ("WSS://api.openai.com", "wss://api.openai.com/v1/realtime?model=m"),
        ("wss://h/openai/v1/realtime", "wss://h/openai/v1/realtime?model=m"),
        ("wss://h/x?intent=a", "wss://h/x?intent=a&model=m"),
        ("wss://h/x?model=own", "wss://h/x?model=own"),
        ("wss://h?model=own", "wss://h/v1/realtime?model=own"),
        ("ws://[::1]:80", "ws://[::1]:80/v1/realtime?model=m"),
        ("ws://h/x#part", "ws://h/x?model=m"),
    ],
)
def test_a_host_is_completed_with_what_it_lacks(host: str, url: str) -> None:
    assert OPENAI.endpoint(host, "m", {}) == Endpoint(url, ())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30))
def test_any_model_name_arrives_as_it_is(model: str) -> None:
    url = OPENAI.endpoint("ws://h", model, {}).url
    assert url.isascii()
    assert parse_qs(urlsplit(url).query)["model"] == [model]
    assert urlsplit(url).path == "/v1/realtime"


def test_a_key_goes_into_the_header_and_nowhere_else() -> None:
    endpoint = OPENAI.endpoint("wss://h", "m", {"OPENAI_API_KEY": KEY})
    assert endpoint.headers == (("Authorization", f"Bearer {KEY}"),)
    assert KEY not in endpoint.url
    assert endpoint.subprotocols == ()
    assert OPENAI.endpoint("wss://h", "m", {}).headers == ()


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\nX-Other: 1", f"{KEY}é", f"{KEY}\0"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(Problem, match="OPENAI_API_KEY") as caught:
        OPENAI.endpoint("wss://h", "m", {"OPENAI_API_KEY": key})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "127.0.0.1:8765",
        "localhost",
        "http://127.0.0.1:8765",
        "https://api.openai.com/v1/realtime",
        "ws:",
        "ws://",
        "ws:///v1/realtime",
        "ws://:8765",
        "ws:h",
        "ws://h:0",
        "ws://h:99999",
        "ws://h:-1",
        "ws://h:port",
        "ws://[::1",
        "ws://[nonsense]/",
        "/v1/realtime",
    ],
)
def test_what_is_no_websocket_url_is_refused_with_an_example(host: str) -> None:
    with pytest.raises(Problem, match=r"--host .* is not a WebSocket URL.*ws://127\.0\.0\.1"):
        OPENAI.endpoint(host, "m", {"OPENAI_API_KEY": KEY})


@given(st.text(max_size=60))
def test_no_host_raises_anything_but_a_problem(text: str) -> None:
    for host in (text, f"ws://{text}", f"wss://h:{text}", f"ws://[{text}"):
        try:
            url = OPENAI.endpoint(host, "m", {}).url
        except Problem:
            continue
        assert urlsplit(url).scheme in {"ws", "wss"}
        assert urlsplit(url).path not in {"", "/"}


@pytest.mark.parametrize(
    "host",
    [
        f"https://api.openai.com/v1/realtime?api-key={KEY}",
        f"https://me:{KEY}@api.openai.com",
        f"ws://me:{KEY}@h:99999",
    ],
)
def test_a_refusal_holds_no_secret_of_the_url(host: str) -> None:
    with pytest.raises(Problem) as caught:
        OPENAI.endpoint(host, "m", {"OPENAI_API_KEY": KEY})
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "redacted"),
    [
        (f"wss://h/v1/realtime?model=m&api-key={KEY}", "wss://h/v1/realtime"),
        (f"wss://me:{KEY}@h:8/v1/realtime", "wss://h:8/v1/realtime"),
        (f"wss://{KEY}@h/x", "wss://h/x"),
        (f"wss://h?key={KEY}", "wss://h"),
        (f"wss://h?key=a/{KEY}", "wss://h"),
        (f"wss://h/x?next=wss://y/{KEY}", "wss://h/x"),
        (f"wss://h/x#{KEY}", "wss://h/x"),
    ],
)
def test_a_redacted_url_holds_no_secret(url: str, redacted: str) -> None:
    assert Endpoint(url, ()).redacted_url == redacted


def test_an_endpoint_printed_holds_no_secret() -> None:
    endpoint = Endpoint(
        f"wss://me:{KEY}@h/x?key={KEY}",
        (("Authorization", f"Bearer {KEY}"),),
        ("realtime", f"openai-insecure-api-key.{KEY}"),
    )
    for text in (repr(endpoint), str(endpoint), f"{endpoint}", repr([endpoint])):
        assert KEY not in text
        assert "wss://h/x" in text

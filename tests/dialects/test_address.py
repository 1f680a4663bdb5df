"""Where a session is opened, and with which key."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.dialects.azure import AZURE, AZURE_PREVIEW
from bench.dialects.base import Dialect, Endpoint
from bench.dialects.openai import OPENAI
from bench.dialects.openai_beta import OPENAI_BETA
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


# the other servers of OpenAI's shapes


def test_the_beta_says_what_it_is() -> None:
    endpoint = OPENAI_BETA.endpoint("wss://h", "m", {"OPENAI_API_KEY": KEY})
    assert endpoint.url == "wss://h/v1/realtime?model=m"
    assert endpoint.headers == (
        ("Authorization", f"Bearer {KEY}"),
        ("OpenAI-Beta", "realtime=v1"),
    )
    assert OPENAI_BETA.endpoint("wss://h", "m", {}).headers == (("OpenAI-Beta", "realtime=v1"),)


@pytest.mark.parametrize(
    ("dialect", "host", "url"),
    [
        (AZURE, "wss://r.openai.azure.com", "/openai/v1/realtime?model=my%20own"),
        (
            AZURE_PREVIEW,
            "wss://r.openai.azure.com",
            "/openai/realtime?api-version=2025-04-01-preview&deployment=my%20own",
        ),
        (
            AZURE_PREVIEW,
            "wss://r.openai.azure.com?api-version=2024-10-01-preview",
            "/openai/realtime?api-version=2024-10-01-preview&deployment=my%20own",
        ),
    ],
)
def test_azure_names_the_deployment(dialect: Dialect, host: str, url: str) -> None:
    endpoint = dialect.endpoint(host, "my own", {})
    assert endpoint.url == f"wss://r.openai.azure.com{url}"
    assert endpoint.headers == ()


@pytest.mark.parametrize("dialect", [AZURE, AZURE_PREVIEW])
def test_azure_takes_a_key_or_a_token_and_not_both(dialect: Dialect) -> None:
    key, token = {"AZURE_OPENAI_API_KEY": KEY}, {"AZURE_OPENAI_AD_TOKEN": "tok"}
    host = "wss://h"
    assert dialect.endpoint(host, "m", key).headers == (("api-key", KEY),)
    assert dialect.endpoint(host, "m", token).headers == (("Authorization", "Bearer tok"),)
    assert dialect.endpoint(host, "m", {"OPENAI_API_KEY": KEY}).headers == ()
    said = "^AZURE_OPENAI_API_KEY and AZURE_OPENAI_AD_TOKEN would each authorise .*drop either$"
    with pytest.raises(Problem, match=said):
        dialect.endpoint(host, "m", key | token)


@pytest.mark.parametrize(
    ("dialect", "query"),
    [
        (OPENAI, "intent=transcription"),
        (OPENAI_BETA, "intent=transcription"),
        (AZURE, "intent=transcription"),
        (AZURE_PREVIEW, "api-version=2025-04-01-preview&intent=transcription"),
    ],
)
def test_a_transcription_session_says_so_and_names_no_model(dialect: Dialect, query: str) -> None:
    url = dialect.endpoint("wss://h", "m", {}, "transcription").url
    assert urlsplit(url).query == query


def test_an_ephemeral_key_is_a_key_like_any() -> None:
    endpoint = OPENAI.endpoint("wss://h", "m", {"OPENAI_API_KEY": "ek_abc"})
    assert endpoint.headers == (("Authorization", "Bearer ek_abc"),)
    assert endpoint.secrets == ("OPENAI_API_KEY",)

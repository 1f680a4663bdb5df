"""A key for one session, which the embedded server gives for the real one, opens a session."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest

from bench.load.embedded import embedded_server
from bench.session.dialect_file import find_dialect
from bench.session.opening import open_transport
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock
from bench.session.target import target_endpoint

KEY = "sk-the-real-one"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server that lets nobody in but by key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RTBENCH_SERVER_KEY", KEY)
        with embedded_server("--vad", "energy") as server:
            yield server.url


def mint(url: str, path: str = "/v1/realtime/client_secrets") -> str:
    request = urllib.request.Request(
        url.replace("ws://", "http://") + path,
        json.dumps({"session": {"type": "realtime", "model": "gpt-realtime"}}).encode(),
        {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"},
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as answer:
        value = json.load(answer)["value"]
    assert value.startswith("ek_")
    return str(value)


def enter(url: str, dialect: str, *headers: str) -> None:
    endpoint = target_endpoint(find_dialect(dialect), url, "gpt-realtime", headers=headers)
    open_transport(endpoint, StampClock(), 5).drop()


@pytest.mark.parametrize("dialect", ["openai", "openai-browser"])
def test_it_takes_the_place_of_the_real_one(
    server: str, monkeypatch: pytest.MonkeyPatch, dialect: str
) -> None:
    secret = mint(server)
    monkeypatch.setenv("OPENAI_API_KEY", secret)
    enter(server, dialect)
    monkeypatch.setenv("OPENAI_API_KEY", secret[:-4] + "AAAA")
    with pytest.raises(ConnectError) as caught:
        enter(server, dialect)
    assert caught.value.kind == "http_401"
    assert secret[:-4] not in str(caught.value)


def test_it_may_come_by_a_header_of_ones_own(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-wrong-one")
    monkeypatch.setenv("MY_SECRET", mint(server))
    with pytest.raises(ConnectError):
        enter(server, "openai")
    enter(server, "openai", "Authorization: Bearer ${MY_SECRET}")

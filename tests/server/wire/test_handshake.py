from __future__ import annotations

import pytest

from bench.server.wire.handshake import accept_handshake, refuse_handshake
from bench.server.wire.http import Request

GOOD = {
    "upgrade": "WebSocket",
    "connection": "keep-alive, upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-extensions": "permessage-deflate",
}


def ask(version: str = "1.1", **changed: str | None) -> Request:
    headers = GOOD | {name.replace("_", "-"): value for name, value in changed.items()}
    kept = tuple((name, value) for name, value in headers.items() if value is not None)
    return Request("GET", "/", kept, version=version)


def test_the_example_of_the_standard() -> None:
    assert refuse_handshake(ask()) is None
    assert accept_handshake(ask(), None) == [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
    ]
    assert ("Sec-WebSocket-Protocol", "realtime") in accept_handshake(ask(), "realtime")


@pytest.mark.parametrize(
    ("request_", "status", "header"),
    [
        (ask(upgrade=None), 426, ("Upgrade", "websocket")),
        (ask(upgrade="h2c"), 426, ("Upgrade", "websocket")),
        (ask(connection="close"), 426, ("Upgrade", "websocket")),
        (ask(version="1.0"), 426, ("Upgrade", "websocket")),
        (ask(sec_websocket_version="8"), 426, ("Sec-WebSocket-Version", "13")),
        (ask(sec_websocket_version=None), 426, ("Sec-WebSocket-Version", "13")),
        (ask(sec_websocket_key=None), 400, None),
        (ask(sec_websocket_key="dGhlIHNhbXBsZQ=="), 400, None),
        (ask(sec_websocket_key="not Base64 at all, no"), 400, None),
        (ask(sec_websocket_key="é"), 400, None),
    ],
)
def test_other_requests_are_refused(
    request_: Request, status: int, header: tuple[str, str] | None
) -> None:
    found = refuse_handshake(request_)
    assert found is not None
    assert found.status == status
    assert header is None or header in found.headers

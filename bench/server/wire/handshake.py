"""Turns a request for WebSocket into the headers that accept it, or into its refusal."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Sequence

from websockets.utils import accept_key

from bench.server.wire.http import Header, HttpAnswer, Request, error_answer

_SUBPROTOCOL = "realtime"


def refuse_handshake(request: Request) -> HttpAnswer | None:
    """What keeps a GET request from becoming a WebSocket; None if nothing does.

    426 answers one that asks for no upgrade, or for another version than 13.
    """
    if (
        request.version != "1.1"
        or "websocket" not in _lowered(request.listed("upgrade"))
        or "upgrade" not in _lowered(request.listed("connection"))
    ):
        return error_answer(
            426,
            "Connect with WebSocket here.",
            code="upgrade_required",
            headers=[("Upgrade", "websocket")],
        )
    if request.values("sec-websocket-version") != ["13"]:
        return error_answer(
            426,
            "Only version 13 of WebSocket is spoken.",
            code="upgrade_required",
            headers=[("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")],
        )
    keys = request.values("sec-websocket-key")
    if len(keys) != 1 or not _is_nonce(keys[0]):
        return error_answer(400, "Sec-WebSocket-Key is not 16 bytes in Base64.")
    return None


def accept_handshake(request: Request, subprotocol: str | None) -> list[Header]:
    """Headers of the 101 answer. Extensions offered are declined by silence."""
    key = request.values("sec-websocket-key")[0]
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", accept_key(key)),
    ]
    if subprotocol is not None:
        headers.append(("Sec-WebSocket-Protocol", subprotocol))
    return headers


def select_subprotocol(offered: Sequence[str]) -> str | None:
    """`realtime` if it is offered; the others only carry a key or a version."""
    return _SUBPROTOCOL if _SUBPROTOCOL in offered else None


def _lowered(words: Sequence[str]) -> list[str]:
    return [word.lower() for word in words]


def _is_nonce(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False

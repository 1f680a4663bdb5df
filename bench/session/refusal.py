"""Turns what a target did instead of letting us in into the reason why there is no session."""

from __future__ import annotations

from websockets.exceptions import InvalidHandshake, InvalidStatus


class ConnectError(Exception):
    """A session that could not be opened: data about the target, not a fault of ours.

    `kind` is one of the `connect_failed` classes in bench/README.md.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def refusal(error: Exception) -> ConnectError:
    """Why an answer is no upgrade, by what the protocol raised; a body gives its first words."""
    if isinstance(error, InvalidStatus):
        response = error.response
        body = (response.body or b"")[:200].decode("utf-8", "replace").strip()
        text = f"HTTP {response.status_code} {response.reason_phrase}"
        return ConnectError(f"http_{response.status_code}", f"{text}: {body}" if body else text)
    if isinstance(error, InvalidHandshake):
        return ConnectError("protocol", f"no WebSocket upgrade: {error}")
    return ConnectError("protocol", str(error))

"""Turns a connection-stage fault into a session that is told of an error and closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.server.outbox import End, Outbox, Outgoing

_FULL = {
    "type": "server_error",
    "code": "session_limit_reached",
    "message": "The server is full.",
}

ERRORS: dict[str, tuple[dict[str, Any], End]] = {
    "error_before_session": (
        {"type": "server_error", "code": "server_error", "message": "No session can be made."},
        End(1008, "no session"),
    ),
    "beta_disabled": (
        {
            "type": "invalid_request_error",
            "code": "beta_api_shape_disabled",
            "message": "The beta API shape is disabled; use the generally available one.",
        },
        End(4000, "beta_api_shape_disabled"),
    ),
    "close_1008": (_FULL, End(1008, "the server is full")),
    "close_1013": (_FULL, End(1013, "the server is full")),
}
"""What is told before what close code, by fault or refusal."""

HTTP_ANSWERS = {
    "http_401": (401, "invalid_api_key", "Incorrect API key provided."),
    "http_403": (403, "forbidden", "This key may not use this model."),
    "http_429": (429, "rate_limit_exceeded", "Too many sessions; try again later."),
    "http_500": (500, "server_error", "The server had an error."),
    "http_503": (503, "overloaded", "The server is overloaded; try again later."),
}
"""Status, code and message in place of the upgrade, by fault or refusal."""


class Doomed:
    """A session that is over before it began."""

    def __init__(self, kind: str, session_id: str, end: Callable[[End], None]) -> None:
        """`end` closes the connection once what `open` gives was written."""
        self._error, self._end = ERRORS[kind]
        self._outbox = Outbox(session_id.removeprefix("sess_"))
        self._close = end

    def open(self, now_ns: int) -> list[Outgoing]:
        """The error, in place of session.created."""
        error = {"param": None, "event_id": None, **self._error}
        self._outbox.put(now_ns, "error", written=self._written, error=error)
        return self._outbox.take()

    def receive(self, _message: bytes, _now_ns: int) -> list[Outgoing]:
        """Nothing is answered any more."""
        return []

    def advance(self, _now_ns: int) -> list[Outgoing]:
        """Nothing is planned."""
        return []

    def next_due_ns(self) -> int | None:
        """Nothing is planned."""
        return None

    def close(self) -> None:
        """Nothing is held."""

    def _written(self, _at_ns: int) -> None:
        self._close(self._end)

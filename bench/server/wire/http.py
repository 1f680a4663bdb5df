"""Turns bytes of one HTTP/1.1 exchange into a request, and its answer into bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import h11

_HEADER_LIMIT_BYTES = 64 * 1024
_BODY_LIMIT_BYTES = 1024 * 1024

Header = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are in lower case; values are Latin-1, which keeps any byte."""

    method: str
    target: str
    headers: tuple[Header, ...]
    body: bytes = b""
    version: str = "1.1"

    def values(self, name: str) -> list[str]:
        """Values of every header of this name, in order."""
        return [value for found, value in self.headers if found == name]

    def listed(self, name: str) -> list[str]:
        """Members of the comma-separated lists in headers of this name."""
        members = (part.strip() for value in self.values(name) for part in value.split(","))
        return [member for member in members if member]


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer that ends the connection."""

    status: int
    headers: tuple[Header, ...] = ()
    body: bytes = b""


def text_answer(text: str, content_type: str = "text/plain; charset=utf-8") -> HttpAnswer:
    """A page of text."""
    return HttpAnswer(200, (("Content-Type", content_type),), text.encode())


def error_answer(
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Sequence[Header] = (),
) -> HttpAnswer:
    """A refusal in the words of the API: `{"error": {message, type, code, param}}`."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "code": code, "param": param}
    body = json.dumps({"error": error}).encode() + b"\n"
    return HttpAnswer(status, (("Content-Type", "application/json"), *headers), body)


class HttpExchange:
    """The HTTP part of a connection: one request and one answer, or a switch to WebSocket."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADER_LIMIT_BYTES)
        self._head: h11.Request | None = None
        self._body = bytearray()

    def feed(self, data: bytes) -> Request | HttpAnswer | None:
        """The request once it is whole, or the refusal of what is none or too large."""
        try:
            self._http.receive_data(data)
            for event in self._events():
                if isinstance(event, h11.Request):
                    self._head = event
                elif isinstance(event, h11.Data):
                    self._body += event.data
                    if len(self._body) > _BODY_LIMIT_BYTES:
                        return error_answer(413, f"Send at most {_BODY_LIMIT_BYTES} bytes.")
                elif isinstance(event, h11.EndOfMessage):
                    return self._request()
        except h11.RemoteProtocolError as error:
            return error_answer(error.error_status_hint, f"This is not HTTP/1.1: {error}.")
        return None

    def answer(self, answer: HttpAnswer) -> bytes:
        """The answer's bytes; the connection is to be closed after them."""
        headers = [
            ("Server", "rtbench"),
            ("Connection", "close"),
            ("Content-Length", str(len(answer.body))),
            *answer.headers,
        ]
        response = h11.Response(
            status_code=answer.status, headers=headers, reason=_reason(answer.status)
        )
        parts = (response, h11.Data(answer.body), h11.EndOfMessage())
        return b"".join(self._http.send(part) or b"" for part in parts)

    def switch(self, headers: Sequence[Header]) -> tuple[bytes, bytes]:
        """Bytes of the 101 answer, and those the client sent behind its request."""
        upgrade = h11.InformationalResponse(
            status_code=101, headers=[("Server", "rtbench"), *headers], reason=_reason(101)
        )
        answer = self._http.send(upgrade)
        assert answer is not None, "h11 has bytes for every response"
        return answer, self._http.trailing_data[0]

    def _events(self) -> Iterator[h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]]:
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA or event is h11.PAUSED:
                return
            yield event

    def _request(self) -> Request:
        assert self._head is not None, "a message ends after its head"
        return Request(
            method=self._head.method.decode("ascii"),
            target=self._head.target.decode("latin-1"),
            headers=tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in self._head.headers
            ),
            body=bytes(self._body),
            version=self._head.http_version.decode("ascii"),
        )


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"

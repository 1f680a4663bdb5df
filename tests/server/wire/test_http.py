from __future__ import annotations

import json
import random

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.wire.http import (
    HttpAnswer,
    HttpExchange,
    Request,
    error_answer,
    text_answer,
)

POST = (
    b"POST /x?y=z HTTP/1.1\r\nHost: h\r\nAPI-Key: k\xe9\r\nConnection: a, b\r\n"
    b"Connection: ,c\r\nContent-Length: 4\r\n\r\nbody"
)
UPGRADE = b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"


@given(st.randoms(use_true_random=False))
def test_a_request_in_any_pieces(chance: random.Random) -> None:
    exchange = HttpExchange()
    found = []
    place = 0
    while place < len(POST):
        step = chance.randint(1, 40)
        found.append(exchange.feed(POST[place : place + step]))
        place += step
    assert found[:-1] == [None] * (len(found) - 1)
    request = found[-1]
    assert isinstance(request, Request)
    assert (request.method, request.target, request.body) == ("POST", "/x?y=z", b"body")
    assert request.values("api-key") == ["k\xe9"]
    assert request.listed("connection") == ["a", "b", "c"]
    assert request.version == "1.1"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"\x16\x03\x01\x00\xa5\x01\x00\x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: h\r\nX: " + b"x" * 70_000, 431),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 1_048_577, 413),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, status: int) -> None:
    exchange = HttpExchange()
    found = exchange.feed(data)
    assert isinstance(found, HttpAnswer)
    assert found.status == status
    assert exchange.answer(found).startswith(b"HTTP/1.1 %d " % status)


def read_answer(data: bytes, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "h")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    head = client.next_event()
    assert isinstance(head, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert client.their_state is h11.MUST_CLOSE
    return head.status_code, {k.decode(): v.decode() for k, v in head.headers}, body


def test_an_answer_ends_the_connection() -> None:
    exchange = HttpExchange()
    exchange.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    status, headers, body = read_answer(exchange.answer(text_answer("fine")))
    assert (status, body, headers["content-length"]) == (200, b"fine", "4")
    assert headers["connection"] == "close"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, "invalid_request_error"), (503, "server_error"), (599, "server_error")],
)
def test_an_error_is_worded_as_by_the_api(status: int, kind: str) -> None:
    exchange = HttpExchange()
    exchange.feed(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    answer = error_answer(status, "No.", code="c", param="p", headers=[("Retry-After", "1")])
    found, headers, body = read_answer(exchange.answer(answer))
    assert (found, headers["retry-after"]) == (status, "1")
    expected = {"error": {"message": "No.", "type": kind, "code": "c", "param": "p"}}
    assert json.loads(body) == expected


def test_a_switch_gives_back_what_came_early() -> None:
    exchange = HttpExchange()
    assert isinstance(exchange.feed(UPGRADE + b"early"), Request)
    assert exchange.feed(b" bird") is None
    answer, early = exchange.switch([("Upgrade", "websocket"), ("Connection", "Upgrade")])
    assert answer.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert early == b"early bird"


def test_a_request_for_upgrade_can_be_refused() -> None:
    exchange = HttpExchange()
    exchange.feed(UPGRADE)
    assert read_answer(exchange.answer(error_answer(404, "No.")))[0] == 404

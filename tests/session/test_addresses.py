"""A name is looked up once and again when that is old, whoever asks meanwhile."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from bench.session.addresses import MAX_AGE_S, Addresses

from .loopback import until

V4 = [(socket.AF_INET, (f"192.0.2.{number}", 443)) for number in (1, 2, 3)]
V6 = [(socket.AF_INET6, ("2001:db8::1", 443, 0, 0))]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Resolver:
    """Stands in for getaddrinfo."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, int]] = []
        self.answer: list[Any] | Exception = V4
        self.meanwhile: Callable[[], object] = lambda: None
        monkeypatch.setattr(socket, "getaddrinfo", self._look_up)

    def _look_up(self, host: str, port: int, **options: Any) -> list[Any]:
        assert options == {"type": socket.SOCK_STREAM}
        self.asked.append((host, port))
        self.meanwhile()
        if isinstance(self.answer, Exception):
            raise self.answer
        return [(family, 1, 6, "", to) for family, to in self.answer]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    return Resolver(monkeypatch)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_name_is_looked_up_when_it_is_first_needed_and_when_that_is_old(
    resolver: Resolver, clock: Clock
) -> None:
    addresses = Addresses("api.example", 443, clock=clock)
    assert resolver.asked == []
    for _ in range(1_000):
        addresses.next()
    assert resolver.asked == [("api.example", 443)]
    clock.now_s += MAX_AGE_S - 0.001
    addresses.next()
    assert len(resolver.asked) == 1
    clock.now_s += 0.001
    resolver.answer = V6
    assert addresses.next() == V6
    assert len(resolver.asked) == 2


@pytest.mark.parametrize("host", ["192.0.2.9", "::1"])
def test_an_address_is_never_looked_up_again(host: str, resolver: Resolver, clock: Clock) -> None:
    addresses = Addresses(host, 443, clock=clock)
    addresses.next()
    clock.now_s += 1e9
    addresses.next()
    assert len(resolver.asked) == 1


def test_sessions_are_spread_over_the_addresses_of_the_preferred_family(
    resolver: Resolver, clock: Clock
) -> None:
    resolver.answer = V4[:2] + V6 + V4[2:]
    addresses = Addresses("api.example", 443, clock=clock)
    a, b, c, v6 = *V4, *V6
    assert [addresses.next() for _ in range(4)] == [
        [a, b, c, v6],
        [b, c, a, v6],
        [c, a, b, v6],
        [a, b, c, v6],
    ]


def test_a_failure_is_told_and_tried_again_by_who_comes_next(
    resolver: Resolver, clock: Clock
) -> None:
    addresses = Addresses("api.example", 443, clock=clock)
    resolver.answer = socket.gaierror(-2, "Name or service not known")
    for _ in range(2):
        clock.now_s += 1
        with pytest.raises(socket.gaierror):
            addresses.next()
    resolver.answer = V4
    clock.now_s += 1
    assert addresses.next() == V4
    assert len(resolver.asked) == 3


@pytest.mark.parametrize("answer", [V4, socket.gaierror(-3, "Temporary failure")])
def test_all_who_come_while_one_asks_share_the_answer(answer: Any, resolver: Resolver) -> None:
    ticks = itertools.count()
    looks: list[float] = []

    def clock() -> float:
        looks.append(next(ticks))
        return looks[-1]

    addresses = Addresses("api.example", 443, clock=clock)
    resolver.answer = answer
    found: list[object] = []

    def ask() -> None:
        try:
            found.append(sorted(addresses.next()))
        except OSError as error:
            found.append(error)

    others = [threading.Thread(target=ask) for _ in range(3)]

    def have_the_others_come() -> None:
        for other in others:
            other.start()
        until(lambda: len(looks) == 2 * 4)  # each has found it stale, and when it came

    resolver.meanwhile = have_the_others_come
    ask()
    for other in others:
        other.join(5)
    assert len(resolver.asked) == 1
    assert found == [answer] * 4

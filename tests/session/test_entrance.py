"""What an endpoint's sessions have in common is made once, and differs in nothing but the key."""

from __future__ import annotations

from bench.dialects.base import Endpoint
from bench.session.entrance import TICKET_AGE_S, Entrance


def test_sessions_differ_in_nothing_but_the_key() -> None:
    entrance = Entrance(Endpoint("ws://127.0.0.1:1/x?y", (("Authorization", "Bearer k"),), ("r",)))
    first, second = entrance.protocol(), entrance.protocol()
    assert first.key != second.key
    request = entrance.request(first)
    assert request.count(first.key.encode()) == 1
    assert entrance.request(second) == request.replace(first.key.encode(), second.key.encode())


def test_a_ticket_is_copied_anew_when_it_is_old_or_was_refused() -> None:
    entrance = Entrance(Endpoint("wss://localhost/", ()))
    copies = []

    class Handshake:
        """Stands in for a Tls whose hands are shaken."""

        def __init__(self, *, resumed: bool) -> None:
            self.resumed = resumed

        @property
        def ticket(self) -> None:
            copies.append(self)

    def keep(now_s: float, *, resumed: bool) -> int:
        entrance.keep_ticket(Handshake(resumed=resumed), now_s)  # type: ignore[arg-type]
        return len(copies)

    assert keep(1_000.0, resumed=False) == 1
    assert keep(1_000.0 + TICKET_AGE_S - 1, resumed=True) == 1
    assert keep(1_000.0 + TICKET_AGE_S, resumed=True) == 2
    assert keep(1_000.0 + TICKET_AGE_S + 1, resumed=True) == 2
    assert keep(1_000.0 + TICKET_AGE_S + 2, resumed=False) == 3

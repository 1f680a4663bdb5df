"""Events wait for a scenario, not the other way round."""

from __future__ import annotations

import pytest

from bench.dialects.base import Kind, ServerEvent
from bench.session.listeners import QUEUED_EVENTS, Listeners


def test_callbacks_are_told_of_their_kind_in_order_when_there_is_time() -> None:
    listeners, told = Listeners(), list[str]()
    listeners.add(Kind.ERROR, lambda event: told.append(f"a {event.type}"))
    listeners.add(Kind.ERROR, lambda event: told.append(f"b {event.type}"))
    assert listeners.take(ServerEvent(Kind.ERROR, "1"))
    assert not listeners.take(ServerEvent(Kind.RATE_LIMITS, "2"))
    assert listeners.take(ServerEvent(Kind.ERROR, "3"))
    assert told == []
    listeners.deliver()
    listeners.deliver()
    assert told == ["a 1", "b 1", "a 3", "b 3"]


def test_of_too_many_the_oldest_are_dropped_and_counted() -> None:
    listeners, told = Listeners(), list[str]()
    listeners.add(Kind.ERROR, lambda event: told.append(event.type))
    for number in range(QUEUED_EVENTS + 3):
        listeners.take(ServerEvent(Kind.ERROR, str(number)))
    listeners.deliver()
    assert (told[0], len(told), listeners.dropped) == ("3", QUEUED_EVENTS, 3)


def test_a_callback_may_listen_and_stop_listening() -> None:
    listeners, told = Listeners(), list[str]()

    def once(event: ServerEvent) -> None:
        told.append(event.type)
        listeners.remove(Kind.ERROR, once)
        listeners.add(Kind.COMMITTED, lambda event: told.append(event.type))

    listeners.add(Kind.ERROR, once)
    listeners.take(ServerEvent(Kind.ERROR, "1"))
    listeners.take(ServerEvent(Kind.ERROR, "2"))
    listeners.deliver()
    assert told == ["1"]
    assert not listeners.take(ServerEvent(Kind.ERROR, "3"))
    assert listeners.take(ServerEvent(Kind.COMMITTED, "4"))


def test_what_a_callback_raises_is_the_scenarios_and_loses_no_event() -> None:
    listeners, told = Listeners(), list[str]()

    def fail(event: ServerEvent) -> None:
        told.append(event.type)
        raise ValueError(event.type)

    listeners.add(Kind.ERROR, fail)
    listeners.take(ServerEvent(Kind.ERROR, "1"))
    listeners.take(ServerEvent(Kind.ERROR, "2"))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"[12]"):
            listeners.deliver()
    assert told == ["1", "2"]

"""What is shown comes in order, one at a time, all of it, and never holds up who asks."""

from __future__ import annotations

import gevent

from bench.load.display import Display


def test_all_is_shown_in_order_before_it_closes() -> None:
    shown: list[int] = []
    display = Display()
    for number in range(5):
        display.put(lambda number=number: shown.append(number))  # type: ignore[misc]
    assert shown == []  # whoever asks goes on at once
    display.close()
    assert shown == [0, 1, 2, 3, 4]


def test_others_have_their_turn_between_two() -> None:
    order: list[str] = []
    display = Display()

    def other() -> None:
        while order.count("shown") < 3:
            order.append("other")
            gevent.sleep(0)

    for _ in range(3):
        display.put(lambda: order.append("shown"))
    watching = gevent.spawn(other)
    display.close()
    watching.join()
    first, second, third = (place for place, name in enumerate(order) if name == "shown")
    assert "other" in order[first:second]
    assert "other" in order[second:third]


def test_what_comes_while_something_is_shown_is_shown_too() -> None:
    shown: list[str] = []
    display = Display()

    def first() -> None:
        shown.append("first")
        display.put(lambda: shown.append("second"))

    display.put(first)
    gevent.sleep(0.02)
    assert shown == ["first", "second"]
    display.close()


def test_a_listener_that_raises_is_told_of_and_the_next_is_shown() -> None:
    shown: list[str] = []
    display = Display()
    display.put(lambda: shown.remove("nothing"))
    display.put(lambda: shown.append("next"))
    display.close()
    assert shown == ["next"]

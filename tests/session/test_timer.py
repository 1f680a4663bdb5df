"""A deadline timer is readable from its instant on, and not before."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from bench.session.timer import DeadlineTimer

MS = 1_000_000


@pytest.fixture
def timer() -> Iterator[DeadlineTimer]:
    timer = DeadlineTimer()
    yield timer
    timer.close()


def readable(timer: DeadlineTimer, timeout_ms: float = 0) -> bool:
    poll = select.poll()
    poll.register(timer.fileno(), select.POLLIN)
    return bool(poll.poll(timeout_ms))


def test_it_fires_soon_after_its_instant_and_not_before(timer: DeadlineTimer) -> None:
    late_ms = []
    for _ in range(5):
        due_ns = time.monotonic_ns() + 10 * MS
        timer.arm(due_ns)
        assert readable(timer, 2_000)
        late_ms.append((time.monotonic_ns() - due_ns) / MS)
        timer.clear()
        assert not readable(timer)
    assert min(late_ms) >= 0
    assert sorted(late_ms)[2] < 50


@pytest.mark.parametrize("due_ns", [0, 1, -5])
def test_an_instant_that_has_passed_fires_at_once(timer: DeadlineTimer, due_ns: int) -> None:
    timer.arm(due_ns)
    assert readable(timer, 500)


def test_an_earlier_instant_replaces_a_later_one(timer: DeadlineTimer) -> None:
    timer.arm(time.monotonic_ns() + 60_000 * MS)
    timer.arm(time.monotonic_ns() + 5 * MS)
    assert readable(timer, 2_000)


def test_a_later_instant_replaces_an_earlier_one_even_when_it_has_fired(
    timer: DeadlineTimer,
) -> None:
    timer.arm(1)
    assert readable(timer, 500)
    timer.arm(time.monotonic_ns() + 60_000 * MS)
    assert not readable(timer, 5)


def test_the_same_instant_can_be_armed_again_after_it_was_cleared(timer: DeadlineTimer) -> None:
    timer.arm(7)
    assert readable(timer, 500)
    timer.clear()
    timer.arm(7)
    assert readable(timer, 500)


def test_clearing_one_that_has_not_fired_does_not_block(timer: DeadlineTimer) -> None:
    timer.clear()
    timer.arm(time.monotonic_ns() + 60_000 * MS)
    timer.clear()
    assert not readable(timer)


def test_one_that_was_never_armed_stays_quiet(timer: DeadlineTimer) -> None:
    assert not readable(timer, 5)


def test_closing_gives_the_descriptor_back() -> None:
    timer = DeadlineTimer()
    timer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(timer.fileno())

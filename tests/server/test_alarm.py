from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

import pytest
import uvloop

from bench.server.alarm import Alarm


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Any], None]:
    def run_test(test: Any) -> None:
        async def bounded() -> None:
            alarm = Alarm(asyncio.get_running_loop())
            try:
                async with asyncio.timeout(5):
                    await test(alarm)
            finally:
                alarm.close()

        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(bounded())

    return run_test


def test_calls_come_in_the_order_of_their_instants(run: Any) -> None:
    async def test(alarm: Alarm) -> None:
        calls: list[tuple[int, int]] = []
        done = asyncio.Event()
        start_ns = monotonic_ns()
        delays_us = [900, -5, 300, 300, 20_000, 1_500, 0]
        for delay_us in delays_us:
            due_ns = start_ns + delay_us * 1_000
            alarm.at(due_ns, lambda due_ns=due_ns: calls.append((due_ns, monotonic_ns())))
        alarm.at(start_ns + 20_000_001, done.set)
        await done.wait()
        assert [due_ns for due_ns, _ in calls] == sorted(
            start_ns + delay_us * 1_000 for delay_us in delays_us
        )
        assert all(due_ns <= at_ns for due_ns, at_ns in calls)

    run(test)


def test_what_is_called_off_does_not_come(run: Any) -> None:
    async def test(alarm: Alarm) -> None:
        calls: list[int] = []
        done = asyncio.Event()
        now_ns = monotonic_ns()
        rings = [
            alarm.at(now_ns + 2_000_000 + n, lambda n=n: calls.append(n)) for n in range(1_000)
        ]
        for n, ring in enumerate(rings):
            if n % 10:
                alarm.call_off(ring)
                alarm.call_off(ring)
        # Those called off are not kept.
        assert len(alarm._heap) < 300
        last = alarm.at(now_ns + 3_000_000, done.set)
        await done.wait()
        alarm.call_off(last)
        assert calls == list(range(0, 1_000, 10))

    run(test)


def test_a_call_may_plan_and_call_off(run: Any) -> None:
    async def test(alarm: Alarm) -> None:
        calls: list[str] = []
        done = asyncio.Event()
        now_ns = monotonic_ns()

        def first() -> None:
            calls.append("first")
            alarm.call_off(second)
            alarm.at(monotonic_ns() - 1, lambda: calls.append("at once"))
            alarm.at(monotonic_ns() + 500_000, done.set)

        alarm.at(now_ns + 100_000, first)
        second = alarm.at(now_ns + 100_001, lambda: calls.append("second"))
        await done.wait()
        assert calls == ["first", "at once"]

    run(test)


def test_a_failing_call_stops_no_other(run: Any, caplog: Any) -> None:
    async def test(alarm: Alarm) -> None:
        done = asyncio.Event()
        now_ns = monotonic_ns()
        alarm.at(now_ns, lambda: 1 // 0)  # type: ignore[arg-type, return-value]
        alarm.at(now_ns + 1, done.set)
        await done.wait()

    run(test)
    assert "ZeroDivisionError" in caplog.text

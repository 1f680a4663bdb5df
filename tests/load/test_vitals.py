"""Shares of a core are of the time in which microphones ran."""

from __future__ import annotations

import dataclasses
import json

import pytest

from bench.load.vitals import Vitals
from bench.runs.environment import Counters

FIRST = Counters(
    at_ns=5 * 10**12,
    user_s=100.0,
    system_s=10.0,
    thread_s=50.0,
    rss_bytes=80_000_000,
    open_files=20,
    voluntary_switches=1_000,
    involuntary_switches=100,
    waited_s=3.0,
    host_s=9_000.0,
    stolen_s=70.0,
)


class Process:
    """A process whose counters are moved by hand."""

    def __init__(self, first: Counters = FIRST) -> None:
        self.counters = first
        self.vitals = Vitals(first)

    def go(
        self,
        seconds: float,
        cpu: float,
        *,
        thread: float = 0.0,
        sending: bool = True,
        **values: int,
    ) -> None:
        """A second at a time at `cpu` and `thread` of a core."""
        for _ in range(round(seconds)):
            now = self.counters
            self.counters = dataclasses.replace(
                now,
                at_ns=now.at_ns + 10**9,
                user_s=now.user_s + cpu * 0.75,
                system_s=now.system_s + cpu * 0.25,
                thread_s=now.thread_s + thread,
                host_s=now.host_s + 2,
                **values,
            )
            self.vitals.sample(self.counters, sending=sending)

    def facts(self) -> dict[str, object]:
        return self.vitals.facts()


def test_a_run_in_which_nothing_was_sent_has_no_shares() -> None:
    process = Process()
    process.go(10, 0.5, sending=False)
    facts = process.facts()
    assert facts["sending_s"] == 0
    for name in ("cpu_share", "cpu_share_peak", "loop_share", "loop_share_peak"):
        assert facts[name] is None
    assert (facts["cpu_user_s"], facts["cpu_system_s"]) == (3.75, 1.25)
    assert process.vitals.recent_cpu_share is None


def test_shares_are_of_the_time_in_which_microphones_ran() -> None:
    process = Process()
    process.go(20, 1.0, sending=False)
    process.go(30, 0.4, thread=0.3)
    process.go(10, 0.2, thread=0.2)
    process.go(20, 1.0, sending=False)
    facts = process.facts()
    assert facts["sending_s"] == 40
    assert facts["cpu_share"] == pytest.approx(0.35)
    assert facts["loop_share"] == pytest.approx(0.275)
    assert facts["cpu_share_peak"] == pytest.approx(0.4)
    assert facts["loop_share_peak"] == pytest.approx(0.3)


def test_the_peak_is_over_five_seconds() -> None:
    process = Process()
    process.go(10, 0.1, thread=0.1)
    process.go(2, 1.0, thread=0.5)
    process.go(10, 0.1, thread=0.1)
    assert process.facts()["cpu_share_peak"] == pytest.approx((2 * 1.0 + 3 * 0.1) / 5)
    assert process.facts()["loop_share_peak"] == pytest.approx((2 * 0.5 + 3 * 0.1) / 5)


def test_a_peak_does_not_reach_over_a_pause() -> None:
    process = Process()
    process.go(4, 1.0)
    process.go(1, 1.0, sending=False)
    process.go(4, 1.0)
    assert process.facts()["cpu_share_peak"] is None
    process.go(1, 0.0)
    assert process.facts()["cpu_share_peak"] == pytest.approx(0.8)


def test_busy_seconds() -> None:
    process = Process()
    process.go(5, 0.89)
    process.go(3, 0.91)
    process.go(2, 1.4)
    process.go(4, 1.0, sending=False)
    assert process.facts()["busy_s"] == 5


def test_what_is_held_and_what_it_waited_for() -> None:
    process = Process()
    process.go(1, 0.1, rss_bytes=120_000_000, open_files=420)
    process.go(
        1,
        0.1,
        rss_bytes=90_000_000,
        open_files=22,
        voluntary_switches=1_700,
        involuntary_switches=130,
        waited_s=3.5,
        stolen_s=71.0,
    )
    facts = process.facts()
    assert (facts["rss_bytes"], facts["rss_max_bytes"]) == (90_000_000, 120_000_000)
    assert facts["open_files"] == [20, 22]
    assert (facts["voluntary_switches"], facts["involuntary_switches"]) == (700, 30)
    assert facts["waited_share"] == 0.25
    assert facts["stolen_share"] == 0.25
    json.dumps(facts, allow_nan=False)


def test_what_the_kernel_does_not_tell_is_missing() -> None:
    process = Process(dataclasses.replace(FIRST, waited_s=None))
    process.go(1, 0.1)
    assert process.facts()["waited_share"] is None


def test_two_readings_at_one_instant_are_one() -> None:
    process = Process()
    process.vitals.sample(FIRST, sending=True)
    assert process.facts()["sending_s"] == 0


def test_the_recent_share_is_of_five_seconds_of_sending() -> None:
    process = Process()
    process.go(4, 0.2)
    assert process.vitals.recent_cpu_share is None
    process.go(1, 0.7)
    assert process.vitals.recent_cpu_share == pytest.approx(0.3)
    process.go(10, 0.5)
    assert process.vitals.recent_cpu_share == pytest.approx(0.5)
    process.go(1, 0.5, sending=False)
    assert process.vitals.recent_cpu_share is None

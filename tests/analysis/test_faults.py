"""Faults by kind, however many and however wordy."""

from __future__ import annotations

from bench.analysis.faults import DISTINCT, FURTHER, FaultGroup, FaultTally
from bench.analysis.turns import Fault


def fault(message, fault_class="error"):
    return Fault("w0-1", 0, fault_class, message)


def test_groups_are_counted_and_timed_the_most_frequent_first():
    tally = FaultTally()
    for message, at_s in (("a", 3.0), ("b", 1.0), ("b", 9.0), ("b", 4.0), ("c", None)):
        tally.add(fault(message), at_s)
    assert list(tally) == [
        FaultGroup("error", "b", 3, 1.0, 9.0),
        FaultGroup("error", "a", 1, 3.0, 3.0),
        FaultGroup("error", "c", 1, None, None),
    ]


def test_messages_that_never_repeat_do_not_fill_the_memory():
    tally = FaultTally()
    for number in range(DISTINCT + 50):
        tally.add(fault(f"request {number}", f"class {number}"), float(number))
    tally.add(fault("request 7", "class 7"), 5_000.0)
    groups = list(tally)
    assert len(groups) == DISTINCT + 1
    assert groups[0] == FaultGroup(*FURTHER, 50, float(DISTINCT), float(DISTINCT + 49))
    assert groups[1] == FaultGroup("class 7", "request 7", 2, 7.0, 5_000.0)

"""The collector is out of the way during a run, counted, and as it was after it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from bench.load.collector import GROWTH_BYTES, NEVER, YOUNG, Collector


class Knot:
    """Something that only a collection frees."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def pauses() -> list[tuple[int, int]]:
    return []


@pytest.fixture
def collector(pauses: list[tuple[int, int]]) -> Iterator[Collector]:
    made = Collector(lambda begin_ns, end_ns: pauses.append((begin_ns, end_ns)))
    yield made
    made.stop()


def test_only_young_objects_are_looked_at_while_it_runs(
    collector: Collector, pauses: list[tuple[int, int]]
) -> None:
    collector.start()
    kept = [[number] for number in range(40 * YOUNG)]
    facts = collector.facts()
    young, middle, full = (generation["count"] for generation in facts["generations"])
    assert young >= 25
    assert middle == full == 0
    assert len(kept) == 40 * YOUNG
    assert len(pauses) == young
    assert all(0 < begin_ns <= end_ns for begin_ns, end_ns in pauses)


def test_nothing_stays_young_however_much_that_is_old_is_freed(collector: Collector) -> None:
    """Old objects freed make up for young ones in Python's count, which then never is enough."""
    collector.start()
    old = [[number] for number in range(5 * YOUNG)]
    for second in range(5):
        collector.tend(10**9)
        for number in range(second * YOUNG, (second + 1) * YOUNG):
            old[number] = [number]
        assert len(gc.get_objects(generation=0)) < 2 * YOUNG


def test_a_knot_untied_within_a_second_is_freed(collector: Collector) -> None:
    collector.start()
    left = weakref.ref(Knot())
    collector.tend(10**9)
    assert left() is None


def test_pauses_are_added_up(collector: Collector, pauses: list[tuple[int, int]]) -> None:
    collector.start()
    gc.collect(1)
    gc.collect(1)
    took_ms = [(end_ns - begin_ns) / 1e6 for begin_ns, end_ns in pauses]
    middle = collector.facts()["generations"][1]
    assert middle["count"] == 2
    assert middle["total_ms"] == pytest.approx(sum(took_ms))
    assert middle["worst_ms"] == pytest.approx(max(took_ms))


def test_all_is_as_before_after_a_run() -> None:
    thresholds, callbacks, frozen = gc.get_threshold(), list(gc.callbacks), gc.get_freeze_count()
    collector = Collector(lambda begin_ns, end_ns: None)
    collector.start()
    assert gc.get_threshold()[:2] == (YOUNG, NEVER)
    assert gc.get_freeze_count() > frozen
    knot = Knot()
    left = weakref.ref(knot)
    collector.tend(10**9)
    del knot
    gc.collect()
    assert left() is not None  # out of the collector's sight
    collector.stop()
    assert left() is None
    assert gc.get_threshold() == thresholds
    assert gc.callbacks == callbacks
    assert gc.get_freeze_count() == frozen


def test_a_second_stop_changes_nothing() -> None:
    collector = Collector(lambda begin_ns, end_ns: None)
    collector.start()
    collector.stop()
    thresholds = gc.get_threshold()
    gc.set_threshold(701, 11, 12)
    collector.stop()
    assert gc.get_threshold()[:2] == (701, 11)
    gc.set_threshold(*thresholds)


def test_a_process_that_grows_without_end_is_collected_after_all(collector: Collector) -> None:
    collector.start()

    def full() -> int:
        count: int = collector.facts()["generations"][2]["count"]
        return count

    knot = Knot()
    left = weakref.ref(knot)
    collector.tend(10**9)
    del knot
    collector.tend(10**9 + GROWTH_BYTES)
    assert full() == 0
    assert left() is not None
    collector.tend(10**9 + GROWTH_BYTES + 1)
    assert full() == 1
    assert left() is None
    collector.tend(10**9 + GROWTH_BYTES + 1)  # what is left is where growth counts from
    collector.tend(10**9 + 2 * GROWTH_BYTES)
    assert full() == 1


def test_what_was_found_is_counted(collector: Collector) -> None:
    collector.start()
    for _ in range(50):
        Knot()
    gc.collect(0)
    assert collector.facts()["objects_found"] >= 50

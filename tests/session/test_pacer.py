"""A schedule neither drifts nor bursts, and no stream disturbs another."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.session.pacer import PHASE_STEP_NS, Pacer, audio_start_ns

MS = 1_000_000
CHUNK = 20 * MS


class Microphone:
    """A stream that writes down for which instants it sent."""

    chunk_ns = CHUNK

    def __init__(self, start_ns: int, log: list[tuple[str, int]], name: str = "a") -> None:
        self.next_due_ns: int | None = start_ns + CHUNK
        self.name = name
        self.log = log
        self.left: int | None = None

    def send_due(self, due_ns: int, next_ns: int) -> None:
        assert (self.next_due_ns, due_ns + self.chunk_ns) == (due_ns, next_ns)
        self.log.append((self.name, due_ns))
        self.next_due_ns = next_ns
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                self.next_due_ns = None


def make_pacer() -> Pacer:
    """One whose streams must not raise."""

    def fail(_: object, error: Exception) -> None:
        raise error

    return Pacer(fail)


class Faulty(Microphone):
    """A stream that raises instead of sending."""

    def send_due(self, due_ns: int, next_ns: int) -> None:
        raise ZeroDivisionError("stream")


def test_the_schedule_is_exact_after_ten_million_ms() -> None:
    log: list[tuple[str, int]] = []
    start_ns = 123_456_789_012_345
    pacer = make_pacer()
    pacer.add(Microphone(start_ns, log))
    now_ns = start_ns
    end_ns = start_ns + 10_000_000 * MS
    jitter = itertools.cycle([0, 137, 4 * MS, 17, 63 * MS, 1, 0, 212 * MS])
    while (due_ns := pacer.next_due_ns) is not None and due_ns <= end_ns:
        now_ns = max(now_ns, due_ns) + next(jitter)
        pacer.send_due(now_ns, 64)
    due = [due_ns for _, due_ns in log if due_ns <= end_ns]
    assert due == [start_ns + (k + 1) * CHUNK for k in range(500_000)]


def test_a_frame_is_not_sent_before_its_instant() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    pacer.add(Microphone(0, log))
    assert pacer.next_due_ns == CHUNK
    assert pacer.send_due(CHUNK - 1, 64) == 0
    assert log == []
    assert pacer.send_due(CHUNK, 64) == 1
    assert pacer.next_due_ns == 2 * CHUNK


def test_a_stream_that_fell_behind_catches_up_and_keeps_its_instants() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    pacer.add(Microphone(0, log))
    assert pacer.send_due(10 * CHUNK + 5, 64) == 10
    assert [due_ns for _, due_ns in log] == [k * CHUNK for k in range(1, 11)]
    assert pacer.next_due_ns == 11 * CHUNK


def test_the_limit_bounds_a_call_and_the_earliest_go_first() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    for number in range(10):
        pacer.add(Microphone(number * MS, log, str(number)))
    now_ns = 5 * CHUNK + 9 * MS
    counts = []
    while sent := pacer.send_due(now_ns, 7):
        counts.append(sent)
    assert counts == [7] * 7 + [1]
    assert [due_ns for _, due_ns in log] == sorted(due_ns for _, due_ns in log)
    assert set(Counter(name for name, _ in log).values()) == {5}
    assert pacer.send_due(now_ns + CHUNK, 0) == 0


def test_streams_due_at_one_instant_all_get_their_turn_under_any_limit() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    for number in range(6):
        pacer.add(Microphone(0, log, str(number)))
    for _ in range(9):  # 54 frames owed, four at a time: 36 sent
        pacer.send_due(9 * CHUNK, 4)
    assert set(Counter(name for name, _ in log).values()) == {6}


@given(
    starts=st.lists(st.integers(0, 50).map(lambda n: n * MS), min_size=1, max_size=8),
    looks=st.lists(st.tuples(st.integers(0, 90), st.integers(1, 9)), max_size=40),
)
def test_nothing_is_lost_doubled_or_early_however_one_looks(
    starts: list[int], looks: list[tuple[int, int]]
) -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    for number, start_ns in enumerate(starts):
        pacer.add(Microphone(start_ns, log, str(number)))
    now_ns = 0
    for wait_ms, limit in looks:
        now_ns += wait_ms * MS
        before = len(log)
        assert pacer.send_due(now_ns, limit) == len(log) - before <= limit
    while pacer.send_due(now_ns, 5):
        pass
    for number, start_ns in enumerate(starts):
        due = [due_ns for name, due_ns in log if name == str(number)]
        assert due == list(range(start_ns + CHUNK, now_ns + 1, CHUNK))
    assert pacer.next_due_ns is not None
    assert pacer.next_due_ns > now_ns


def test_a_stream_that_ends_while_it_sends_is_forgotten() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    ending, other = Microphone(0, log, "ending"), Microphone(0, log, "other")
    ending.left = 2
    pacer.add(ending)
    pacer.add(other)
    pacer.send_due(4 * CHUNK, 64)
    assert Counter(name for name, _ in log) == {"ending": 2, "other": 4}
    other.left = 1
    pacer.send_due(5 * CHUNK, 64)
    assert pacer.next_due_ns is None
    assert pacer.send_due(99 * CHUNK, 64) == 0


def test_a_stream_that_ends_while_it_waits_is_forgotten() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    ending, other = Microphone(0, log, "ending"), Microphone(0, log, "other")
    pacer.add(ending)
    pacer.add(other)
    ending.next_due_ns = None
    assert pacer.send_due(CHUNK, 1) == 1
    assert log == [("other", CHUNK)]


def test_a_stream_that_owes_nothing_is_not_taken_on() -> None:
    pacer = make_pacer()
    stream = Microphone(0, [])
    stream.next_due_ns = None
    pacer.add(stream)
    assert pacer.next_due_ns is None


def test_a_stream_that_raises_is_dropped_and_the_others_lose_nothing() -> None:
    log: list[tuple[str, int]] = []
    faults: list[tuple[object, str]] = []
    pacer = Pacer(lambda stream, error: faults.append((stream, str(error))))
    faulty = Faulty(0, log, "faulty")
    pacer.add(Microphone(0, log, "first"))
    pacer.add(faulty)
    pacer.add(Microphone(0, log, "last"))
    pacer.send_due(3 * CHUNK, 64)
    assert faults == [(faulty, "stream")]
    for name in ("first", "last"):
        assert [due for n, due in log if n == name] == [CHUNK, 2 * CHUNK, 3 * CHUNK]
    assert "faulty" not in {name for name, _ in log}


def test_streams_of_different_chunks_keep_their_own_schedules() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    short, long = Microphone(0, log, "short"), Microphone(0, log, "long")
    long.chunk_ns = 3 * CHUNK

    pacer.add(short)
    pacer.add(long)
    pacer.send_due(7 * CHUNK, 64)
    assert Counter(name for name, _ in log) == {"short": 7, "long": 3}
    assert [due_ns for _, due_ns in log] == sorted(due_ns for _, due_ns in log)


def test_a_stream_that_joins_while_its_slot_is_walked_is_sent_in_it() -> None:
    log: list[tuple[str, int]] = []
    pacer = make_pacer()
    joining = Microphone(0, log, "joining")

    class Host(Microphone):
        def send_due(self, due_ns: int, next_ns: int) -> None:
            if not self.log:
                pacer.add(joining)
            super().send_due(due_ns, next_ns)

    pacer.add(Host(0, log, "host"))
    pacer.send_due(2 * CHUNK, 64)
    assert Counter(log) == {(name, k * CHUNK): 1 for name in ("host", "joining") for k in (1, 2)}


class TestPhases:
    """Where in a chunk a session begins."""

    @given(
        now_ns=st.integers(0, 2**62),
        ordinal=st.integers(0, 1_000_000),
        chunk_ms=st.sampled_from(range(20, 101, 10)),
    )
    def test_a_start_is_never_past_nor_a_whole_chunk_away(
        self, now_ns: int, ordinal: int, chunk_ms: int
    ) -> None:
        start_ns = audio_start_ns(now_ns, ordinal, chunk_ms * MS)
        assert now_ns <= start_ns < now_ns + chunk_ms * MS

    @given(now_ns=st.integers(0, 2**62), later_ns=st.integers(0, 10**12), n=st.integers(0, 9_999))
    def test_the_phase_is_the_sessions_not_the_clocks(
        self, now_ns: int, later_ns: int, n: int
    ) -> None:
        phase = audio_start_ns(now_ns, n, CHUNK) % CHUNK
        assert audio_start_ns(now_ns + later_ns, n, CHUNK) % CHUNK == phase
        assert phase % PHASE_STEP_NS == 0

    @pytest.mark.parametrize("count", [2, 3, 5, 10, 40, 100, 333, 1_000])
    @pytest.mark.parametrize("first", [0, 1, 77])
    @pytest.mark.parametrize("chunk_ms", [20, 100])
    def test_any_run_of_sessions_is_spread_evenly(
        self, count: int, first: int, chunk_ms: int
    ) -> None:
        """Star discrepancy of a golden-ratio sequence is O(log n / n); add the grid's own."""
        chunk_ns = chunk_ms * MS
        phases = sorted(
            audio_start_ns(0, n, chunk_ns) / chunk_ns for n in range(first, first + count)
        )
        discrepancy = max(
            max(abs(phase - rank / count), abs(phase - (rank + 1) / count))
            for rank, phase in enumerate(phases)
        )
        grid = PHASE_STEP_NS / chunk_ns
        bound = (1.6 + 1.1 * (count.bit_length())) / count + grid
        assert discrepancy <= min(bound, 0.7 + grid)
        busiest = max(Counter(phases).values())
        assert busiest <= count * grid + 3

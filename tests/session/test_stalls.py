"""A stall is counted once, for as long as it lasted, and put down to what it was spent on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.runs.causes import CAUSES
from bench.session.stalls import LIMIT_NS, SAMPLE_INTERVAL_NS, WORST, Stalls

MS = 1_000_000
START = 7_000_000 * MS


class Loop:
    """A loop whose clocks are set by hand; a frame is due every 20 ms."""

    def __init__(self) -> None:
        self.now_ns = START
        self.thread_ns = 5 * MS
        self.process_ns = 9 * MS
        self.readings = 0
        self.stalls = Stalls(self._thread, lambda: self.process_ns)
        self.look(due_ns=START + 20 * MS)

    def _thread(self) -> int:
        self.readings += 1
        return self.thread_ns

    def spend(self, ms: float, *, cpu: bool = True) -> None:
        self.now_ns += int(ms * MS)
        if cpu:
            self.thread_ns += int(ms * MS)
            self.process_ns += int(ms * MS)

    def look(self, due_ns: int | None, serving: str | None = None) -> None:
        """Exactly the lines of the module's docstring."""
        stalls, now_ns = self.stalls, self.now_ns
        if due_ns is not None and now_ns - due_ns > LIMIT_NS:
            stalls.note(due_ns, now_ns, serving)
        elif now_ns >= stalls.sample_at_ns:
            stalls.sample(now_ns)
        stalls.looked_ns = now_ns

    def only(self) -> dict[str, object]:
        facts = self.stalls.facts()
        assert facts["count"] == 1
        (stall,) = facts["worst"]
        return stall


def test_a_look_in_time_is_no_stall_and_reads_the_clocks_but_rarely() -> None:
    loop = Loop()
    readings = loop.readings
    for _ in range(1000):
        loop.spend(0.01)
        loop.look(due_ns=loop.now_ns - LIMIT_NS)
    assert loop.stalls.facts() == {
        "limit_ms": 5.0,
        "count": 0,
        "total_ms": 0.0,
        "worst_ms": 0.0,
        "by_cause": {},
        "worst": [],
    }
    assert loop.stalls.take_recent() is None
    assert loop.readings - readings <= 1000 * 0.01 * MS / SAMPLE_INTERVAL_NS


def test_work_outside_the_engine() -> None:
    loop = Loop()
    loop.spend(50)
    loop.look(due_ns=START + 20 * MS)
    assert loop.only() == {
        "begin_ns": START + 20 * MS,
        "ms": 30.0,
        "cause": "other_work",
        "session_id": None,
    }


def test_one_session_s_data_takes_long() -> None:
    loop = Loop()
    loop.spend(50)
    loop.look(due_ns=START + 20 * MS, serving="w0-00012")
    assert loop.only()["cause"] == "engine"
    assert loop.only()["session_id"] == "w0-00012"


def test_a_batch_of_sends_names_no_session() -> None:
    loop = Loop()
    loop.spend(50)
    loop.look(due_ns=START + 20 * MS, serving="")
    assert (loop.only()["cause"], loop.only()["session_id"]) == ("engine", None)


@pytest.mark.parametrize("serving", [None, "w0-00012"])
def test_a_processor_taken_away(serving: str | None) -> None:
    loop = Loop()
    loop.spend(20, cpu=False)
    loop.spend(4)
    loop.spend(26, cpu=False)
    loop.look(due_ns=START + 20 * MS, serving=serving)
    assert (loop.only()["cause"], loop.only()["session_id"]) == ("host", None)


def test_another_thread_of_the_process() -> None:
    loop = Loop()
    loop.spend(50, cpu=False)
    loop.process_ns += 28 * MS
    loop.look(due_ns=START + 20 * MS)
    assert loop.only()["cause"] == "thread"


def test_a_garbage_collection_is_told_from_the_work_it_interrupts() -> None:
    loop = Loop()
    loop.spend(22)
    begin_ns = loop.now_ns
    loop.spend(20)
    loop.stalls.collected(begin_ns, loop.now_ns)
    loop.spend(3)
    loop.look(due_ns=START + 20 * MS, serving="w0-00012")
    assert loop.only()["cause"] == "collector"


def test_a_garbage_collection_that_lost_the_processor_is_the_host_s() -> None:
    loop = Loop()
    loop.spend(20)
    loop.look(due_ns=START + 20 * MS)
    loop.spend(4)
    loop.spend(26, cpu=False)
    loop.stalls.collected(START + 20 * MS, loop.now_ns)
    loop.look(due_ns=START + 20 * MS)
    assert loop.only()["cause"] == "host"


def test_a_garbage_collection_before_the_stall_is_not_its_cause() -> None:
    loop = Loop()
    loop.stalls.collected(START + 1 * MS, START + 19 * MS)
    loop.spend(30, cpu=False)
    loop.look(due_ns=START + 20 * MS)
    assert loop.only()["cause"] == "host"


def test_processor_time_before_the_latest_reading_explains_nothing() -> None:
    loop = Loop()
    loop.spend(15)
    loop.look(due_ns=START + 20 * MS)
    loop.spend(30, cpu=False)
    loop.look(due_ns=START + 20 * MS)
    assert loop.only()["cause"] == "host"


def test_catching_up_is_one_backlog_beside_what_began_it() -> None:
    loop = Loop()
    due_ns = START + 20 * MS
    loop.spend(70)
    loop.look(due_ns)  # 50 ms of other work
    for _ in range(25):  # 2 ms of sends at a time, 3 ms of schedule
        loop.spend(2)
        due_ns += 3 * MS
        loop.look(due_ns, serving="")
    facts = loop.stalls.facts()
    assert facts["by_cause"]["other_work"] == {"count": 1, "total_ms": 50.0, "worst_ms": 50.0}
    assert facts["by_cause"]["backlog"] == {"count": 1, "total_ms": 50.0, "worst_ms": 50.0}
    assert facts["total_ms"] == 100.0
    assert [stall["cause"] for stall in facts["worst"]] == ["other_work", "backlog"]


def test_catching_up_that_others_hinder_is_theirs() -> None:
    loop = Loop()
    due_ns = START + 20 * MS
    loop.spend(24)
    loop.look(due_ns)
    for _ in range(10):  # in the processor for 1 ms of 4
        loop.spend(1)
        loop.spend(3, cpu=False)
        due_ns += 3 * MS
        loop.look(due_ns, serving="")
    facts = loop.stalls.facts()
    assert facts["by_cause"].keys() == {"host"}
    assert facts["count"] == 1


def test_a_backlog_that_ended_is_told_from_the_next() -> None:
    loop = Loop()
    for _ in range(2):
        due_ns = loop.now_ns + 4 * MS
        loop.spend(4)
        loop.look(due_ns)
        loop.spend(4)
        loop.look(due_ns)
        loop.spend(4)
        loop.look(due_ns)
        loop.spend(3)
        loop.look(loop.now_ns)
    backlog = loop.stalls.facts()["by_cause"]["backlog"]
    assert backlog == {"count": 2, "total_ms": 8.0, "worst_ms": 4.0}


def test_the_worst_since_last_asked() -> None:
    loop = Loop()
    for ms in (8, 70, 9):
        loop.spend(ms)
        loop.look(loop.now_ns - int(ms * MS))
        loop.spend(2)
        loop.look(loop.now_ns)
    recent = loop.stalls.take_recent()
    assert recent is not None
    assert (recent.ms, recent.cause) == (70.0, "other_work")
    assert loop.stalls.take_recent() is None


def test_a_backlog_that_lasts_is_told_whenever_asked_and_once_when_over() -> None:
    loop = Loop()
    for _ in range(100):
        loop.spend(3)
        loop.look(START)
    first = loop.stalls.take_recent()
    loop.spend(3)
    loop.look(START)
    second = loop.stalls.take_recent()
    assert first is not None
    assert second is not None
    assert second.ms == first.ms + 3
    loop.spend(SAMPLE_INTERVAL_NS / MS)
    loop.look(loop.now_ns)
    assert loop.stalls.take_recent() == second
    assert loop.stalls.take_recent() is None


def test_only_the_worst_are_kept_one_by_one() -> None:
    loop = Loop()
    for ms in range(6, 6 + 3 * WORST):
        loop.spend(ms)
        loop.look(loop.now_ns - ms * MS)
    facts = loop.stalls.facts()
    assert facts["count"] == 3 * WORST
    assert [stall["ms"] for stall in facts["worst"]] == [
        6.0 + 3 * WORST - 1 - rank for rank in range(WORST)
    ]


@given(
    st.lists(
        st.tuples(
            st.integers(10_000, 40 * MS),  # ns until the next look
            st.floats(0, 1),  # share of it on the processor
            st.sampled_from([None, "", "w0-00001"]),
        ),
        max_size=60,
    ),
    st.integers(0, 30 * MS),  # ns of schedule that a late look catches up
)
def test_all_stalls_together_are_the_time_behind(
    looks: list[tuple[int, float, str | None]], step_ns: int
) -> None:
    loop = Loop()
    due_ns = START
    behind: list[tuple[int, int]] = []
    for wall_ns, share, serving in looks:
        loop.now_ns += wall_ns
        loop.thread_ns += int(wall_ns * share)
        loop.process_ns += int(wall_ns * share)
        due_ns = min(due_ns + step_ns, loop.now_ns)
        loop.look(due_ns, serving)
        if loop.now_ns - due_ns > LIMIT_NS:
            begin_ns = max(due_ns, behind[-1][1] if behind else due_ns)
            behind.append((begin_ns, loop.now_ns))
    facts = loop.stalls.facts()
    total_ms = sum(end - begin for begin, end in behind) / 1e6
    looked_ms = sum(wall for wall, _, _ in looks) / 1e6
    assert facts["total_ms"] <= min(looked_ms, total_ms) + 1e-6
    assert facts["total_ms"] == pytest.approx(
        sum(tally["total_ms"] for tally in facts["by_cause"].values())
    )
    assert facts["by_cause"].keys() <= CAUSES.keys()
    assert facts["worst_ms"] == max((stall["ms"] for stall in facts["worst"]), default=0)
    json.dumps(facts, allow_nan=False)

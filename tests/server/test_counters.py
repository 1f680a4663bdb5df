from __future__ import annotations

import os

from bench.server.counters import Count, Counters


def test_rows_add_up() -> None:
    counters = Counters(3)
    for worker in range(3):
        row = counters.row(worker)
        row.add(Count.SESSIONS_OPEN, 2)
        row.add(Count.SESSIONS_OPEN, -1)
        row.received(3, 100)
        row.sent(4, 1_000)
        row.add(Count.FAULTS)
    expected = {
        Count.SESSIONS_OPEN: 3,
        Count.SESSIONS: 0,
        Count.MESSAGES_IN: 9,
        Count.BYTES_IN: 300,
        Count.MESSAGES_OUT: 12,
        Count.BYTES_OUT: 3_000,
        Count.RESPONSES: 0,
        Count.FAULTS: 3,
        Count.REFUSALS: 0,
    }
    assert {count: counters.total(count) for count in Count} == expected


def test_a_fork_counts_for_all() -> None:
    counters = Counters(2)
    counters.row(0).add(Count.RESPONSES, 5)
    process = os.fork()
    if process == 0:
        counters.row(1).add(Count.RESPONSES, 1 << 40)
        os._exit(0)
    os.waitpid(process, 0)
    assert counters.total(Count.RESPONSES) == 5 + (1 << 40)


def test_the_page_is_as_prometheus_reads_it() -> None:
    counters = Counters(2)
    counters.row(1).add(Count.REFUSALS, 7)
    page = counters.exposition()
    lines = page.splitlines()
    assert page == "\n".join(lines) + "\n"
    assert len(lines) == 3 * len(Count)
    families = zip(lines[0::3], lines[1::3], lines[2::3], strict=True)
    for helped, typed, sample in families:
        name, _, value = sample.partition(" ")
        kind = "counter" if name.endswith("_total") else "gauge"
        assert helped.startswith(f"# HELP {name} ")
        assert typed == f"# TYPE {name} {kind}"
        assert name.startswith("rtbench_server_")
        assert value.isdigit()
    assert "rtbench_server_refusals_total 7\n" in page

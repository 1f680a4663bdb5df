"""Host facts are there and fit into JSON."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from bench.runs.environment import describe_host, read_counters


def test_what_a_reader_needs_is_known_and_fits_into_json() -> None:
    host = describe_host()
    assert json.loads(json.dumps(host, allow_nan=False)) == host
    assert host["cores"] >= 1
    assert host["memory_bytes"] > 2**26
    assert len(host["load_average"]) == 3
    assert host["system"].startswith("Linux")
    assert {"locust", "gevent", "websockets", "numpy", "pyarrow"} <= set(host["packages"])
    assert all(host["packages"].values())


def test_counters_grow_with_what_is_used() -> None:
    before = read_counters()
    with Path(os.devnull).open("rb"):
        sum(n * n for n in range(300_000))
        after = read_counters()
    assert after.at_ns > before.at_ns
    assert after.cpu_s > before.cpu_s > 0
    assert after.thread_s - before.thread_s <= after.cpu_s - before.cpu_s + 0.01
    assert after.open_files == before.open_files + 1
    assert after.rss_bytes > 10 * 2**20
    assert after.voluntary_switches >= before.voluntary_switches
    assert after.involuntary_switches >= before.involuntary_switches
    assert (after.waited_s or 0.0) >= (before.waited_s or 0.0)
    assert after.host_s >= before.host_s
    assert 0 <= before.stolen_s <= before.host_s


def test_time_of_other_threads_is_not_the_caller_s() -> None:
    before = read_counters()
    other = threading.Thread(target=lambda: sum(n * n for n in range(1_000_000)))
    other.start()
    other.join()
    after = read_counters()
    assert after.thread_s - before.thread_s < (after.cpu_s - before.cpu_s) / 2

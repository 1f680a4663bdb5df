"""Host facts are there and fit into JSON."""

from __future__ import annotations

import json

from bench.runs.environment import describe_host, usage


def test_what_a_reader_needs_is_known_and_fits_into_json() -> None:
    host = describe_host()
    assert json.loads(json.dumps(host, allow_nan=False)) == host
    assert host["cores"] >= 1
    assert host["memory_bytes"] > 2**26
    assert len(host["load_average"]) == 3
    assert host["system"].startswith("Linux")
    assert {"locust", "gevent", "websockets", "numpy", "pyarrow"} <= set(host["packages"])
    assert all(host["packages"].values())


def test_usage_counts_cpu_and_bytes() -> None:
    before = usage()
    sum(n * n for n in range(300_000))
    after = usage()
    assert after["cpu_s"] >= before["cpu_s"] > 0
    assert after["max_rss_bytes"] > 10 * 2**20

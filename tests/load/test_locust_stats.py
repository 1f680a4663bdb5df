"""Locust's statistics keep what they show, and nothing else, however long a run lasts."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

_SCRIPT = r"""
import json, time
from locust.stats import RequestStats
from bench.load.locust_stats import HISTORY_KEPT, forget_recent, trim

now_s = 1_700_000_000.0
time.time = lambda: now_s
stats = RequestStats()
for second in range(3_600):
    now_s += 1
    stats.log_request("ttfa", "question", 100 + second % 7, 0)
    if second % 10 == 0:
        stats.log_error("ttfa", "question", "no_reply")
entry = stats.get("question", "ttfa")


def shown():
    return [
        entry.num_requests,
        entry.num_failures,
        entry.median_response_time,
        entry.get_response_time_percentile(0.95),
        entry.current_rps,
        entry.current_fail_per_sec,
        entry.total_rps,
    ]


def seconds():
    return [len(e.num_reqs_per_sec) for e in (stats.total, entry)]


told = {"seconds_before": seconds(), "before": shown()}
trim(stats, now_s)
told |= {"seconds": seconds(), "after": shown(), "failures": len(stats.total.num_fail_per_sec)}
stats.log_request("ttfa", "question", 100, 0)
told["same_second"] = stats.total.num_reqs_per_sec[int(now_s)]
stats.history.extend(range(HISTORY_KEPT))
trim(stats, now_s)
told["history"] = len(stats.history)
stats.history.append("last")
trim(stats, now_s)
told |= {"thinned": len(stats.history), "last": stats.history[-1]}
forget_recent(stats)
for second in range(30):
    now_s += 1
    stats.log_request("ttfa", "question", 100 + second % 7, 0)
told["recent_of_all"] = stats.total.get_current_response_time_percentile(0.5)
told["copies"] = [len(e.response_times_cache or ()) for e in (stats.total, entry)]
told["percentile"] = entry.get_response_time_percentile(0.5)
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    """What became of the statistics of an hour with one request a second.

    In a process of its own: importing Locust here would patch this one.
    """
    command = [sys.executable, "-c", _SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_counts_of_past_seconds_are_forgotten(told: dict[str, Any]) -> None:
    assert told["seconds_before"] == [3_600, 3_600]
    assert told["seconds"] == [61, 61]
    assert told["failures"] <= 7


def test_what_is_shown_stays(told: dict[str, Any]) -> None:
    assert told["before"][4] > 0
    assert told["after"] == told["before"]


def test_recent_times_are_kept_of_all_names_together(told: dict[str, Any]) -> None:
    assert told["copies"] == [20, 0]
    assert told["recent_of_all"] == told["percentile"] == 100


def test_counting_goes_on(told: dict[str, Any]) -> None:
    assert told["same_second"] == 2


def test_a_long_history_thins_and_keeps_its_end(told: dict[str, Any]) -> None:
    assert told["history"] == 2_000
    assert told["thinned"] == 1_001
    assert told["last"] == "last"

"""Keeps Locust's own statistics, which grow with every second of a run, at a bounded size."""

from __future__ import annotations

import time
from typing import Any

import gevent

INTERVAL_S = 60.0
SECONDS_KEPT = 60
"""Locust looks back 12 s for its current rates, and no further."""

HISTORY_KEPT = 2_000
"""Points of the charts of Locust's page and of its --html, which has one every 5 s."""


def tend(environment: Any) -> None:
    """Trim the statistics of an environment every minute, until killed.

    Locust counts requests by second and by name, and never forgets a second: three megabytes an
    hour with the nine names of a conversation, which would pass for a leak of ours.
    """
    while True:
        gevent.sleep(INTERVAL_S)
        trim(environment.stats, time.time())
        if not environment.parsed_options.stats_history_enabled:
            forget_recent(environment.stats)


def forget_recent(stats: Any) -> None:
    """Keep no copy a second of each name's response times, for twenty seconds; only of all names.

    They grow with each millisecond that occurs for the first time, by megabytes and for long.
    Nothing but --csv-full-history tells recent percentiles by name.
    """
    for entry in stats.entries.values():
        entry.use_response_times_cache = False
        entry.response_times_cache = None


def trim(stats: Any, now_s: float) -> None:
    """Forget counts of seconds long past, and every other point of a long history.

    `stats` is Locust's RequestStats; sums, percentiles and current rates stay as they were.
    """
    oldest_s = int(now_s) - SECONDS_KEPT
    for entry in [*stats.entries.values(), stats.total]:
        for name in ("num_reqs_per_sec", "num_fail_per_sec"):
            counts = getattr(entry, name)
            kept = {second: count for second, count in counts.items() if second >= oldest_s}
            counts.clear()
            counts.update(kept)
    if len(stats.history) > HISTORY_KEPT:
        del stats.history[:-1:2]

"""Sends 200,000 almost right messages to sessions and says what came of it.

python -m tests.benchmarks.fuzz_server
"""

from __future__ import annotations

import random
import resource
import time

from tests.server.fuzzing import Target, message

MESSAGES = 200_000


def main() -> None:
    """Raise whatever a session raises; print the figures otherwise."""
    draw, target = random.Random(7), Target()
    events, slowest_ms, first_kb = 0, 0.0, 0
    for number in range(MESSAGES):
        if number % 5_000 == 0:
            target.renew()
        if number == MESSAGES // 10:
            first_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        text = message(draw)
        began_s = time.perf_counter()
        events += target.send(text)
        slowest_ms = max(slowest_ms, (time.perf_counter() - began_s) * 1e3)
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{MESSAGES} messages, {events} events, slowest {slowest_ms:.1f} ms")
    print(
        f"peak memory {first_kb / 1024:.0f} MB after a tenth, {peak_kb / 1024:.0f} MB at the end"
    )


if __name__ == "__main__":
    main()

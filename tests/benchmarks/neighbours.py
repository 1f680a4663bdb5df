"""What 200 callers notice of one more whose target misbehaves.

Its socket is never read; or it gets messages of 20 MB; or it gets a byte each second.
"""

from __future__ import annotations

from tests.benchmarks.benchmark import Benchmark
from tests.benchmarks.reading import Pace, pace_of
from tests.benchmarks.switchboard import MANNERS
from tests.benchmarks.table import Section
from tests.benchmarks.trial import Outcome, Trial

SESSIONS = 200
LIMIT_MS = 0.5
_MOVED_MS = 0.1
"""A difference of less is what two trials without anything odd show."""
_TELLING = {
    "never_reads": "one socket is never read",
    "huge": "one session gets 20 MB messages",
    "trickle": "one session gets a byte a second",
}
_FILL_S = 45
"""Until the buffers of a socket that is never read are full."""


def measure_neighbours(benchmark: Benchmark) -> Section:
    """p99 of lateness of the others, without and with each manner."""
    section = Section(f"{SESSIONS} sessions beside one whose target misbehaves: p99 lateness")
    benchmark.say("  nobody odd")
    alone = benchmark.run(Trial(SESSIONS + 1))
    without_ms = None if alone is None else alone.pace.p99_ms
    section.tell("nothing odd", without_ms, " ms", 2)
    for manner in MANNERS:
        benchmark.say(f"  {manner}")
        warm_up_s = _FILL_S if manner == "never_reads" else 3
        trial = Trial(SESSIONS + 1, warm_up_s=warm_up_s, target_options=("--odd", manner))
        outcome = benchmark.run(trial, judge=pace_of_others)
        limit_ms = max(LIMIT_MS, (without_ms or 0) + _MOVED_MS)
        late_ms = None if outcome is None else outcome.pace.p99_ms
        section.ask_at_most(_TELLING[manner], late_ms, limit_ms, " ms", 2)
    return section


def pace_of_others(outcome: Outcome) -> Pace:
    """Of all sessions but the odd one."""
    odd = int((outcome.truth.schema.metadata or {})[b"odd"])
    others = [s for s, number in outcome.session_numbers().items() if number != odd]
    return pace_of(outcome.appends_of(others), SESSIONS, outcome.trial.chunk_ms, outcome.window)

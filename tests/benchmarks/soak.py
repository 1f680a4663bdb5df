"""What hours do to the engine: memory, open files and lost appends over a long run.

    python -m tests.benchmarks.soak [--minutes 30] [--sessions 500]

Takes as long as it says, and ten minutes before at 90 % of what one core carries.
"""

from __future__ import annotations

import argparse

from tests.benchmarks.benchmark import Benchmark
from tests.benchmarks.engine import measure_drift
from tests.benchmarks.reading import Sample, owed_and_sent, slope_percent_per_hour
from tests.benchmarks.results import add_results, read_levels, read_results, write_results
from tests.benchmarks.table import Section, text_table
from tests.benchmarks.trial import Trial

SESSIONS = 500
MINUTES = 30
SLOPE_LIMIT = 1.0
_WARM_UP_SHARE = 0.2


def measure_soak(benchmark: Benchmark, minutes: float, sessions: int) -> Section:
    """One long run; the first fifth of it is warm-up."""
    section = Section(f"{minutes:g} min at {sessions:,} sessions")
    benchmark.say(f"  {minutes:g} min at {sessions}")
    warm_up_s = minutes * 60 * _WARM_UP_SHARE
    trial = Trial(sessions, warm_up_s=warm_up_s, seconds=minutes * 60 - warm_up_s)
    outcome = benchmark.run(trial)
    if outcome is None:
        return section
    assert outcome.events is not None
    samples, window = outcome.watch.client, outcome.window
    files = [s.files for s in samples if window.from_ns <= s.at_ns < window.to_ns]
    owed, sent = owed_and_sent(outcome.appends, outcome.events, trial.chunk_ms)
    slope = slope_percent_per_hour(samples, window)
    section.ask_at_most("slope of memory, per hour", slope, SLOPE_LIMIT, " %", 2)
    section.tell("memory at the end", samples_mb(samples, window.to_ns), " MB")
    section.ask_at_most("open files, last less first", files[-1] - files[0], 0)
    section.tell("appends due", owed)
    section.ask_at_most("due and never sent", abs(owed - sent), 0)
    section.tell("p99 lateness", outcome.pace.p99_ms, " ms", 2)
    return section


def samples_mb(samples: list[Sample], at_ns: int) -> float | None:
    """Resident memory at an instant."""
    until = [sample.rss_bytes for sample in samples if sample.at_ns <= at_ns]
    return until[-1] / 1e6 if until else None


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--only-soak", action="store_true", help="leave the ten minutes out")
    parser.add_argument("--write", action="store_true", help="keep the results in RESULTS.md")
    options = parser.parse_args()
    benchmark = Benchmark(lambda text: print(text, flush=True), read_levels(), long=True)
    measured: dict[str, list[Section]] = {}
    if not options.only_soak:
        measured["drift"] = [measure_drift(benchmark)]
    measured["soak"] = [measure_soak(benchmark, options.minutes, options.sessions)]
    print(text_table([section for sections in measured.values() for section in sections]))
    if options.write:
        write_results(add_results(read_results(), measured, benchmark.levels))


if __name__ == "__main__":
    main()

"""How many sessions one core carries, beside clients as people write them, and at what cost.

A level holds when at least 99.5 % of the schedule was sent and p99 of lateness is below 2 ms,
with everything on: stamps, parsing, recording, conversations.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from tests.benchmarks.benchmark import LATENESS_LIMIT_MS, MAIN, Benchmark, holds
from tests.benchmarks.reading import Pace, Window, owed_and_sent, pace_of
from tests.benchmarks.search import largest_level
from tests.benchmarks.table import Section, ratio
from tests.benchmarks.trial import Outcome, Trial

ASYNCIO = "asyncio + websockets, ws, 20 ms"
GEVENT = "gevent + websocket-client, ws, 20 ms"
LOOP = "bare send loop, ws, 20 ms"
TLS = "rtbench, wss, 20 ms"
SLOW_CHUNKS = "rtbench, ws, 100 ms"
TWO = "rtbench, ws, 20 ms, two processes, two cores"
SHARED = "rtbench, ws, 20 ms, target on the same core"

_LOOP = Trial(0, client="send_loop", rate=2_000, target_options=("--mute",))
_BOTH = (0, 1)

CAPACITIES: dict[str, tuple[Trial, int]] = {
    MAIN: (Trial(0), 1_400),
    LOOP: (_LOOP, 2_000),
    ASYNCIO: (Trial(0, client="reference_asyncio"), 400),
    GEVENT: (Trial(0, client="reference_gevent"), 100),
    SLOW_CHUNKS: (Trial(0, chunk_ms=100), 2_500),
    TLS: (Trial(0, tls=True), 900),
}
"""What is searched for, and where to begin when nothing is known."""

FIRST_CALLERS = 200
"""Of the ramp; `ramp_callers` says so too."""

_MOST_TRIES = 12


def search_level(benchmark: Benchmark, name: str, template: Trial, guess: int) -> list[Outcome]:
    """Find the largest level, note it; the outcomes that held on it."""
    benchmark.say(f"  {name}")
    best: dict[int, list[Outcome]] = {}

    def attempt(sessions: int) -> bool:
        outcome = benchmark.run(replace(template, sessions=sessions))
        if outcome is None or not holds(outcome):
            return False
        best.setdefault(sessions, []).append(outcome)
        for level in sorted(best)[:-1]:  # tables are large, and only the best are looked at
            del best[level]
        return True

    guess = benchmark.guesses.get(name, guess)
    found = largest_level(attempt, guess, most_tries=_MOST_TRIES)
    benchmark.levels[name] = found.level
    settled = "" if found.settled else f", not settled within {_MOST_TRIES} tries"
    benchmark.say(f"    largest level that holds: {found.level}{settled}")
    return best.get(found.level or 0, [])


def measure_capacity(benchmark: Benchmark) -> Section:
    """Sessions on one core for each client, ratios, and what they cost."""
    section = Section("Sessions on one core (≥ 99.5 % of schedule sent, p99 lateness < 2 ms)")
    best: list[Outcome] = []
    for name, (template, guess) in CAPACITIES.items():
        outcomes = search_level(benchmark, name, template, guess)
        best = outcomes if name == MAIN else best
    levels = benchmark.levels
    main = levels[MAIN]
    section.ask_at_least(MAIN, main, 1_200)
    for name in list(CAPACITIES)[1:]:
        section.tell(name, levels[name])
    section.ask_at_least("  rtbench ÷ asyncio", ratio(main, levels[ASYNCIO]), 5, " x", 1)
    section.ask_at_least("  rtbench ÷ gevent", ratio(main, levels[GEVENT]), 25, " x", 1)
    section.ask_at_least("  rtbench ÷ bare send loop", ratio(main, levels[LOOP]), 0.3, " x", 2)
    section.tell("  bare send loop ÷ asyncio", ratio(levels[LOOP], levels[ASYNCIO]), " x", 1)
    section.tell("  bare send loop ÷ gevent", ratio(levels[LOOP], levels[GEVENT]), " x", 1)
    section.ask_at_least("  wss ÷ ws", ratio(levels[TLS], main), 0.6, " x", 2)
    _tell_costs(section, best)
    section.figures = {"levels": dict(levels)}
    return section


def _tell_costs(section: Section, best: list[Outcome]) -> None:
    """What a try at the level took; the median of those that held."""

    def middle(name: str) -> float | None:
        values = [getattr(outcome, name) for outcome in best]
        return median(values) if values else None

    late = [outcome.pace.p99_ms for outcome in best if outcome.pace.p99_ms is not None]
    section.ask_at_most("at that level: p99 lateness", min(late, default=None), 2, " ms", 2)
    section.tell("at that level: p99 client lag", middle("lag_p99_ms"), " ms", 2)
    section.tell(
        "at that level: CPU per append, replies included", middle("cpu_us_per_append"), " µs", 1
    )
    section.ask_at_most(
        "at that level: memory per session, parts apart", middle("rss_per_session_kb"), 60, " kB"
    )
    section.tell("at that level: events received per second", middle("events_per_s"))
    section.tell("at that level: MB received per second", middle("in_mb_per_s"), "", 1)
    section.tell(
        "at that level: the target's share of its core", _percent(middle("target_share")), " %"
    )


def _percent(share: float | None) -> float | None:
    return None if share is None else share * 100


def measure_processes(benchmark: Benchmark) -> Section:
    """Two processes on two cores against one on one, each with its share of the target."""
    section = Section("Two processes on two cores")
    one = Trial(0, load_cores=(0,), target_cores=(0,))
    two = Trial(0, load_cores=_BOTH, target_cores=_BOTH, processes=2)
    search_level(benchmark, SHARED, one, round(benchmark.level * 0.8))
    alone = benchmark.levels[SHARED]
    search_level(benchmark, TWO, two, round((alone or benchmark.level) * 1.8))
    both = benchmark.levels[TWO]
    section.tell("one process and the target on one core", alone)
    section.tell("two processes and the target on two cores", both)
    section.ask_at_least("  two ÷ one, the target beside them", ratio(both, alone), 1.8, " x", 2)
    section.tell("  two with the target ÷ one without", ratio(both, benchmark.level), " x", 2)
    return section


def measure_light_load(benchmark: Benchmark) -> Section:
    """Lateness at 200 sessions."""
    section = Section("A light load")
    benchmark.say("  200 sessions")
    outcome = benchmark.run(Trial(200, seconds=16))
    late_ms = None if outcome is None else outcome.pace.p99_ms
    section.ask_at_most("p99 lateness at 200 sessions", late_ms, 0.5, " ms", 2)
    section.tell("CPU of the load", _percent(outcome and outcome.cpu_share), " %")
    return section


def measure_drift(benchmark: Benchmark) -> Section:
    """Appends sent and due over a longer time, at 90 % of the level."""
    minutes = 10 if benchmark.long else 1
    sessions = round(benchmark.level * 0.9)
    section = Section(f"{minutes} min at 90 % of the level ({sessions:,} sessions)")
    benchmark.say(f"  {minutes} min at {sessions}")
    outcome = benchmark.run(Trial(sessions, seconds=minutes * 60))
    if outcome is None:
        return section
    assert outcome.events is not None
    owed, sent = owed_and_sent(outcome.appends, outcome.events, 20)
    section.tell("appends due", owed)
    section.tell("appends sent", sent)
    section.ask_at_most("due and never sent", abs(owed - sent), 0)
    section.ask_at_most("p99 lateness", outcome.pace.p99_ms, LATENESS_LIMIT_MS, " ms", 2)
    from_ns, to_ns = outcome.window.from_ns, outcome.window.to_ns
    tenth_ns = (to_ns - from_ns) // 10
    first = pace_of(outcome.appends, sessions, 20, Window(from_ns, from_ns + tenth_ns))
    last = pace_of(outcome.appends, sessions, 20, Window(to_ns - tenth_ns, to_ns))
    if first.p50_ms is not None and last.p50_ms is not None:
        drift_ms = last.p50_ms - first.p50_ms
        section.ask_at_most(
            "drift: median lateness, last tenth less first", drift_ms, 0.1, " ms", 3
        )
    return section


def measure_ramp(benchmark: Benchmark) -> Section:
    """Lateness of 200 running sessions while 1,000 more connect at 200/s."""
    section = Section("1,000 sessions connect at 200/s while 200 run")
    benchmark.say("  ramp of 1,000 beside 200")
    trial = Trial(1_200, scenario="ramp_callers.py", rate=200, warm_up_s=8, seconds=7)
    outcome = benchmark.run(trial, judge=_pace_of_running)
    if outcome is None:
        return section
    running, window = _ramp(outcome)
    before = Window(window.from_ns - 4_000_000_000, window.from_ns)
    quiet = pace_of(outcome.appends_of(running), len(running), 20, before)
    section.tell("the ramp took", window.seconds, " s", 1)
    section.tell("p99 lateness of those running, before", quiet.p99_ms, " ms", 2)
    pace = outcome.pace
    section.ask_at_most("p99 lateness of those running, meanwhile", pace.p99_ms, 5, " ms", 2)
    section.tell("largest lateness of those running, meanwhile", pace.max_ms, " ms", 2)
    return section


def _pace_of_running(outcome: Outcome) -> Pace:
    running, window = _ramp(outcome)
    return pace_of(outcome.appends_of(running), len(running), 20, window)


def _ramp(outcome: Outcome) -> tuple[list[str], Window]:
    """The sessions that ran before it; from the first connection of the others to their last."""
    starts = outcome.session_instants("audio_started")
    connects = outcome.session_instants("connect_started")
    order = sorted(starts, key=starts.__getitem__)
    running, others = order[:FIRST_CALLERS], order[FIRST_CALLERS:]
    return running, Window(min(connects[s] for s in others), max(starts[s] for s in others))

"""What the benchmark makes of trials whose outcomes are known."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from tests.benchmarks import benchmark as benchmark_module
from tests.benchmarks.benchmark import MAIN, Benchmark, holds
from tests.benchmarks.engine import ASYNCIO, GEVENT, LOOP, TLS, measure_capacity
from tests.benchmarks.processes import Watch
from tests.benchmarks.reading import Pace, Window
from tests.benchmarks.trial import Outcome, Trial

NOTHING = pa.table({})


def outcome(
    trial: Trial, p99_ms: float = 1.0, *, share: float = 1.0, others: float = 0.0
) -> Outcome:
    owed = trial.sessions * 500
    return Outcome(
        trial,
        Window(0, 10_000_000_000),
        Pace(owed, round(owed * share), 0.1, p99_ms, p99_ms),
        cpu_share=0.5,
        target_share=0.1,
        others_share=others,
        rss_per_session_kb=40.0,
        lag_p99_ms=1.0,
        events_per_s=10_000.0,
        in_mb_per_s=40.0,
        appends=NOTHING,
        events=None,
        turns=None,
        truth=NOTHING,
        watch=Watch.__new__(Watch),
    )


@pytest.fixture
def benchmark(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[Trial], Outcome]], Benchmark]:
    def make(run_trial: Callable[[Trial], Outcome]) -> Benchmark:
        monkeypatch.setattr(benchmark_module, "run_trial", run_trial)
        monkeypatch.setattr(benchmark_module, "await_quiet", lambda: None)
        return Benchmark(lambda _: None, {})

    return make


def test_schedule_is_kept_only_if_enough_was_sent_and_in_time() -> None:
    trial = Trial(100)
    assert holds(outcome(trial, 1.99, share=0.995))
    assert not holds(outcome(trial, 2.0))
    assert not holds(outcome(trial, 1.0, share=0.9949))
    assert not holds(None)


def test_capacities_are_found_and_related(benchmark) -> None:
    limits = {"rtbench": 1_500, "send_loop": 3_000}
    limits |= {"reference_asyncio": 250, "reference_gevent": 45}

    def run_trial(trial: Trial) -> Outcome:
        limit = limits[trial.client] * (0.5 if trial.tls else 1)
        return outcome(trial, 1.0 if trial.sessions <= limit else 9.0)

    bench = benchmark(run_trial)
    section = measure_capacity(bench)
    rows = {row.what.strip(): row for row in section.rows}
    assert 1_500 / 1.06 <= bench.level <= 1_500
    assert rows[MAIN].met
    assert rows["rtbench ÷ asyncio"].met
    assert rows["rtbench ÷ gevent"].met
    assert rows["rtbench ÷ bare send loop"].met
    assert rows["wss ÷ ws"].verdict == "MISSED"
    assert {MAIN, ASYNCIO, GEVENT, LOOP, TLS} <= set(section.figures["levels"])
    cost = bench.level * 500
    assert rows["at that level: CPU per append, replies included"].figure == (
        f"{0.5 * 10e6 / cost:.1f} µs"
    )


def test_trial_that_others_disturbed_is_repeated_once_if_it_failed(benchmark) -> None:
    ran: list[Trial] = []

    def disturbed(trial: Trial) -> Outcome:
        ran.append(trial)
        return outcome(trial, 9.0, others=0.5)

    benchmark(disturbed).run(Trial(10))
    assert len(ran) == 2


def test_trial_that_held_or_was_alone_is_not_repeated(benchmark) -> None:
    ran: list[Trial] = []

    def fine(trial: Trial) -> Outcome:
        ran.append(trial)
        return outcome(trial, 1.0, others=0.5)

    def slow(trial: Trial) -> Outcome:
        ran.append(trial)
        return outcome(trial, 9.0)

    benchmark(fine).run(Trial(10))
    benchmark(slow).run(Trial(10))
    assert len(ran) == 2


def test_client_that_leaves_no_record_has_failed(benchmark) -> None:
    def broken(trial: Trial) -> Outcome:
        raise RuntimeError("left no record")

    bench = benchmark(broken)
    assert bench.run(Trial(10)) is None
    assert measure_capacity(bench).rows[0].figure == "-"

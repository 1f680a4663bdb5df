"""All benchmarks of the engine, in one table: about 30 minutes on two cores.

    python -m tests.benchmarks [STEP…] [--write] [--long]

A machine that does something else meanwhile spoils it. Everything runs on loopback.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from bench.runs.environment import describe_host
from tests.benchmarks.accuracy import measure_accuracy
from tests.benchmarks.benchmark import MAIN, Benchmark
from tests.benchmarks.engine import (
    measure_capacity,
    measure_drift,
    measure_light_load,
    measure_processes,
    measure_ramp,
)
from tests.benchmarks.neighbours import measure_neighbours
from tests.benchmarks.processes import ROOT
from tests.benchmarks.results import (
    add_results,
    describe_duty,
    describe_machine,
    read_levels,
    read_results,
    write_results,
)
from tests.benchmarks.table import Section, text_table

_REPORT_TIMEOUT_S = 900


def measure_report(benchmark: Benchmark) -> Section:
    """`report_scale`, which prints its figures as JSON in the last line."""
    section = Section("`rtbench report` on a large run")
    benchmark.say("  report_scale")
    command = [sys.executable, "-m", "tests.benchmarks.report_scale"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=_REPORT_TIMEOUT_S, check=False
    )
    if done.returncode:
        benchmark.say(done.stderr)
        return section
    figures = json.loads(done.stdout.splitlines()[-1])
    section.figures = figures
    section.tell("turns", figures["turns"])
    section.tell("appends", figures["appends"])
    section.tell("report", figures["report_s"], " s", 1)
    section.tell("report, peak memory", figures["report_peak_mib"], " MiB")
    section.tell("report.html", figures["page_mib"], " MiB", 2)
    return section


STEPS: dict[str, Callable[[Benchmark], Section]] = {
    "capacity": measure_capacity,
    "light": measure_light_load,
    "drift": measure_drift,
    "accuracy": measure_accuracy,
    "neighbours": measure_neighbours,
    "ramp": measure_ramp,
    "processes": measure_processes,
    "report": measure_report,
}


def main() -> None:
    """Run the steps asked for, print the table, keep the results if told to."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(STEPS))
    parser.add_argument("--write", action="store_true", help="keep the results in RESULTS.md")
    parser.add_argument("--long", action="store_true", help="drift over 10 minutes, not one")
    parser.add_argument("--json", type=Path, help="also write all trials there")
    parser.add_argument("--level", type=int, help="sessions a core carries, if not measured now")
    options = parser.parse_args()
    unknown = set(options.steps) - set(STEPS)
    if unknown:
        parser.error(f"no step {', '.join(sorted(unknown))}; there are {', '.join(STEPS)}")
    guesses = read_levels()
    if options.level:
        guesses[MAIN] = options.level
    benchmark = Benchmark(lambda text: print(text, flush=True), guesses, options.long)
    began_s = time.monotonic()
    measured: dict[str, list[Section]] = {}
    for name, measure in STEPS.items():
        if options.steps and name not in options.steps:
            continue
        benchmark.say(f"{name}, at {(time.monotonic() - began_s) / 60:.1f} min")
        try:
            measured[name] = [measure(benchmark)]
        except Exception:  # noqa: BLE001 - what the other steps found must not be lost
            benchmark.say(traceback.format_exc())
            measured[name] = [Section(f"{name}: failed, see above")]
        else:
            if options.write:
                found = {name: measured[name]}
                write_results(add_results(read_results(), found, benchmark.levels))
    print(f"\nMachine: {describe_machine(describe_host())}.\nLoad: {describe_duty()}.\n")
    print(text_table([section for sections in measured.values() for section in sections]))
    if options.json:
        options.json.write_text(json.dumps(benchmark.trials, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""Every scenario against the embedded server, and whether what it is about came to be.

    python -m tests.benchmarks.scenarios [--only pauses] [--seconds 20] [--write]
    python -m tests.benchmarks.scenarios --faults
    python -m tests.benchmarks.scenarios --withheld

Exits with 1 when a demand is not met. `--write` keeps the table in scenarios/RESULTS.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.load.embedded import embedded_server
from tests.benchmarks.scenarios.case import CASES, Case
from tests.benchmarks.scenarios.demands import Finding
from tests.benchmarks.scenarios.faults import run_faults
from tests.benchmarks.scenarios.page import write_section
from tests.benchmarks.scenarios.trial import ATTEMPTS, NoRecord, run_trial, say
from tests.benchmarks.scenarios.withheld import run_withheld

SPOILED_LIMIT = 0.1
"""Share of turns that the instrument itself may have spoiled; more, and a run tells nothing."""

HEADS = ("scenario", "turns", "outcomes", "ttfa p50, ms", "lateness p99, ms", "demand", "")


def run_case(case: Case, host: str, folder: Path, users: int, seconds: float) -> list[str]:
    """One line of the table, as HEADS."""
    try:
        trial = run_trial(
            [case.scenario], host, folder, users=users, seconds=seconds, options=case.options
        )
    except NoRecord as problem:
        return [case.title, "0", "-", "-", "-", str(problem), "MISSED"]
    outcomes = Counter(turn.outcome for turn in trial.record.turns)
    outcomes.pop("stopped", None)
    ttfa_ms = trial.summary["metrics"]["ttfa_ms"]["p50"]["value"]
    late_ms = trial.summary["pacing"]["lateness_ms"]["p99"]["value"]
    finding = case.demand(trial.turns)
    if outcomes["client_late"] > SPOILED_LIMIT * outcomes.total():
        finding = Finding(False, "the machine was too busy to tell")
    return [
        case.title,
        str(outcomes.total()),
        ", ".join(f"{count} {name}" for name, count in outcomes.most_common() if count),
        "-" if ttfa_ms is None else f"{ttfa_ms:.0f}",
        "-" if late_ms is None else f"{late_ms:.2f}",
        finding.told,
        "met" if finding.met else "MISSED",
    ]


def run_cases(users: int, seconds: float, only: list[str]) -> list[list[str]]:
    """Lines of the table, each told as it comes."""
    rows = []
    with tempfile.TemporaryDirectory() as scratch, embedded_server() as server:
        for number, case in enumerate(CASES):
            if only and case.scenario not in only:
                continue
            row: list[str] = []
            for attempt in range(ATTEMPTS):
                folder = Path(scratch) / f"{number:02d}-{attempt}"
                row = run_case(case, server.url, folder, users, seconds)
                if row[-1] != "MISSED":
                    break
            rows.append(row)
            say("  ".join(row))
    return rows


def main() -> None:
    """Run what is asked for; exit with 1 when a demand is not met."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.scenarios",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these, not all")
    parser.add_argument("--seconds", type=float, help="length of a run; 20, of a fault's 12")
    parser.add_argument("--users", type=int, default=10, help="callers at a time; 10")
    parser.add_argument("--faults", action="store_true", help="each fault over five scenarios")
    parser.add_argument("--withheld", action="store_true", help="speech_stopped withheld or not")
    parser.add_argument("--write", action="store_true", help="keep it in scenarios/RESULTS.md")
    options = parser.parse_args()
    if options.faults:
        title, heads, rows = run_faults(options.users, options.seconds or 12.0, options.only)
    elif options.withheld:
        title, heads, rows = run_withheld(options.users, options.seconds or 20.0)
    else:
        unknown = set(options.only) - {case.scenario for case in CASES}
        if unknown:
            parser.error(f"no scenario {', '.join(sorted(unknown))}")
        seconds = options.seconds or 20.0
        title = f"Each scenario, {options.users} callers, {seconds:g} s"
        heads, rows = HEADS, run_cases(options.users, seconds, options.only)
    if options.write:
        write_section(title, heads, rows)
    missed = [row[0] for row in rows if row[-1] == "MISSED"]
    say(f"{len(rows)} rows, missed: {', '.join(missed) or 'none'}")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

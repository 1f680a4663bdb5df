"""How often the whole path from server to verdict is right, on real runs against `rtbench serve`.

    python -m tests.benchmarks.verify_check [--trials 20] [--users 110] [--run-time 26s]

Three servers: one as it is, one whose replies begin 60 ms later, one where that happens to one
reply in twenty. A trial is a run of each, compared with the first server's run of the trial
before: PASS, REGRESSION, and REGRESSION in the tail of the response latency. Exits with 1 when
one of them is told another verdict.

A run that the machine was too busy for is INVALID, as it should be: it is made again, `--again`
times in all, and counted.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.analysis.decision import Decision
from bench.analysis.finding import PASS, REGRESSION, TAIL
from bench.gate.comparing import compare_read
from bench.gate.reading import ReadRun, read_run
from bench.load.command import locust_command
from bench.load.embedded import embedded_server

ROOT = Path(__file__).resolve().parents[2]
SCENARIO = ROOT / ".github" / "latency" / "brief.py"
SLOWER_MS = 60
PROFILE = """
[delays]
reply = {reply}
transcript = 0
"""
REPLIES = {
    "same": "60",
    "slower": f"{60 + SLOWER_MS}",
    "tail": f"{{ ms = 60, tail = {{ share = 0.05, add_ms = {SLOWER_MS} }} }}",
}
"""Delays of replies, by what the server is called: short, so that a run has many turns."""

RIGHT = {"same": PASS, "slower": REGRESSION, "tail": REGRESSION}


@dataclass
class Told:
    """How often each case was told what."""

    verdicts: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in RIGHT}
    )
    invalid: int = 0

    def note(self, name: str, decision: Decision) -> str:
        """Count a decision; gives the verdict that counts."""
        assert decision.gate is not None
        verdict = decision.verdict
        if name == "tail":
            verdict = next(
                finding.verdict
                for finding in decision.gate.findings
                if (finding.metric, finding.statistic) == ("response_latency_ms", TAIL)
            )
        self.verdicts[name][verdict] += 1
        return verdict

    @property
    def kept(self) -> bool:
        return all(set(counts) <= {RIGHT[name]} for name, counts in self.verdicts.items())

    def __str__(self) -> str:
        lines = []
        for name, counts in self.verdicts.items():
            right = RIGHT[name]
            mark = "ok  " if set(counts) <= {right} else "MISS"
            lines.append(
                f"{mark} {name:7} {right} {counts[right]} of {counts.total()}  {dict(counts)}"
            )
        return "\n".join([*lines, f"invalid runs, made again: {self.invalid}"])


class Runs:
    """Makes valid runs against servers of known delays."""

    def __init__(self, folder: Path, hosts: dict[str, str], *, users: int, run_time: str) -> None:
        self._folder, self._hosts = folder, hosts
        self._users, self._run_time = users, run_time
        self._made = 0
        self.invalid = 0

    def make(self, name: str, again: int) -> ReadRun:
        """A valid run; raises RuntimeError once more than `again` in all were not."""
        while True:
            self._made += 1
            run_id = f"{self._made:03d}-{name}"
            command = locust_command(
                SCENARIO,
                users=self._users,
                spawn_rate=self._users / 2,  # callers of one instant would all be heard at once
                run_time=self._run_time,
                host=self._hosts[name],
            )
            command += ["--runs-dir", str(self._folder), "--run-id", run_id]
            subprocess.run(
                [*command, "--vad-silence-ms", "200"], capture_output=True, check=False, cwd=ROOT
            )
            run = read_run(self._folder / run_id)
            if not run.invalid:
                return run
            self.invalid += 1
            print(f"  {run_id} invalid: {run.invalid[0]}", flush=True)
            if self.invalid > again:
                raise RuntimeError("too busy a machine: too many runs are invalid")


def verify(trials: int, users: int, run_time: str, again: int) -> Told:
    """Make the runs and compare them, telling of each trial in a line."""
    told = Told()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        hosts = {}
        for name, reply in REPLIES.items():
            profile = folder / f"{name}.toml"
            profile.write_text(PROFILE.format(reply=reply), encoding="utf-8")
            server = embedded_server("--profile", str(profile), "--vad", "energy")
            hosts[name] = stack.enter_context(server).url
        runs = Runs(folder, hosts, users=users, run_time=run_time)
        baseline = runs.make("same", again)
        for trial in range(trials):
            begun_s = time.monotonic()
            made = {name: runs.make(name, again) for name in REPLIES}
            words = []
            for name, run in made.items():
                decision = compare_read(baseline, run)
                verdict = told.note(name, decision)
                assert decision.gate is not None
                least = min(finding.n_candidate for finding in decision.gate.findings)
                words.append(f"{name} {verdict} (N {least})")
            baseline = made["same"]
            seconds = time.monotonic() - begun_s
            print(f"trial {trial + 1}: {', '.join(words)}; {seconds:.0f} s", flush=True)
        told.invalid = runs.invalid
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--users", type=int, default=110)
    parser.add_argument("--run-time", default="26s", help="of each run (default: 26s)")
    parser.add_argument("--again", type=int, default=40, help="invalid runs borne with")
    options = parser.parse_args()
    told = verify(options.trials, options.users, options.run_time, options.again)
    print(told)
    return 0 if told.kept else 1


if __name__ == "__main__":
    sys.exit(main())

"""What does each setting of one knob win in waiting, and what does it cost in callers cut off?

    python scenarios/sweep.py --vad-silence-ms 200 500 800 -u 10 -t 20s

makes one run for each value and prints them side by side; every other option goes to Locust as
it is. As a locustfile it is one of those runs.
"""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from locust import between, task

from bench.load.users import RealtimeUser


class Sweep(RealtimeUser):
    """Asks a question in one go, then says a sentence with a pause of 0.7 s in it."""

    wait_time = between(0.5, 1.5)

    @task
    def speak(self) -> None:
        """Say both."""
        for utterance in ("question", "mid_pause"):
            self.session.say(utterance).wait()
            self.wait()


def sweep(knob: str, values: list[str], options: list[str]) -> None:
    """Run once for each value of the option `knob`, and print a line for each run."""
    began = f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
    lines = [f"{knob:<24}{'turns':>8}{'cut off':>9}{'ttfa p50, ms':>14}"]
    for value in values:
        run_id = f"{began}-{knob.strip('-')}-{value}"
        run = [sys.executable, "-m", "bench.cli", "run", __file__, "--run-id", run_id]
        subprocess.run([*run, knob, value, *options], check=False)  # noqa: S603 - our own program
        summary = json.loads(Path("reports", run_id, "summary.json").read_text("utf-8"))
        turns, ttfa = summary["turns"], summary["metrics"]["ttfa_ms"]["p50"]["value"]
        waited = "-" if ttfa is None else f"{ttfa:.0f}"
        lines.append(f"{value:<24}{turns['started']:>8}{turns['cut_off']:>9}{waited:>14}")
    print("\n" + "\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    rest = sys.argv[2:]
    count = next((n for n, word in enumerate(rest) if word.startswith("-")), len(rest))
    if not count:
        sys.exit("sweep: which option, and which values? " + str(__doc__).splitlines()[2].strip())
    sweep(sys.argv[1], rest[:count], rest[count:])

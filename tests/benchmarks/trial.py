"""Turns a number of sessions into one measured run of a client against the light target.

    python -m tests.benchmarks.trial --sessions 1000 [--chunk-ms 20] [--tls] [--keep DIR]

The client has one core, the target another. The first and last seconds do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tests.benchmarks.duty import PERIOD_MS
from tests.benchmarks.processes import Watch, run_client, running_target
from tests.benchmarks.reading import (
    Pace,
    Window,
    cpu_between,
    first_dues,
    growth_bytes,
    others_share,
    pace_of,
    session_instants,
)
from tests.benchmarks.target import CERTIFICATE_DIRECTORY
from tests.benchmarks.wire import session_number

HERE = Path(__file__).resolve().parent
FASTEST_RAMP = 250
"""Sessions a second."""
_AFTER_S = 2
_GRACE_S = 120


@dataclass(frozen=True, slots=True)
class Trial:
    """What is run: `client` is `rtbench` or the module of a reference client."""

    sessions: int
    client: str = "rtbench"
    chunk_ms: int = 20
    tls: bool = False
    seconds: float = max(PERIOD_MS / 1000, 10)
    warm_up_s: float = 3
    processes: int = 1
    scenario: str = "callers.py"
    rate: float | None = None
    """Sessions begun per second; None: a ramp of whole turns, so that callers ask evenly."""
    load_cores: tuple[int, ...] = (0,)
    target_cores: tuple[int, ...] = (1,)
    target_options: tuple[str, ...] = ()

    @property
    def spawn_rate(self) -> float:
        """Sessions a second."""
        if self.rate is not None:
            return self.rate
        turns = max(math.ceil(self.sessions / FASTEST_RAMP / (PERIOD_MS / 1000)), 1)
        return self.sessions / (turns * PERIOD_MS / 1000)

    @property
    def run_time_s(self) -> int:
        """From the first session's start to the end of all."""
        return math.ceil(self.before_s + self.seconds + _AFTER_S)

    @property
    def before_s(self) -> float:
        """What does not count, from the first frame on."""
        return self.sessions / self.spawn_rate + self.warm_up_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a trial; the tables are there for further questions."""

    trial: Trial
    window: Window
    pace: Pace
    cpu_share: float
    """CPU seconds of the load in the window, per second."""
    target_share: float
    others_share: float
    """What other processes took of the load's cores, per second."""
    rss_per_session_kb: float | None
    """Of the Locust process; None where there are several."""
    lag_p99_ms: float | None
    events_per_s: float | None
    in_mb_per_s: float | None
    appends: pa.Table = field(repr=False)
    events: pa.Table | None = field(repr=False)
    turns: pa.Table | None = field(repr=False)
    truth: pa.Table = field(repr=False)
    watch: Watch = field(repr=False)

    @property
    def cpu_us_per_append(self) -> float:
        """CPU time of the load in the window over the frames it sent there."""
        return self.cpu_share * self.window.seconds * 1e6 / max(self.pace.sent, 1)

    def session_instants(self, kind: str) -> dict[str, int]:
        """When each session had its event of that kind."""
        assert self.events is not None
        return session_instants(self.events, kind)

    def session_numbers(self) -> dict[str, int]:
        """What the target calls each session."""
        assert self.events is not None
        rows = self.events.filter(pc.equal(self.events["kind"], "session_created"))
        details = map(json.loads, rows["detail"].to_pylist())
        numbers = [session_number(detail["session"]) for detail in details]
        return dict(zip(rows["session_id"].to_pylist(), numbers, strict=True))

    def appends_of(self, sessions: Collection[str]) -> pa.Table:
        """Frames of some sessions."""
        wanted = pa.array(sorted(sessions), pa.string())
        return self.appends.filter(pc.is_in(self.appends["session_id"], wanted))

    def figures(self) -> dict[str, object]:
        """Everything but the tables, for a JSON file."""
        names = ("cpu_share", "target_share", "others_share", "cpu_us_per_append")
        names += ("rss_per_session_kb", "lag_p99_ms", "events_per_s", "in_mb_per_s")
        return {
            "trial": asdict(self.trial),
            "window_s": self.window.seconds,
            **asdict(self.pace),
            "share": self.pace.share,
            **{name: getattr(self, name) for name in names},
        }

    def line(self) -> str:
        """The figures that tell most, for a terminal."""
        trial, pace = self.trial, self.pace
        late = "-" if pace.p99_ms is None else f"{pace.p99_ms:.2f}"
        lag = "" if self.lag_p99_ms is None else f", lag p99 {self.lag_p99_ms:.2f} ms"
        return (
            f"{trial.client} {trial.sessions}: {pace.share:.2%} sent, p99 {late} ms late{lag}, "
            f"{self.cpu_us_per_append:.1f} µs/append, CPU {self.cpu_share:.0%}, "
            f"others {self.others_share:.0%}"
        )


def run_trial(trial: Trial, keep: Path | None = None) -> Outcome:
    """Run it; the record stays in `keep` when given.

    Raises:
        RuntimeError: the client left no record, or did not end.
    """
    with contextlib.ExitStack() as stack:
        home = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder, truth, log = home / "run", home / "truth.parquet", home / "log"
        home.mkdir(parents=True, exist_ok=True)
        variables = {}
        if trial.tls:
            variables["SSL_CERT_FILE"] = str(CERTIFICATE_DIRECTORY / "certificate.pem")
        if trial.client != "rtbench":
            folder.mkdir()
        options = (*trial.target_options, *(("--tls",) if trial.tls else ()))
        with running_target(*options, cores=trial.target_cores, truth=truth) as (url, target):
            watch = run_client(
                client_command(trial, url, folder),
                variables,
                cores=trial.load_cores,
                log=log,
                timeout_s=trial.run_time_s + max(_GRACE_S, trial.seconds / 2),
                target=target,
            )
        if not (folder / "appends.parquet").exists():
            raise RuntimeError(f"left no record\n{log.read_text(errors='replace')[-2000:]}")
        return read_outcome(trial, folder, truth, watch)


def client_command(trial: Trial, url: str, folder: Path) -> list[str]:
    """How the client is started; it leaves its record in `folder`."""
    rate = f"{trial.spawn_rate:g}"
    if trial.client != "rtbench":
        command = [sys.executable, "-m", f"tests.benchmarks.{trial.client}", "--url", url]
        command += ["--sessions", str(trial.sessions), "--rate", rate]
        command += ["--seconds", str(trial.run_time_s), "--chunk-ms", str(trial.chunk_ms)]
        return [*command, "--out", str(folder / "appends.parquet")]
    command = [sys.executable, "-P", "-m", "locust", "-f", str(HERE / trial.scenario)]
    command += ["--headless", "--only-summary", "--skip-log-setup", "--host", url]
    command += ["--users", str(trial.sessions), "--spawn-rate", rate]
    command += ["--run-time", f"{trial.run_time_s}s", "--stop-timeout", "1"]
    command += ["--chunk-ms", str(trial.chunk_ms)]
    command += ["--runs-dir", str(folder.parent), "--run-id", folder.name]
    if trial.processes > 1:
        command += ["--processes", str(trial.processes)]
    return command


def read_outcome(trial: Trial, folder: Path, truth: Path, watch: Watch) -> Outcome:
    """The figures of a record. The window begins so long after the first frame was due."""
    columns = ["session_id", "index", "due_ns", "sent_ns"]
    appends = pq.read_table(folder / "appends.parquet", columns=columns).unify_dictionaries()
    begin_ns = min(first_dues(appends).values())
    from_ns = begin_ns + round(trial.before_s * 1e9)
    window = Window(from_ns, from_ns + round(trial.seconds * 1e9))
    shared = set(trial.target_cores) & set(trial.load_cores)
    ours = [watch.client, *([watch.target] if shared else [])]
    events = turns = lag_ms = events_per_s = in_mb_per_s = None
    if trial.client == "rtbench":
        columns = ["session_id", "kind", "at_ns", "read_ns", "size_bytes", "detail"]
        events = pq.read_table(folder / "events.parquet", columns=columns).unify_dictionaries()
        turns = pq.read_table(folder / "turns.parquet")
        came = events.filter(window.holds(events["read_ns"]))
        events_per_s = came.num_rows / window.seconds
        in_mb_per_s = (pc.sum(came["size_bytes"]).as_py() or 0) / 1e6 / window.seconds
        lag_ms = pc.quantile(pc.subtract(came["read_ns"], came["at_ns"]), 0.99)[0].as_py()
        lag_ms = None if lag_ms is None else lag_ms / 1e6
    return Outcome(
        trial,
        window,
        pace_of(appends, trial.sessions, trial.chunk_ms, window),
        cpu_between(watch.client, window) / window.seconds,
        cpu_between(watch.target, window) / window.seconds,
        others_share(watch.cores, ours, window),
        growth_bytes(watch.client, begin_ns, window.to_ns) / trial.sessions / 1000
        if trial.processes == 1
        else None,
        lag_ms,
        events_per_s,
        in_mb_per_s,
        appends,
        events,
        turns,
        pq.read_table(truth),
        watch,
    )


def main() -> None:
    """Run one trial and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, required=True)
    parser.add_argument("--client", default="rtbench")
    parser.add_argument("--chunk-ms", type=int, default=20)
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rate", type=float, help="sessions per second of the ramp")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--scenario", default="callers.py")
    parser.add_argument("--load-cores", default="0")
    parser.add_argument("--target-cores", default="1")
    parser.add_argument("--target-options", default="", help="options of the target, as one word")
    parser.add_argument("--keep", type=Path, help="folder for the record")
    options = vars(parser.parse_args())
    keep = options.pop("keep")
    for name in ("load_cores", "target_cores"):
        options[name] = tuple(map(int, options[name].split(",")))
    options["target_options"] = tuple(options["target_options"].split())
    outcome = run_trial(Trial(**options), keep)
    print(json.dumps(outcome.figures() | {"trial": None}, indent=1))
    print(outcome.line())


if __name__ == "__main__":
    main()

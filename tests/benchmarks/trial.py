"""Turns a number of sessions into one measured run of a client against the light target.

    python -m tests.benchmarks.trial --sessions 1000 [--chunk-ms 20] [--tls] [--keep DIR]

The target has one core, the client another. The first and last seconds do not count.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import monotonic_ns

import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.runs.folder import RunFolder
from tests.benchmarks.duty import PERIOD_MS
from tests.benchmarks.reading import (
    Pace,
    Sample,
    Window,
    cpu_between,
    first_dues,
    growth_bytes,
    pace_of,
)
from tests.benchmarks.target import certificate_directory

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
WARM_UP_S = 4
FASTEST_RAMP = 200
"""Sessions a second."""
_SAMPLE_S = 0.25
_AFTER_S = 2
_GRACE_S = 120


@dataclass(frozen=True, slots=True)
class Trial:
    """What is run: `client` is `rtbench` or the name of a reference client's module."""

    sessions: int
    client: str = "rtbench"
    chunk_ms: int = 20
    tls: bool = False
    seconds: float = 15
    processes: int = 1
    scenario: str = "callers.py"
    rate: float | None = None
    """Sessions begun per second; None: a ramp of whole turns, so that callers ask evenly."""
    load_cores: tuple[int, ...] = (0,)
    target_cores: tuple[int, ...] = (1,)
    target_options: tuple[str, ...] = ()
    variables: tuple[tuple[str, str], ...] = ()

    @property
    def spawn_rate(self) -> float:
        if self.rate is not None:
            return self.rate
        turns = max(math.ceil(self.sessions / FASTEST_RAMP / (PERIOD_MS / 1000)), 1)
        return self.sessions / (turns * PERIOD_MS / 1000)

    @property
    def ramp_s(self) -> float:
        return self.sessions / self.spawn_rate

    @property
    def run_time_s(self) -> int:
        return math.ceil(self.ramp_s + WARM_UP_S + self.seconds + _AFTER_S)


@dataclass(slots=True)
class Outcome:
    """What came of a trial; the tables are there for further questions."""

    trial: Trial
    window: Window
    pace: Pace
    cpu_share: float | None
    """CPU seconds of the load in the window, per second."""
    target_share: float | None
    cpu_us_per_append: float | None
    rss_per_session_kb: float | None
    lag_p99_ms: float | None
    events_per_s: float | None
    in_mb_per_s: float | None
    appends: pa.Table = field(repr=False)
    events: pa.Table | None = field(repr=False)
    truth: pa.Table | None = field(repr=False)
    samples: list[Sample] = field(repr=False)

    def figures(self) -> dict[str, object]:
        """Everything but the tables, for a JSON file."""
        names = ("cpu_share", "target_share", "cpu_us_per_append", "rss_per_session_kb")
        names += ("lag_p99_ms", "events_per_s", "in_mb_per_s")
        return {
            "trial": asdict(self.trial),
            "window_s": self.window.seconds,
            **asdict(self.pace),
            "share": self.pace.share,
            **{name: getattr(self, name) for name in names},
        }


@contextlib.contextmanager
def running_target(
    *options: str, cores: Sequence[int], truth: Path | None = None
) -> Iterator[tuple[str, psutil.Process]]:
    """The light target in a process of its own: its URL, and the process."""
    command = [sys.executable, "-m", "tests.benchmarks.target", *options]
    if truth is not None:
        command += ["--truth", str(truth)]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            os.sched_setaffinity(process.pid, cores)
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            if not line.startswith("listening on "):
                raise RuntimeError("the target did not start")
            yield line.removeprefix("listening on "), psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class Watch:
    """Samples processes and their children until left."""

    def __init__(self, *processes: psutil.Process) -> None:
        self.samples: list[list[Sample]] = [[] for _ in processes]
        self._processes = processes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(_SAMPLE_S):
            for process, samples in zip(self._processes, self.samples, strict=True):
                with contextlib.suppress(psutil.Error):
                    family = [process, *process.children()]
                    times = [member.cpu_times() for member in family]
                    rss = sum(member.memory_info().rss for member in family)
                    files = sum(member.num_fds() for member in family)
                    cpu_s = sum(time.user + time.system for time in times)
                    samples.append(Sample(monotonic_ns(), cpu_s, rss, files))


def client_command(trial: Trial, url: str, folder: Path) -> list[str]:
    """How the client is started; it leaves its record in `folder`."""
    if trial.client != "rtbench":
        command = [sys.executable, "-m", f"tests.benchmarks.{trial.client}", "--url", url]
        command += ["--sessions", str(trial.sessions), "--rate", f"{trial.spawn_rate:g}"]
        command += ["--seconds", str(trial.run_time_s), "--chunk-ms", str(trial.chunk_ms)]
        return [*command, "--out", str(folder / "appends.parquet")]
    command = [sys.executable, "-P", "-m", "locust", "-f", str(HERE / trial.scenario)]
    command += ["--headless", "--only-summary", "--skip-log-setup", "--host", url]
    command += ["--users", str(trial.sessions), "--spawn-rate", f"{trial.spawn_rate:g}"]
    command += ["--run-time", f"{trial.run_time_s}s", "--stop-timeout", "1"]
    command += ["--chunk-ms", str(trial.chunk_ms)]
    command += ["--runs-dir", str(folder.parent), "--run-id", folder.name]
    if trial.processes > 1:
        command += ["--processes", str(trial.processes)]
    return command


def run_trial(trial: Trial, keep: Path | None = None) -> Outcome:
    """Run it; the record stays in `keep` when given.

    Raises:
        RuntimeError: the client left no record, or did not end.
    """
    with tempfile.TemporaryDirectory() as scratch:
        home = keep or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        folder, truth = home / "run", home / "truth.parquet"
        if trial.client != "rtbench":
            folder.mkdir()
        options = (*trial.target_options, *(("--tls",) if trial.tls else ()))
        with running_target(*options, cores=trial.target_cores, truth=truth) as (url, target):
            samples, target_samples = _run_client(trial, url, folder, home / "log", target)
        return _read(trial, folder, truth, samples, target_samples)


def _run_client(
    trial: Trial, url: str, folder: Path, log: Path, target: psutil.Process
) -> list[list[Sample]]:
    environment = {**os.environ, **dict(trial.variables), "PYTHONPATH": str(ROOT)}
    environment.pop("OPENAI_API_KEY", None)
    if trial.tls:
        environment["SSL_CERT_FILE"] = str(certificate_directory() / "certificate.pem")
    with (
        log.open("wb") as output,
        subprocess.Popen(
            client_command(trial, url, folder),
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        ) as client,
        Watch(psutil.Process(client.pid), target) as watch,
    ):
        os.sched_setaffinity(client.pid, trial.load_cores)
        deadline = time.monotonic() + trial.run_time_s + _GRACE_S
        try:
            while client.poll() is None:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{trial}: did not end in time")
                time.sleep(0.2)
        finally:
            client.kill()
    if not (folder / "appends.parquet").exists():
        raise RuntimeError(f"{trial}: left no record\n{log.read_text(errors='replace')[-2000:]}")
    return watch.samples


def _read(
    trial: Trial, folder: Path, truth: Path, samples: list[Sample], target_samples: list[Sample]
) -> Outcome:
    appends = pq.read_table(folder / "appends.parquet").unify_dictionaries()
    events = RunFolder(folder).read_events() if trial.client == "rtbench" else None
    begin_ns = min(first_dues(appends))
    from_ns = begin_ns + round((trial.ramp_s + WARM_UP_S) * 1e9)
    window = Window(from_ns, from_ns + round(trial.seconds * 1e9))
    pace = pace_of(appends, trial.sessions, trial.chunk_ms, window)
    cpu_s = cpu_between(samples, window)
    target_s = cpu_between(target_samples, window)
    grown = growth_bytes(samples, begin_ns, window.to_ns)
    lag_ms = received = size_mb = None
    if events is not None:
        inside = pc.and_(
            pc.greater_equal(events["read_ns"], window.from_ns),
            pc.less(events["read_ns"], window.to_ns),
        )
        came = events.filter(inside)
        received = came.num_rows / window.seconds
        size_mb = (pc.sum(came["size_bytes"]).as_py() or 0) / 1e6 / window.seconds
        lag_ns = pc.subtract(came["read_ns"], came["at_ns"])
        lag_ms = pc.quantile(lag_ns, 0.99)[0].as_py()
        lag_ms = None if lag_ms is None else lag_ms / 1e6
    return Outcome(
        trial,
        window,
        pace,
        None if cpu_s is None else cpu_s / window.seconds,
        None if target_s is None else target_s / window.seconds,
        None if cpu_s is None or not pace.sent else cpu_s * 1e6 / pace.sent,
        None if grown is None else grown / trial.sessions / 1000,
        lag_ms,
        received,
        size_mb,
        appends,
        events,
        pq.read_table(truth) if truth.exists() else None,
        samples,
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
    options = parser.parse_args()
    trial = Trial(
        options.sessions,
        options.client,
        options.chunk_ms,
        options.tls,
        options.seconds,
        options.processes,
        options.scenario,
        options.rate,
        tuple(map(int, options.load_cores.split(","))),
        tuple(map(int, options.target_cores.split(","))),
        tuple(options.target_options.split()),
    )
    outcome = run_trial(trial, options.keep)
    print(json.dumps(outcome.figures(), indent=1))


if __name__ == "__main__":
    main()

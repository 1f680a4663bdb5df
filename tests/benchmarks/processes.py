"""Starts the processes of a trial, each on its cores, and samples what they use."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic_ns

import psutil

from tests.benchmarks.reading import Sample

ROOT = Path(__file__).resolve().parents[2]
_SAMPLE_S = 0.25


@contextlib.contextmanager
def running_target(
    *options: str, cores: Sequence[int], truth: Path | None = None
) -> Iterator[tuple[str, psutil.Process]]:
    """The light target in a process of its own: its URL, and the process.

    Raises:
        RuntimeError: it did not start.
    """
    command = [sys.executable, "-m", "tests.benchmarks.target", *options]
    if truth is not None:
        command += ["--truth", str(truth)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
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


def run_client(
    command: list[str],
    variables: dict[str, str],
    *,
    cores: Sequence[int],
    log: Path,
    timeout_s: float,
    target: psutil.Process,
) -> Watch:
    """Run a client to its end, whatever its exit code, and watch it and its target meanwhile.

    Raises:
        RuntimeError: it did not end in time; it was killed.
    """
    environment = {**os.environ, **variables, "PYTHONPATH": str(ROOT)}
    environment.pop("OPENAI_API_KEY", None)
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output
        ) as client,
    ):
        os.sched_setaffinity(client.pid, cores)
        with Watch(psutil.Process(client.pid), target, cores) as watch:
            try:
                client.wait(timeout_s)
            except subprocess.TimeoutExpired:
                for child in psutil.Process(client.pid).children(recursive=True):
                    child.kill()
                client.kill()
                raise RuntimeError(f"did not end within {timeout_s:g} s: {command}") from None
    return watch


class Watch:
    """Samples of a client with its children, of its target, and of the client's cores."""

    def __init__(
        self, client: psutil.Process, target: psutil.Process, cores: Sequence[int]
    ) -> None:
        self.client: list[Sample] = []
        self.target: list[Sample] = []
        self.cores: list[Sample] = []
        self._processes = ((client, self.client), (target, self.target))
        self._core_numbers = cores
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
            for process, samples in self._processes:
                with contextlib.suppress(psutil.Error):
                    samples.append(_sample_family(process))
            per_core = psutil.cpu_times(percpu=True)
            busy_s = sum(sum(per_core[n]) - per_core[n].idle for n in self._core_numbers)
            self.cores.append(Sample(monotonic_ns(), busy_s, 0))


def _sample_family(process: psutil.Process) -> Sample:
    family = [process, *process.children()]
    times = [member.cpu_times() for member in family]
    rss_bytes = [member.memory_info().rss for member in family]
    return Sample(
        monotonic_ns(),
        sum(time.user + time.system for time in times),
        sum(rss_bytes),
        sum(member.num_fds() for member in family),
        rss_bytes[0],
    )

"""Turns options of `rtbench serve` into a server process of our own, while it is needed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bench.problem import Problem

READY_PREFIX = "listening on "


@dataclass(frozen=True, slots=True)
class EmbeddedServer:
    """A server that listens at `url`, in process `pid`."""

    url: str
    pid: int


@contextmanager
def embedded_server(*options: str) -> Iterator[EmbeddedServer]:
    """Start `rtbench serve` on a free port; it is ended and waited for on leaving.

    Raises:
        Problem: it did not start.
    """
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", "bench.cli", "serve", "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for Locust, whose turns still need a server
    )
    with process:  # which waits, and closes the pipe
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            if not line.startswith(READY_PREFIX):
                raise Problem("the embedded server did not start; `rtbench serve` says why")
            yield EmbeddedServer(line.removeprefix(READY_PREFIX), process.pid)
        finally:
            process.terminate()

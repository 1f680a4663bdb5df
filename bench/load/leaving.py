"""Turns an interrupt, or a problem before the run, into an exit that leaves no worker behind."""

from __future__ import annotations

import contextlib
import itertools
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import gevent
import psutil
from locust.runners import STATE_INIT, MasterRunner

from bench.load.command import EXIT_INTERRUPTED


def take_interrupts(
    environment: Any, first: Callable[[], None], second: Callable[[], None]
) -> None:
    """Have the main greenlet told of interrupts, after `first` or `second`; not if ignored.

    The first one is a KeyboardInterrupt, upon which Locust ends the run; the second one an exit,
    wherever that has got to. Python would raise either in whatever runs: in a busy process, the
    engine of all sessions.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    times = itertools.count(1)

    def interrupt() -> None:
        error: BaseException = KeyboardInterrupt()
        if next(times) == 1:
            first()
            if _awaits_workers(environment):  # where Locust expects no interrupt
                _end_workers(environment, psutil.Process.terminate)
                error = SystemExit(EXIT_INTERRUPTED)
        else:
            second()
            _end_workers(environment, psutil.Process.kill)
            error = SystemExit(EXIT_INTERRUPTED)
        gevent.get_hub().handle_system_error(type(error), error)

    gevent.signal_handler(signal.SIGINT, interrupt)


def _awaits_workers(environment: Any) -> bool:
    runner = environment.runner
    waits = isinstance(runner, MasterRunner) and runner.state == STATE_INIT
    return waits and bool(environment.parsed_options.headless)


def leave(environment: Any, exit_code: int) -> NoReturn:
    """Exit, with the workers of --processes."""
    _end_workers(environment, psutil.Process.terminate)
    sys.exit(exit_code)


def _end_workers(environment: Any, end: Callable[[Any], None]) -> None:
    """End children that are workers: they would wait a minute for a master that is gone."""
    options = environment.parsed_options
    if options.processes and not options.worker:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                end(child)

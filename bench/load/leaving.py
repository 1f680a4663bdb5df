"""Turns an interrupt, or a problem before the run, into an exit that leaves no worker behind."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import gevent
import psutil
from locust.runners import STATE_INIT, MasterRunner

from bench.load.command import EXIT_INTERRUPTED


def take_interrupts(environment: Any, note: Callable[[], None]) -> None:
    """Have an interrupt raised in the main greenlet, after `note`; not where others are ignored.

    Python would raise it in whatever runs: in a busy process, the engine of all sessions.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        gevent.signal_handler(signal.SIGINT, _interrupt_main, environment, note)


def _interrupt_main(environment: Any, note: Callable[[], None]) -> None:
    note()
    error: BaseException = KeyboardInterrupt()
    runner = environment.runner
    waits = isinstance(runner, MasterRunner) and runner.state == STATE_INIT
    if waits and environment.parsed_options.headless:
        # For workers to come; Locust expects no interrupt there.
        _end_workers(environment, psutil.Process.terminate)
        error = SystemExit(EXIT_INTERRUPTED)
    gevent.get_hub().handle_system_error(type(error), error)


def leave(environment: Any, exit_code: int, *, at_once: bool = False) -> NoReturn:
    """Exit, with the workers of --processes; `at_once` kills them."""
    _end_workers(environment, psutil.Process.kill if at_once else psutil.Process.terminate)
    sys.exit(exit_code)


def _end_workers(environment: Any, end: Callable[[Any], None]) -> None:
    """End children that are workers: they would wait a minute for a master that is gone."""
    options = environment.parsed_options
    if options.processes and not options.worker:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                end(child)

"""Turns an interrupt, or a problem before the run, into an exit that leaves no worker behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import gevent
import psutil
from locust.runners import STATE_INIT, MasterRunner

from bench.load.command import EXIT_INTERRUPTED


def take_interrupts(
    environment: Any,
    first: Callable[[], None],
    second: Callable[[], None],
    is_over: Callable[[], bool],
) -> None:
    """Act on interrupts, after `first` or `second`; not where they are ignored.

    The first one is a KeyboardInterrupt in the main greenlet, upon which Locust ends the run;
    Python would raise it in whatever runs: in a busy process, the engine of all sessions. The
    second one ends the process, wherever that has got to. Once all `is_over` but to exit, none
    does any more: it would only be heard as a traceback.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    times = itertools.count(1)

    def interrupt() -> None:
        if is_over():
            return
        error: BaseException = KeyboardInterrupt()
        if next(times) == 1:
            first()
            if _awaits_workers(environment):  # where Locust expects no interrupt
                _end_workers(environment, psutil.Process.terminate)
                error = SystemExit(EXIT_INTERRUPTED)
        else:
            second()
            _end_children(psutil.Process.kill)  # a report that has just begun among them
            sys.stdout.flush()
            os._exit(EXIT_INTERRUPTED)
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
        _end_children(end)


def _end_children(end: Callable[[Any], None]) -> None:
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):
            end(child)

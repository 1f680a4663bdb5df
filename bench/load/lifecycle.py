"""Hangs a run on Locust's own events: a folder at the start, a report at the end."""

from __future__ import annotations

import logging
import signal
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import locust.stats
import psutil
from gevent.event import Event
from locust import events
from locust.runners import STATE_CLEANUP, MasterRunner, WorkerRunner

from bench.load.arguments import DEFAULT_HOST, add_arguments
from bench.load.command import EXIT_INTERRUPTED
from bench.load.control import CLOSE_TIMEOUT_S, RunControl
from bench.load.live import LiveView
from bench.load.plan import make_call_plan
from bench.load.stopping import stop_in_turn
from bench.load.worker import RunWorker
from bench.problem import Problem
from bench.session.probe import probe_target

STOP_TIMEOUT_S = 30.0
"""Time for turns under way to end, unless --stop-timeout says otherwise; Locust's own default
of none would cut every last turn off."""

EXIT_PROBLEM = 2
_MESSAGE = "rtbench"

_log = logging.getLogger(__name__)
_lifecycles: WeakKeyDictionary[Any, Lifecycle] = WeakKeyDictionary()


class Lifecycle:
    """What rtbench keeps for one Locust environment: a control, a worker, or both."""

    def __init__(self, environment: Any) -> None:
        self.worker: RunWorker | None = None
        self.control: RunControl | None = None
        self._environment = environment
        self._controls = not isinstance(environment.runner, WorkerRunner)
        self._works = not isinstance(environment.runner, MasterRunner)
        self._live = LiveView(environment, self)
        self._aborted = False
        self._closed = Event()
        self._closed.set()
        if self._controls:
            environment.runner.register_message(_MESSAGE, self._on_message)

    def start(self) -> None:
        """Make the run's folder and get ready for users."""
        options = self._environment.parsed_options
        self._aborted = False
        if self._environment.process_exit_code == EXIT_PROBLEM:  # of the run before
            self._environment.process_exit_code = None
        try:
            if self._controls:
                self.control = RunControl(self._environment)
                # Workers get Locust's options with their orders, so the folder travels along.
                options.rtbench_folder = str(self.control.folder.path)
            if self._works:
                self._start_worker(options.rtbench_folder)
        except Problem as problem:
            self.abort(str(problem))
        else:
            if self._controls:
                self._live.start()

    def _start_worker(self, folder: str) -> None:
        runner = self._environment.runner

        def report(name: str, data: dict[str, Any]) -> None:
            runner.send_message(_MESSAGE, {"name": name, "folder": folder, "data": data})

        index = max(runner.worker_index, 0)
        self.worker = RunWorker(self._environment, f"w{index}", Path(folder), report)
        self._closed.clear()

    def stop(self) -> None:
        """Close the record; where the run is controlled, go on to its report."""
        self._live.stop()
        # Closing takes a while, and an interrupt may have Locust stop a second time meanwhile.
        worker, self.worker = self.worker, None
        try:
            if worker is not None:
                worker.close()
        finally:
            if self.control is not None:
                self.control.start_finishing()
            if worker is not None:
                self._closed.set()

    def quit(self) -> None:
        """Let turns end, wait for the report, and give its verdict as Locust's exit code."""
        environment, runner = self._environment, self._environment.runner
        try:
            if runner.state != STATE_CLEANUP:  # else a stop is under way: never stop users twice
                runner.stop()
            self._closed.wait(environment.stop_timeout + CLOSE_TIMEOUT_S)
            if self.control is None:
                return
            if isinstance(runner, MasterRunner) and not len(runner.greenlet):
                # Locust stops listening half a second after it told its workers to quit; their
                # last records are still on the way.
                gevent.spawn(runner.client_listener)
            self.control.join()
        except KeyboardInterrupt:
            kept = ""
            if self.control is not None:
                self.control.give_up()
                kept = f"; `rtbench report {self.control.folder.path}`"
            print(f"\nrtbench: interrupted; records are kept{kept}", file=sys.stderr)  # noqa: T201
            sys.exit(EXIT_INTERRUPTED)
        if environment.process_exit_code is None and self.control.exit_code != 0:
            # None or negative: the report was never finished.
            environment.process_exit_code = max(self.control.exit_code or 1, 1)

    def abort(self, reason: str) -> None:
        """End the run because of something its user can mend: one line, exit code 2."""
        if not self._controls:
            self._environment.runner.send_message(
                _MESSAGE, {"name": "problem", "folder": "", "data": {"reason": reason}}
            )
            return
        if self._aborted:  # every user and worker meets the same problem
            return
        self._aborted = True
        print(f"rtbench: {reason}", file=sys.stderr, flush=True)  # noqa: T201
        self._environment.process_exit_code = EXIT_PROBLEM
        options = self._environment.parsed_options
        ends = self._environment.runner.quit if options.headless else self._environment.runner.stop
        gevent.spawn(ends)

    def _on_message(self, environment: Any, msg: Any, **_: Any) -> None:
        name, data = msg.data["name"], msg.data["data"]
        if name == "problem":
            self.abort(data["reason"])
        elif self.control is None or msg.data["folder"] != str(self.control.folder.path):
            _log.warning("a worker reported %r of another run; ignored", name)
        elif name == "opened":
            self.control.worker_opened(data)
        elif name == "closed":
            self.control.worker_closed(data)
        elif name == "part":
            self.control.part_arrived(data)
        elif name == "recording":
            self.control.recording_arrived(data)


def lifecycle_of(environment: Any) -> Lifecycle:
    """The lifecycle of an environment, from Locust's init event on."""
    return _lifecycles[environment]


def _whole_ms(response_time: float) -> int:
    """Locust rounds to two digits on its page; a turn's latency deserves its milliseconds."""
    return round(response_time)


def _interrupt_main() -> None:
    gevent.get_hub().handle_system_error(KeyboardInterrupt, KeyboardInterrupt())


def _host_of_classes(user_classes: list[Any]) -> str:
    """The host a scenario's classes name, as Locust has it; a run has one target only."""
    named = [user_class.host for user_class in user_classes if user_class.host]
    return next((host for host in named if host != DEFAULT_HOST), DEFAULT_HOST)


@events.init_command_line_parser.add_listener
def _on_parser(parser: Any, **_: Any) -> None:
    add_arguments(parser)


@events.init.add_listener
def _on_init(environment: Any, **_: Any) -> None:
    options = environment.parsed_options
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python would raise it in whatever runs: in a busy process, the engine of all sessions.
        gevent.signal_handler(signal.SIGINT, _interrupt_main)
    locust.stats.bucket_response_time = _whole_ms
    if environment.host is None:
        environment.host = _host_of_classes(environment.user_classes)
    if not environment.stop_timeout:
        environment.stop_timeout = options.stop_timeout = STOP_TIMEOUT_S
    if (options.headless or options.autostart) and not options.worker:
        try:
            plan = make_call_plan(options, environment.host)
            probe_target(plan.endpoint, plan.dialect, plan.connect_timeout_s)
        except Problem as problem:
            print(f"rtbench: {problem}", file=sys.stderr, flush=True)  # noqa: T201
            if options.processes:
                # Locust's workers of --processes would wait a minute for a master gone.
                for child in psutil.Process().children():
                    child.terminate()
            sys.exit(EXIT_PROBLEM)
    _lifecycles[environment] = Lifecycle(environment)


@events.test_start.add_listener
def _on_test_start(environment: Any, **_: Any) -> None:
    lifecycle_of(environment).start()


@events.test_stopping.add_listener
def _on_test_stopping(environment: Any, **_: Any) -> None:
    stop_in_turn(environment.runner, environment.stop_timeout)


@events.test_stop.add_listener
def _on_test_stop(environment: Any, **_: Any) -> None:
    lifecycle_of(environment).stop()


@events.quitting.add_listener
def _on_quitting(environment: Any, **_: Any) -> None:
    lifecycle_of(environment).quit()

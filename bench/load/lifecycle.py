"""Hangs a run on Locust's own events: a folder at the start, a report at the end."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import gevent
import locust.stats
from gevent.event import Event
from locust import events
from locust.runners import (
    STATE_CLEANUP,
    STATE_INIT,
    STATE_RUNNING,
    STATE_SPAWNING,
    MasterRunner,
    WorkerRunner,
)

from bench.analysis.budget import Tally
from bench.load import locust_stats
from bench.load.arguments import DEFAULT_HOST, add_arguments
from bench.load.command import EXIT_INTERRUPTED, EXIT_OVER_BUDGET
from bench.load.consent import Consent, is_elsewhere
from bench.load.control import CLOSE_TIMEOUT_S, RunControl
from bench.load.cost import cost_of_run
from bench.load.leaving import leave, take_interrupts
from bench.load.live import LiveView
from bench.load.plan import make_call_plan
from bench.load.spending import SpendingWatch
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

    def __init__(self, environment: Any, consent: Consent) -> None:
        self.worker: RunWorker | None = None
        self.control: RunControl | None = None
        self._environment = environment
        self._controls = not isinstance(environment.runner, WorkerRunner)
        self._works = not isinstance(environment.runner, MasterRunner)
        self._consent = consent
        self._spending = SpendingWatch(environment, self)
        self._live = LiveView(environment, self, self._spending)
        self._tending: gevent.Greenlet | None = None
        self.over = False
        """Whether nothing is left to do but to exit."""
        self._aborted = False
        self._interrupted = False
        self._closed = Event()
        self._closed.set()
        environment.runner.register_message(_MESSAGE, self._on_message)

    def start(self) -> None:
        """Make the run's folder and get ready for users."""
        options = self._environment.parsed_options
        self._aborted = False
        if self._environment.process_exit_code in {EXIT_PROBLEM, EXIT_OVER_BUDGET}:
            # of the run before
            self._environment.process_exit_code = None
        try:
            if self._controls:
                self.control = RunControl(self._environment, self._consent)
                # Workers get Locust's options with their orders, so the folder travels along.
                options.rtbench_folder = str(self.control.folder.path)
            if self._works:
                self._start_worker(options.rtbench_folder)
        except Problem as problem:
            self.abort(str(problem))
        else:
            if self.control is not None:
                self._spending.start(self.control.cost, options.max_usd)
                self._live.start(self.control.target)
                self._tending = gevent.spawn(locust_stats.tend, self._environment)

    def _start_worker(self, folder: str) -> None:
        runner = self._environment.runner

        def report(name: str, data: dict[str, Any]) -> None:
            runner.send_message(_MESSAGE, {"name": name, "folder": folder, "data": data})

        index = max(runner.worker_index, 0)
        self.worker = RunWorker(self._environment, f"w{index}", Path(folder), report)
        self._closed.clear()

    def begin_to_stop(self) -> None:
        """Let turns under way end; what they cost cuts nothing short any more."""
        self._spending.stop()
        stop_in_turn(self._environment.runner, self._environment.stop_timeout)

    def stop(self) -> None:
        """Close the record; where the run is controlled, go on to its report."""
        self._live.stop()
        if self._tending is not None:
            self._tending.kill()
        # Closing takes a while, and an interrupt may have Locust stop a second time meanwhile.
        worker, self.worker = self.worker, None
        try:
            if worker is not None:
                worker.close()
        finally:
            if self.control is not None:
                self.control.start_finishing(self._spending.facts)
            if worker is not None:
                self._closed.set()

    def quit(self) -> None:
        """Let turns end, wait for the report, and give its verdict as Locust's exit code."""
        environment, runner = self._environment, self._environment.runner
        if self._interrupted and environment.process_exit_code is None:
            environment.process_exit_code = EXIT_INTERRUPTED
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
        self._end_run(reason, EXIT_PROBLEM)

    def cut_short(self, reason: str) -> None:
        """End the run before its time, with all it has: one line, exit code 4."""
        self._end_run(reason, EXIT_OVER_BUDGET)

    def hold(self) -> None:
        """Begin no new session in this run, here and on any worker."""
        if self.worker is not None:
            self.worker.held = True
        if isinstance(self._environment.runner, MasterRunner):
            self._environment.runner.send_message(_MESSAGE, {"name": "hold"})

    def say(self, line: str) -> None:
        """Print a line for the user to stderr."""
        self._live.say(f"rtbench: {line}")

    def interrupt(self) -> None:
        """Note that the user ends the run: its exit code says so if it had an end of its own."""
        options = self._environment.parsed_options
        ends = options.run_time or self._environment.shape_class is not None
        under_way = {STATE_INIT, STATE_SPAWNING, STATE_RUNNING}
        if options.headless and ends and self._environment.runner.state in under_way:
            self._interrupted = True

    def give_up(self) -> None:
        """Wait for nothing any more; say where the record is."""
        kept = ""
        if self.control is not None:
            self.control.give_up()
            kept = f"; `rtbench report {self.control.folder.path}`"
        print(f"\nrtbench: interrupted; records are kept{kept}", file=sys.stderr)  # noqa: T201

    def _end_run(self, reason: str, exit_code: int) -> None:
        self.say(reason)
        self._environment.process_exit_code = exit_code
        options = self._environment.parsed_options
        ends = self._environment.runner.quit if options.headless else self._environment.runner.stop
        gevent.spawn(ends)

    def _on_message(self, environment: Any, msg: Any, **_: Any) -> None:
        name, data = msg.data["name"], msg.data.get("data")
        if name == "hold":  # the only word from a master
            self.hold()
        elif name == "problem":
            self.abort(data["reason"])
        elif self.control is None or msg.data["folder"] != str(self.control.folder.path):
            _log.warning("a worker reported %r of another run; ignored", name)
        elif name == "opened":
            self.control.worker_opened(data)
        elif name == "closed":
            self._spending.note(data["client_id"], Tally.from_json(data.pop("tally")))
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


def _prepare(environment: Any, consent: Consent) -> None:
    """Find out what would not work, and ask about what may cost money, before anything is sent.

    Raises:
        Problem: the user has something to mend, or does not agree.
    """
    options = environment.parsed_options
    begins = options.headless or options.autostart
    if options.worker or not (begins or is_elsewhere(environment.host)):
        return
    plan = make_call_plan(options, environment.host)
    cost = cost_of_run(environment, plan)
    consent.obtain([plan.endpoint.redacted_url], cost, given=options.yes)
    if begins:
        probe_target(plan.endpoint, plan.dialect, plan.connect_timeout_s)


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
    locust.stats.bucket_response_time = _whole_ms
    if environment.host is None:
        environment.host = _host_of_classes(environment.user_classes)
    if not environment.stop_timeout:
        environment.stop_timeout = options.stop_timeout = STOP_TIMEOUT_S
    consent = Consent()
    try:
        _prepare(environment, consent)
    except Problem as problem:
        print(f"rtbench: {problem}", file=sys.stderr, flush=True)  # noqa: T201
        leave(environment, EXIT_PROBLEM)
    except KeyboardInterrupt:  # as good an answer as no
        print(file=sys.stderr)  # noqa: T201
        leave(environment, EXIT_INTERRUPTED)
    _lifecycles[environment] = Lifecycle(environment, consent)
    lifecycle = lifecycle_of(environment)
    take_interrupts(environment, lifecycle.interrupt, lifecycle.give_up, lambda: lifecycle.over)


@events.test_start.add_listener
def _on_test_start(environment: Any, **_: Any) -> None:
    lifecycle_of(environment).start()


@events.test_stopping.add_listener
def _on_test_stopping(environment: Any, **_: Any) -> None:
    lifecycle_of(environment).begin_to_stop()


@events.test_stop.add_listener
def _on_test_stop(environment: Any, **_: Any) -> None:
    lifecycle_of(environment).stop()


@events.quitting.add_listener
def _on_quitting(environment: Any, **_: Any) -> None:
    lifecycle = lifecycle_of(environment)
    lifecycle.quit()
    lifecycle.over = True

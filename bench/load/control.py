"""Controls a run where Locust is controlled: its folder, its workers, its end and its report."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent

import bench
from bench.dialects.base import Endpoint
from bench.load.consent import Consent
from bench.load.cost import cost_of_run
from bench.load.plan import describe_options, make_call_plan, plan_hash
from bench.problem import Problem
from bench.runs.environment import describe_host
from bench.runs.event import SCHEMA_VERSION
from bench.runs.folder import RunFolder

CLOSE_TIMEOUT_S = 10.0
"""How long a worker may take to write its last part once its users have stopped."""


class RunControl:
    """One run, from its folder to its report; lives on the master or in the only process."""

    def __init__(self, environment: Any, consent: Consent) -> None:
        self._environment = environment
        options = environment.parsed_options
        plan = make_call_plan(options, environment.host)
        self.target = plan.endpoint.redacted_url
        self.cost = cost_of_run(environment, plan)
        consent.obtain([self.target], self.cost, given=options.yes, may_ask=False)
        described = describe_options(options)
        described |= {"model": plan.settings.model, "voice": plan.settings.voice}
        files = [_relative(path) for path in environment.parsed_locustfiles or []]
        started = datetime.now(UTC)
        scenario = Path(files[0]).stem if files else "scenario"
        run_id = options.run_id or f"{started:%Y%m%d-%H%M%S}-{scenario}"
        self._run: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "rtbench_version": bench.__version__,
            "run_id": run_id,
            "scenario": {
                "files": files,
                "classes": [user_class.__name__ for user_class in environment.user_classes],
            },
            "command": shlex.join(["locust", *map(_fit_to_keep, sys.argv[1:])]),
            "options": described,
            "plan_sha256": plan_hash(described, files, plan.catalogue),
            "target": self.target,
            "dialect": plan.dialect.name,
            "model": plan.settings.model,
            "utterances": {},
            "started_at": started.isoformat(),
            "ended_at": None,
            "workers": {},
            "spending": None,
            "environment": describe_host(),
        }
        path = _named_path(Path(options.runs_dir), run_id)
        if not options.run_id or environment.web_ui is not None:  # which can run many times
            path = _free_path(path)
        self._run["run_id"] = path.name
        self.folder = RunFolder.create(path, self._run)
        if self.cost.toml is not None:
            self.folder.write_text(self.folder.prices_path, self.cost.toml)
        self.exit_code: int | None = None
        self._table_aside = bool(options.json)  # Locust's --json wants stdout for itself
        self._finish: gevent.Greenlet | None = None

    def worker_opened(self, data: dict[str, Any]) -> None:
        """Note a worker, so that it is missed if it never closes."""
        self._run["workers"][data["worker"]] = _worker_entry(data, ended=None)
        self.folder.write_run(self._run)

    def worker_closed(self, data: dict[str, Any]) -> None:
        """Note that all records of a worker are in the folder."""
        self._run["workers"][data["worker"]] = _worker_entry(data, ended="closed")
        self._run["utterances"].update(data["utterances"])
        self.folder.write_run(self._run)

    def part_arrived(self, data: dict[str, Any]) -> None:
        """Keep a part from a worker that does not share our disk."""
        self.folder.write_part_file(data["file"], data["content"])

    def recording_arrived(self, data: dict[str, Any]) -> None:
        """Keep a recording from a worker that does not share our disk."""
        self.folder.write_recording(data["file"], data["content"])

    def start_finishing(self, spending: Callable[[], dict[str, Any] | None]) -> None:
        """Wait for the workers, end the run and build its report, beside whatever else runs.

        `spending` is asked once the workers have told all.
        """
        if self._finish is None:
            self._finish = gevent.spawn(self._finish_run, spending)

    def join(self) -> None:
        """Wait until the report is there."""
        if self._finish is not None:
            self._finish.join()

    def give_up(self) -> None:
        """Stop waiting for workers, or building the report."""
        if self._finish is not None:
            self._finish.kill()

    def _finish_run(self, spending: Callable[[], dict[str, Any] | None]) -> None:
        timeout_s = self._environment.stop_timeout + CLOSE_TIMEOUT_S
        with gevent.Timeout(timeout_s, exception=False):
            while self._awaits_worker():
                gevent.sleep(0.05)
        for name, worker in self._run["workers"].items():
            if worker["ended"] is not None and self.folder.count_parts(name) < worker["parts"]:
                worker["ended"] = "incomplete"
        self._run["spending"] = spending()
        self._run["ended_at"] = datetime.now(UTC).isoformat()
        self.folder.write_run(self._run)
        # A process of its own: analysis and drawing neither hold up Locust's heartbeats nor
        # run in a patched interpreter. -P: a folder `bench` where Locust was started is not us.
        # A session of its own: Ctrl-C on a terminal is for Locust, and `give_up` ends this.
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", "bench.cli", "report", "--verdict", self.folder.path],
            check=False,
            start_new_session=True,
            stdout=sys.stderr if self._table_aside else None,
        )
        self.exit_code = done.returncode

    def _awaits_worker(self) -> bool:
        """Whether a worker that Locust has not lost still owes its last records."""
        runner = self._environment.runner
        lost = {node.id for node in runner.clients.missing} if hasattr(runner, "clients") else ()
        return any(
            worker["ended"] is None and worker["client_id"] not in lost
            for worker in self._run["workers"].values()
        )


def _worker_entry(data: dict[str, Any], ended: str | None) -> dict[str, Any]:
    entry = {key: value for key, value in data.items() if key not in {"worker", "utterances"}}
    return {**entry, "ended": ended}


def _fit_to_keep(argument: str) -> str:
    """`argument`; a URL in it loses user info and query, which may hold a key."""
    is_url = "://" in argument
    return Endpoint(argument, ()).redacted_url if is_url else _relative(argument)


def _relative(text: str) -> str:
    """A path below the working directory without what lies above it; other texts as they are."""
    path = Path(text)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else text


def _named_path(runs_dir: Path, run_id: str) -> Path:
    """The run's folder.

    Raises:
        Problem: `run_id` would lead out of `runs_dir`.
    """
    if Path(run_id).name != run_id or run_id in {".", ".."}:
        raise Problem(f"--run-id {run_id!r}: is not a plain folder name")
    return (runs_dir / run_id).absolute()


def _free_path(path: Path) -> Path:
    """`path`, numbered when another run of the same second has taken it."""
    free, number = path, 2
    while free.exists():
        free, number = path.with_name(f"{path.name}-{number}"), number + 1
    return free

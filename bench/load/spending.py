"""Turns the tallies of all processes of a run into dollars, and keeps them below a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gevent
from locust import events

from bench.analysis.budget import Spent, Stage, Tally, spent, stage_of
from bench.analysis.estimate import dollars
from bench.load.cost import Cost

if TYPE_CHECKING:
    from bench.load.lifecycle import Lifecycle

INTERVAL_S = 1.0
_KEY = "rtbench_tally"


class SpendingWatch:
    """What a run has spent: workers tell their tallies, whoever controls the run acts on them.

    A worker's tally is of what it has written down, two seconds old at most, and reaches a
    master every three: a run ends some seconds of spending later than at its limit, with what
    turns under way still cost taken into account.
    """

    def __init__(self, environment: Any, lifecycle: Lifecycle) -> None:
        self._environment = environment
        self._lifecycle = lifecycle
        self._cost: Cost | None = None
        self._tallies: dict[str, Tally] = {}
        self._greenlet: gevent.Greenlet | None = None
        self.max_usd: float | None = None
        self.stage = Stage.OPEN
        events.report_to_master.add_listener(self._on_report)
        events.worker_report.add_listener(self._on_worker_report)

    def start(self, cost: Cost, max_usd: float | None) -> None:
        """Begin a run with nothing spent; look every second if there is a limit."""
        self._cost, self.max_usd = cost, max_usd
        self._tallies.clear()
        self.stage = Stage.OPEN
        if max_usd is not None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        """Look no more; tallies are still taken."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def note(self, process: str, tally: Tally) -> None:
        """Take what a process has used in all so far."""
        self._tallies[process] = tally

    @property
    def spent(self) -> Spent | None:
        """Dollars so far; None where nobody knows the prices."""
        cost = self._cost
        if cost is None or cost.prices is None or cost.estimate is None:
            return None
        worker = self._lifecycle.worker
        if worker is not None:
            self.note(worker.client_id, worker.tally)
        return spent(sum(self._tallies.values(), Tally()), cost.prices, cost.estimate.turn_usd)

    def facts(self) -> dict[str, Any] | None:
        """`spending` of run.json; None where nobody knows the prices."""
        found = self.spent
        if found is None:
            return None
        return {
            "max_usd": self.max_usd,
            "spent_usd": round(found.usd, 6),
            "cut_short": None if self.stage is Stage.OPEN else self.stage.name.lower(),
        }

    def _run(self) -> None:
        while self.stage is not Stage.SPENT:
            gevent.sleep(INTERVAL_S)
            self.look()

    def look(self) -> None:
        """Compare what is spent with the limit, and act."""
        found = self.spent
        if found is None or self.max_usd is None:
            return
        stage = max(self.stage, stage_of(found.usd, self.max_usd))
        if self.stage is Stage.HELD and self._environment.runner.user_count == 0:
            stage = Stage.SPENT  # nobody is left who could spend the rest
        told = f"{dollars(found.usd)} of --max-usd {self.max_usd:g} spent"
        if stage is Stage.HELD:
            self._lifecycle.hold()  # each time: workers may have come
            if self.stage is Stage.OPEN:
                self._lifecycle.say(f"{told}; no new sessions are begun")
        self.stage = stage
        if stage is Stage.SPENT:
            self._lifecycle.cut_short(f"{told}; the run ends")

    def _on_report(self, data: dict[str, Any], **_: Any) -> None:
        worker = self._lifecycle.worker
        if worker is not None:
            data[_KEY] = worker.tally.to_json()

    def _on_worker_report(self, client_id: str, data: dict[str, Any], **_: Any) -> None:
        told = data.get(_KEY)
        if told is not None:
            self.note(client_id, Tally.from_json(told))

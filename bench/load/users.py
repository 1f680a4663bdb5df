"""Turns a Locust user into a caller: `self.session` to speak with, turns as Locust requests."""

from __future__ import annotations

import functools
import itertools
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar, cast

import gevent
from locust import User
from locust.exception import RescheduleTask, StopUser
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_STOPPING, LOCUST_STATE_WAITING

from bench.analysis.metrics import METRICS
from bench.analysis.outcomes import OUTCOMES
from bench.analysis.tables import censored_ms
from bench.analysis.turns import assemble_session
from bench.load.arguments import DEFAULT_HOST
from bench.load.lifecycle import lifecycle_of
from bench.load.retry import REFUSED, Retry
from bench.load.worker import RunWorker
from bench.problem import Problem
from bench.runs.event import EventRow
from bench.runs.recorder import SessionRecord
from bench.session.realtime import RealtimeSession
from bench.session.refusal import ConnectError
from bench.session.turn import Turn

F = TypeVar("F", bound=Callable[..., Any])

REDIAL_PAUSE_S = 0.5
"""Least time between two attempts of one user, also when its wait time is zero."""

ITEMS_REMEMBERED = 400
"""Of a caller whose sessions break: what was said last."""


class TurnFailed(Exception):  # noqa: N818 - shown in Locust's list of failures
    """A turn that ended in an outcome that counts as failed."""


def _in_locusts_way(act: F) -> F:
    """`act`, so that what troubles it ends a task without a traceback."""

    @functools.wraps(act)
    def acting(self: CallerSession, *arguments: Any, **keywords: Any) -> Any:
        try:
            return act(self, *arguments, **keywords)
        except Problem as problem:
            lifecycle_of(self.user.environment).abort(str(problem))
            raise StopUser from None
        except ConnectionError:
            raise RescheduleTask from None

    return cast("F", acting)


class CallerSession(RealtimeSession):
    """A session whose troubles end a task in Locust's own way, not in a traceback.

    A mistake in the scenario, such as an unknown clip, ends the run with one line. When the
    session has ended, so has the task; the next one gets a new session.
    """

    user: RealtimeUser

    say = _in_locusts_way(RealtimeSession.say)
    interrupt = _in_locusts_way(RealtimeSession.interrupt)
    text = _in_locusts_way(RealtimeSession.text)
    image = _in_locusts_way(RealtimeSession.image)
    respond = _in_locusts_way(RealtimeSession.respond)
    listen = _in_locusts_way(RealtimeSession.listen)
    overlay = _in_locusts_way(RealtimeSession.overlay)
    commit = _in_locusts_way(RealtimeSession.commit)
    clear = _in_locusts_way(RealtimeSession.clear)
    cancel = _in_locusts_way(RealtimeSession.cancel)
    tool_result = _in_locusts_way(RealtimeSession.tool_result)
    send_event = _in_locusts_way(RealtimeSession.send_event)
    add_item = _in_locusts_way(RealtimeSession.add_item)
    configure = _in_locusts_way(RealtimeSession.configure)
    wait = _in_locusts_way(RealtimeSession.wait)
    wait_for = _in_locusts_way(RealtimeSession.wait_for)
    wait_turn = _in_locusts_way(RealtimeSession.wait_turn)

    def outcome_of(self, turn_index: int) -> str | None:
        """The outcome of the latest turn as a report would have it; None of any other."""
        turns = assemble_session(self.record.turn_rows).turns
        return next((turn.outcome for turn in turns if turn.turn_index == turn_index), None)


class RealtimeUser(User):
    """A caller. Subclass it, give it tasks, and speak through `self.session`."""

    abstract = True
    host = DEFAULT_HOST
    asks: ClassVar[Mapping[str, Any]] = {}
    """Settings of the class's own, whatever the flags say: fields of SessionSettings by name, and
    `push_to_talk`."""
    remembers: ClassVar[bool] = False
    """Whether a session that takes the place of a broken one is told what was said before."""
    retry: ClassVar[Retry | None] = None
    """How a refused session, or a turn within `persist`, is tried again; None hides no trouble."""

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        self._session: CallerSession | None = None
        self._history: list[dict[str, Any]] = []

    @property
    def session(self) -> CallerSession:
        """The caller's session: opened when first asked for, anew when the last one ended.

        While the target refuses, it is tried again after the user's wait time and a pause, or
        as `retry` has it, and then given up: the task ends. Locust's failures say why.
        """
        if self._session is None or self._session.ended:
            self._hang_up()
            refusals = 0
            while self._session is None:
                self._session = self._dial()
                if self._session is None:
                    refusals += 1
                    self._back_off(refusals)
            self._session.replay(self._history)
        return self._session

    def wait(self) -> None:
        """Let the user's wait time pass; a run that stops ends the user meanwhile."""
        super().wait()

    def persist(self, act: Callable[[], Turn]) -> Turn:
        """Do what makes a turn, again after each refusal while `retry` has patience.

        The last turn; every attempt is one on the record, with its own outcome.
        """
        for refusals in itertools.count(1):
            turn = act().wait()
            if self.retry is None or turn.outcome not in REFUSED:
                return turn
            wait_s = self.retry.wait_s(refusals, random.random())  # noqa: S311 - no secret
            if wait_s is None:
                return turn
            self._rest(wait_s)
        raise AssertionError

    def run(self) -> None:  # type: ignore[misc] # the only hook no subclass forgets to call
        """Run as any Locust user, and hang up however it ends."""
        try:
            super().run()
        except (StopUser, RescheduleTask):  # had no session in its `on_stop`, or `on_start`
            pass
        finally:
            self._hang_up()

    def start(self, group: Any) -> Any:
        """Start as any Locust user; it makes a second's users without a pause."""
        self._give_way()
        return super().start(group)

    def stop(self, force: bool = False) -> bool:
        """Stop as any Locust user; being asked again while stopping changes nothing.

        An interrupt reaches a worker from the terminal and through its master, and Locust
        raises where the second stop meets a user that the first has not yet brought to rest.
        """
        if self._state == LOCUST_STATE_WAITING and not force:
            self._give_way()  # meanwhile it may have gone on, or been asked to stop
        if self._state == LOCUST_STATE_STOPPING and not force:
            return False
        if self._state == LOCUST_STATE_WAITING and not force:
            self._state = LOCUST_STATE_STOPPING  # the way out takes a while: not to be cut short
            force = True
        return bool(super().stop(force))

    def _give_way(self) -> None:
        worker = lifecycle_of(self.environment).worker
        if worker is not None:
            worker.switchboard.give_way()

    def _worker(self) -> RunWorker:
        worker = lifecycle_of(self.environment).worker
        if worker is None:  # the run could not start, or is over
            raise StopUser
        return worker

    def _dial(self) -> CallerSession | None:
        worker = self._worker()
        if self._state == LOCUST_STATE_STOPPING or worker.held:
            raise StopUser
        self._state = LOCUST_STATE_WAITING  # in which Locust may end it at once
        with worker.switchboard.dials.turn():
            if self._state == LOCUST_STATE_STOPPING or worker.held:
                raise StopUser
            self._state = LOCUST_STATE_RUNNING
            return self._open_session(worker)

    def _back_off(self, refusals: int) -> None:
        """Wait before the next attempt to dial; end the task if there is to be none."""
        if self.retry is None:
            gevent.sleep(REDIAL_PAUSE_S)
            self.wait()  # ends the user, in Locust's way, when the run stops
            return
        wait_s = self.retry.wait_s(refusals, random.random())  # noqa: S311 - no secret
        if wait_s is None:
            raise RescheduleTask
        self._rest(wait_s)

    def _rest(self, wait_s: float) -> None:
        """Wait as between two tasks: a run that stops ends the user."""
        if self._state == LOCUST_STATE_STOPPING:
            raise StopUser
        self._state = LOCUST_STATE_WAITING
        gevent.sleep(wait_s)
        if self._state == LOCUST_STATE_STOPPING:
            raise StopUser
        self._state = LOCUST_STATE_RUNNING

    def _open_session(self, worker: RunWorker) -> CallerSession | None:
        started_s = time.monotonic()
        try:
            session = worker.open_session(
                CallerSession,
                type(self).__name__,
                self._on_turn,
                worker.plan_of(type(self), self.asks),
            )
        except Problem as problem:
            lifecycle_of(self.environment).abort(str(problem))
            raise StopUser from None
        except ConnectError as error:
            self._fire("setup", (time.monotonic() - started_s) * 1000, error)
            return None
        session.user = self
        opened = assemble_session(session.record.turn_rows).session
        self._fire("setup", METRICS["setup_ms"].measure(opened))
        return session

    def _hang_up(self) -> None:
        session, self._session = self._session, None
        if session is not None and self.remembers:
            self._history = [*self._history, *session.history()][-ITEMS_REMEMBERED:]
        worker = lifecycle_of(self.environment).worker
        if session is None or worker is None:
            return
        try:
            if not session.ended:
                with worker.switchboard.hang_ups.turn():
                    pass
        finally:
            worker.close_session(session)

    def _on_turn(self, record: SessionRecord) -> None:
        """Have a turn shown on Locust's page; where the engine called, nobody may wait."""
        worker = lifecycle_of(self.environment).worker
        if worker is not None:
            rows = record.turn_rows
            worker.display.put(lambda: self._show(rows))

    def _show(self, rows: list[EventRow]) -> None:
        """One request for a turn, ttfa as its response time, and one for each other metric."""
        for turn in assemble_session(rows).turns:
            if turn.outcome == "stopped":  # cut short by the end of the run: no request at all
                continue
            error = None
            if OUTCOMES[turn.outcome].failed:
                error = TurnFailed(
                    f"{turn.outcome}: {turn.error or OUTCOMES[turn.outcome].meaning}"
                )
            for name, metric in METRICS.items():
                if metric.scope != "turn" or metric.unit != "ms":
                    continue
                value = metric.measure(turn)
                if name == "ttfa_ms":
                    waited_ms = censored_ms(turn) if value is None else value
                    self._fire("ttfa", waited_ms, error, turn)
                elif value is not None and value > 0:
                    self._fire(name.removesuffix("_ms"), value, None, turn)

    def _fire(
        self, kind: str, value_ms: float | None, error: Exception | None = None, turn: Any = None
    ) -> None:
        self.environment.events.request.fire(
            request_type=kind,
            name=type(self).__name__ if turn is None else turn.utterance,
            response_time=value_ms,
            response_length=0,
            exception=error,
            context=self.context(),
        )

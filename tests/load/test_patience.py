"""A refused caller comes back as patiently as its class says; in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

_PRELUDE = r"""
import json, time
from types import SimpleNamespace as Simple

import bench.load.users as users
import gevent
from bench.load.retry import Retry
from bench.load.switchboard import Switchboard
from bench.session.refusal import ConnectError
from locust import constant, task
from locust.env import Environment

dialled_s, tasks, outcomes, waited = [], [], [], []


class Session:
    ended = False

    def __init__(self):
        self.record = Simple(turn_rows=[])

    def replay(self, items):
        pass

    def history(self):
        return []


class Worker:
    refusals = 0
    held = False

    def __init__(self):
        self.switchboard = Switchboard(Simple(next_due_ns=None))

    def plan_of(self, *_):
        return None

    def open_session(self, *_):
        dialled_s.append(time.monotonic())
        if len(dialled_s) <= self.refusals:
            raise ConnectError("http_429", "no")
        return Session()

    def close_session(self, session):
        session.ended = True


class Turn:
    def __init__(self, outcome):
        self.outcome = outcome

    def wait(self):
        outcomes.append(self.outcome)
        return self


worker = Worker()
users.lifecycle_of = lambda environment: Simple(worker=worker)


class Caller(users.RealtimeUser):
    wait_time = constant(0.01)
    retry = Retry(attempts=3, first_s=0.1, factor=2.0, jitter=0.0)

    @task
    def call(self):
        tasks.append("begun")
        self.session
        tasks.append("got through")
        gevent.sleep(1000)


def runner(user_class):
    made = Environment(user_classes=[user_class], stop_timeout=0).create_local_runner()
    made.spawn_users({user_class.__name__: 1})
    return made


def until(condition):
    with gevent.Timeout(20):
        while not condition():
            gevent.sleep(0.005)
"""


def run(script: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_a_refused_session_is_dialled_again_after_growing_waits() -> None:
    tasks, gaps = run(r"""
worker.refusals = 2
made = runner(Caller)
until(lambda: "got through" in tasks)
made.quit()
print(json.dumps([tasks, [b - a for a, b in zip(dialled_s, dialled_s[1:])]]))
""")
    assert tasks == ["begun", "got through"]
    assert len(gaps) == 2
    assert gaps[0] >= 0.1
    assert gaps[1] >= 0.2


def test_patience_ends_and_the_next_task_begins_with_new_patience() -> None:
    tasks, dialled = run(r"""
worker.refusals = 4
made = runner(Caller)
until(lambda: "got through" in tasks)
made.quit()
print(json.dumps([tasks, len(dialled_s)]))
""")
    assert tasks == ["begun", "begun", "got through"]
    assert dialled == 5


def test_a_caller_that_waits_to_dial_again_can_be_stopped() -> None:
    assert run(r"""
worker.refusals = 100
Caller.retry = Retry(attempts=100, first_s=1000.0)
made = runner(Caller)
until(lambda: dialled_s)
gevent.sleep(0.05)
began_s = time.monotonic()
made.stop()
print(json.dumps(time.monotonic() - began_s < 2))
""")


def persisted(*outcomes: str, retry: str) -> Any:
    """Outcomes of the turns begun, and of the one given back."""
    return run(rf"""
class Persistent(users.RealtimeUser):
    wait_time = constant(0.01)
    retry = {retry}

    @task
    def call(self):
        left = iter({outcomes!r})
        waited.append(self.persist(lambda: Turn(next(left))).outcome)
        gevent.sleep(1000)


made = runner(Persistent)
until(lambda: waited)
made.quit()
print(json.dumps([outcomes, waited[0]]))
""")


def test_a_refused_turn_is_made_again_until_one_is_not() -> None:
    quick = "Retry(attempts=3, first_s=0.01)"
    assert persisted("rate_limited", "ok", retry=quick) == [["rate_limited", "ok"], "ok"]
    thrice = ["rate_limited", "disconnected", "server_error"]
    assert persisted(*thrice, "ok", retry=quick) == [thrice, "server_error"]
    assert persisted("no_reply", "ok", retry=quick) == [["no_reply"], "no_reply"]


def test_without_a_policy_nothing_is_made_again() -> None:
    assert persisted("rate_limited", "ok", retry="None") == [["rate_limited"], "rate_limited"]

"""Users dial and hang up in turn and stop in order; in a process of its own, for Locust's sake."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_PRELUDE = r"""
import json, sys, time
from types import SimpleNamespace as Simple

import bench.load.users as users
import gevent
from bench.load.stopping import stop_in_turn
from bench.load.switchboard import Switchboard
from bench.session.refusal import ConnectError
from locust import constant, task
from locust.env import Environment

said = []


class Session:
    ended = False

    def __init__(self):
        self.record = Simple(turn_rows=[])

    def history(self):
        return []

    def replay(self, items):
        pass


class Worker:
    refuses = False
    held = False

    def __init__(self):
        self.switchboard = Switchboard(Simple(next_due_ns=None))
        self.opened, self.closed_s = [], []

    def plan_of(self, user_class, asks):
        return None

    def open_session(self, *asked):
        if self.refuses:
            raise ConnectError("refused", "no")
        self.opened.append(Session())
        return self.opened[-1]

    def close_session(self, session):
        session.ended = True
        self.closed_s.append(time.monotonic())


worker = Worker()
users.lifecycle_of = lambda environment: Simple(worker=worker)


class Caller(users.RealtimeUser):
    wait_time = constant(1000)

    def on_stop(self):
        said.append("on_stop")

    @task
    def call(self):
        self.session


def runner(user_class, count):
    environment = Environment(user_classes=[user_class], stop_timeout=20)
    made = environment.create_local_runner()
    environment.events.test_stopping.add_listener(lambda **_: stop_in_turn(made, 20))
    made.spawn_users({user_class.__name__: count})
    return made


def until(condition):
    while not condition():
        gevent.sleep(0.005)
"""


def run(script: str) -> Any:
    """Run a script after the prelude; what it printed, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + script],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_all_hang_up_one_after_the_other_and_each_runs_its_on_stop_once() -> None:
    opened, closed, ended, stops, gaps = run(r"""
made = runner(Caller, 60)
until(lambda: len(worker.opened) == 60)
gevent.sleep(0.02)
made.stop()
gaps = [b - a for a, b in zip(worker.closed_s, worker.closed_s[1:])]
ended = sum(session.ended for session in worker.opened)
print(json.dumps([len(worker.opened), len(worker.closed_s), ended, len(said), gaps]))
""")
    assert (opened, closed, ended, stops) == (60, 60, 60, 60)
    assert sum(gaps) >= 59 * 0.001


def test_who_is_on_the_way_out_is_not_cut_short_by_being_asked_again() -> None:
    asked, closed = run(r"""
made = runner(Caller, 1)
until(lambda: worker.opened)
gevent.sleep(0.02)
(greenlet,) = made.user_greenlets
user = greenlet.args[0]
worker.switchboard.hang_ups.close()  # nobody passes: it stays on its way out
first = gevent.spawn(user.stop)
gevent.sleep(0.02)
asked = [user.stop(), user.stop(), len(worker.closed_s)]
greenlet.kill()  # being killed is another matter: it hangs up at once
print(json.dumps([asked, len(worker.closed_s)]))
""")
    assert asked == [False, False, 0]
    assert closed == 1


def test_who_waits_to_dial_when_the_run_stops_never_does() -> None:
    opened, left, stops = run(r"""
worker.switchboard.dials.close()
made = runner(Caller, 10)
gevent.sleep(0.02)
made.stop()
print(json.dumps([len(worker.opened), len(made.user_greenlets), len(said)]))
""")
    assert (opened, left, stops) == (0, 0, 10)


def test_who_is_in_the_middle_of_a_task_ends_it_but_dials_no_more() -> None:
    result, opened = run(r"""
go_on = gevent.event.Event()


class Busy(users.RealtimeUser):
    wait_time = constant(1000)

    def on_stop(self):
        said.append("on_stop")

    @task
    def call(self):
        go_on.wait()
        said.append("task")
        self.session
        said.append("dialled")


made = runner(Busy, 1)
gevent.sleep(0.02)
stopping = gevent.spawn(made.stop)
gevent.sleep(0.05)
go_on.set()
stopping.join()
print(json.dumps([said, len(worker.opened)]))
""")
    assert result == ["task", "on_stop"]
    assert opened == 0


def test_asking_for_a_session_on_the_way_out_ends_the_way_out_quietly() -> None:
    result = run(r"""
class Late(Caller):
    def on_stop(self):
        said.append("asked")
        self._session = None
        self.session
        said.append("got one")


made = runner(Late, 1)
until(lambda: worker.opened)
gevent.sleep(0.02)
made.stop()
print(json.dumps(said))
""")
    assert result == ["asked"]


def test_time_at_the_gate_is_not_told_as_time_to_connect() -> None:
    waited_ms, failures = run(r"""
worker.refuses = True
gate = worker.switchboard.dials
environment = Environment(user_classes=[Caller], stop_timeout=20)
told = []
environment.events.request.add_listener(
    lambda response_time, exception, **_: told.append((response_time, str(exception)))
)
with gate.turn():
    pass
made = environment.create_local_runner()
behind = [True]
gate._behind = lambda: behind[0]
made.spawn_users({"Caller": 1})
gevent.sleep(0.05)
behind[0] = False
until(lambda: told)
made.stop()
print(json.dumps([told[0][0], told[0][1]]))
""")
    assert waited_ms < 40
    assert failures == "no"


def test_who_is_held_back_dials_no_more_and_leaves() -> None:
    opened, left, after = run(r"""
made = runner(Caller, 3)
until(lambda: len(worker.opened) == 3)
worker.held = True
made.spawn_users({"Caller": 4})
until(lambda: made.user_count == 3)
for user in [greenlet.args[0] for greenlet in made.user_greenlets]:
    user._session.ended = True
    try:
        user.session
    except users.StopUser:
        said.append("left")
print(json.dumps([len(worker.opened), said.count("left"), worker.held]))
""")
    assert (opened, left, after) == (3, 3, True)

"""Handshakes and gates in a process of its own, which gevent patches; servers live in this one."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.session.loopback import read_head, upgrade_response

_PRELUDE = r"""
from gevent import monkey; monkey.patch_all()
import json, os, sys, time
from types import SimpleNamespace as Simple

import gevent
import bench.session.opening as opening
from bench.dialects.base import Endpoint
from bench.load.switchboard import DIALS, Gate, Switchboard
from bench.load.turnstile import Pace
from bench.session.refusal import ConnectError
from bench.session.stamps import StampClock

board = Switchboard(Simple(next_due_ns=None))
endpoint = Endpoint(f"ws://127.0.0.1:{sys.argv[1]}/", ())


def dial(timeout_s=5.0):
    return board.open_transport(endpoint, StampClock(), timeout_s)


def sockets():
    # Descriptors of sockets this process has open.
    names = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            pass
    return sum(name.startswith("socket:") for name in names)
"""


def run(script: str, port: int) -> Any:
    """Run a script after the prelude; what it printed, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", _PRELUDE + script, str(port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def server(*, answers: bool) -> Iterator[int]:
    """Upgrade whoever comes, or let them wait; gives the port."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:
        over = threading.Event()
        guests: list[socket.socket] = []

        def serve() -> None:
            while not over.is_set():
                if not select.select([listening], [], [], 0.02)[0]:
                    continue
                sock, _ = listening.accept()
                guests.append(sock)
                if answers:
                    sock.sendall(upgrade_response(read_head(sock)))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join(5)
            for sock in guests:
                sock.close()


@pytest.fixture
def silent_port() -> Iterator[int]:
    with server(answers=False) as port:
        yield port


@pytest.fixture
def port() -> Iterator[int]:
    with server(answers=True) as port:
        yield port


def test_between_any_two_pieces_of_handshakes_the_engine_has_its_turn(port: int) -> None:
    log = run(
        r"""
log = []
advance = opening.Opening.advance


def noted(self):
    log.append("piece")
    return advance(self)


opening.Opening.advance = noted
readable, written = os.pipe()
os.write(written, b"x")  # never read: as an engine that always has something to do
engine = gevent.get_hub().loop.io(readable, 1)
engine.start(lambda: log.append("engine"))
opened = gevent.joinall([gevent.spawn(dial) for _ in range(50)])
engine.stop()
print(json.dumps([sum(each.value.open for each in opened), log]))
""",
        port,
    )
    opened, turns = log
    assert opened == 50
    assert turns.count("piece") >= 100
    assert ("piece", "piece") not in set(pairwise(turns))


def test_a_target_that_does_not_answer_is_given_up_in_time(silent_port: int) -> None:
    kind, message, took_s, left = run(
        r"""
began_s = time.monotonic()
try:
    dial(0.2)
except ConnectError as error:
    print(json.dumps([error.kind, str(error), time.monotonic() - began_s, sockets()]))
""",
        silent_port,
    )
    assert (kind, message) == ("timeout", "no answer within 0.2 s")
    assert 0.2 <= took_s < 2
    assert left == 0


def test_who_is_killed_while_dialling_leaves_nothing_behind(silent_port: int) -> None:
    before, during, after = run(
        r"""
before = sockets()
users = [gevent.spawn(dial) for _ in range(5)]
gevent.sleep(0.1)
during = sockets()
gevent.killall(users)
print(json.dumps([before, during, sockets()]))
""",
        silent_port,
    )
    assert (before, during, after) == (0, 5, 0)


def test_those_at_a_gate_pass_in_order_and_the_killed_leave_no_hole() -> None:
    passed, waited_s = run(
        r"""
passed = []
gate = Gate(Pace(0.0, 0.001, 0.001, 2, 0.05, 0.1), lambda: False)


def go(number):
    with gate.turn():
        passed.append(number)


users = [gevent.spawn(go, number) for number in range(30)]
gevent.sleep(0)
gevent.killall(users[1:30:3], block=False)
began_s = time.monotonic()
gevent.joinall(users)
print(json.dumps([passed, time.monotonic() - began_s]))
""",
        0,
    )
    assert passed == [number for number in range(30) if number % 3 != 1]
    assert waited_s < 1


def test_a_place_is_free_as_soon_as_its_holder_leaves() -> None:
    under_way = run(
        r"""
under_way, most = [], []
gate = Gate(Pace(0.0, 0.0005, 0.0005, 3, 60.0, 0.1), lambda: False)


def go(number):
    with gate.turn():
        under_way.append(number)
        most.append(len(under_way))
        gevent.sleep(0.005)
        under_way.remove(number)


gevent.joinall([gevent.spawn(go, number) for number in range(20)])
print(json.dumps(most))
""",
        0,
    )
    assert len(under_way) == 20
    assert max(under_way) == 3


def test_those_at_a_gate_are_held_while_the_engine_is_behind() -> None:
    held, passed = run(
        r"""
behind = [True]
gate = Gate(Pace(0.0, 0.001, 0.001, 3, 0.1, 60.0), lambda: behind[0])
passed = []


def go():
    with gate.turn():
        passed.append(1)


users = [gevent.spawn(go) for _ in range(3)]
gevent.sleep(0.05)
held = len(passed)
behind.clear(), behind.append(False)
gevent.joinall(users)
print(json.dumps([held, len(passed)]))
""",
        0,
    )
    assert (held, passed) == (0, 3)


def test_who_is_told_that_the_engine_is_behind_sleeps_long_enough_for_it_to_catch_up() -> None:
    turns = run(
        r"""
turns = []
readable, written = os.pipe()
os.write(written, b"x")
engine = gevent.get_hub().loop.io(readable, 1)
engine.start(lambda: turns.append(1))
late = Switchboard(Simple(next_due_ns=time.monotonic_ns() - 10_000_000))
early = Switchboard(Simple(next_due_ns=time.monotonic_ns() + 3_600_000_000_000))
board.give_way(), early.give_way()
before = len(turns)
late.give_way()
print(json.dumps([before, len(turns) > before]))
""",
        0,
    )
    assert turns == [0, True]

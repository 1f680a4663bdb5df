"""Processes that share an address, each in a program of its own, as they fork."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from bench.problem import Problem
from bench.server.workers import bind, drain, run_workers

PROGRAM = """
import asyncio, logging, os, sys
from bench.problem import Problem
from bench.server.alarm import Alarm
from bench.server.counters import Counters
from bench.server.outbox import Outgoing
from bench.server.reception import Reception
from bench.server.wire.gate import Gate
from bench.server.workers import *

count, grace_s = int(sys.argv[1]), float(sys.argv[2])
trouble = sys.argv[3:]
counters = Counters(count)

class Session:
    due_ns = None
    def open(self, now_ns):
        return [Outgoing(str(os.getpid()), now_ns)]
    def receive(self, message, now_ns):
        if message == b"die":
            os._exit(9)
        self.due_ns = now_ns + int(message) * 1_000_000
        return []
    def advance(self, now_ns):
        self.due_ns = None
        return [Outgoing("done", now_ns)]
    def next_due_ns(self):
        return self.due_ns
    def close(self):
        pass

def work(number, bound, ready):
    if number == 1 and trouble:
        if trouble[0] == "exit":
            os._exit(3)
        raise Problem("--profile: no such file") if trouble[0] == "problem" else KeyError("x")
    async def main():
        stop = asyncio.Event()
        stop_on_signals(stop)
        gate = Gate(api_key=None, secret=b"s", metrics=counters.exposition,
                    describe_session=lambda session: session)
        alarm = Alarm(asyncio.get_running_loop())
        reception = Reception(gate.decide, lambda *_: Session(), counters.row(number), alarm)
        await serve_connections(bound, reception, stop, ready=ready, grace_s=grace_s,
                                is_idle=lambda session: session.due_ns is None)
        alarm.close()
    run_loop(main())

logging.basicConfig(format="%(message)s")
try:
    sys.exit(run_workers(count, "127.0.0.1", 0, work, lambda port: print(port, flush=True)))
except Problem as problem:
    print("problem:", problem)
    sys.exit(2)
"""


@contextmanager
def running(count: int, grace_s: float = 5.0, *trouble: str) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, "-c", PROGRAM, str(count), str(grace_s), *trouble]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        try:
            yield server
        finally:
            server.kill()


def port_of(server: subprocess.Popen[str]) -> int:
    assert server.stdout is not None
    return int(server.stdout.readline())


@contextmanager
def session(port: int) -> Iterator[tuple[ClientConnection, int]]:
    with connect(f"ws://127.0.0.1:{port}/v1/realtime?model=m") as client:
        yield client, int(client.recv(5))


def open_count(port: int) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        found = re.search(r"^rtbench_server_sessions_open (\d+)$", page.read().decode(), re.M)
    assert found is not None
    return int(found[1])


def said_at_the_end(client: ClientConnection) -> tuple[list[str], int | None]:
    """Messages until the close, and its code."""
    return [str(message) for message in client], client.close_code


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_in_order(count: int, number: int) -> None:
    with running(count) as server:
        port = port_of(server)
        with session(port) as (idle, _), session(port) as (busy, _):
            busy.send("300")
            while open_count(port) < 2:
                time.sleep(0.01)
            began_s = time.monotonic()
            server.send_signal(number)
            assert said_at_the_end(idle) == ([], 1001)
            assert time.monotonic() - began_s < 0.25
            # What was under way is finished.
            assert said_at_the_end(busy) == (["done"], 1001)
        out, errors = server.communicate(timeout=10)
        assert (server.returncode, out, errors) == (0, "", "")


def test_grace_has_an_end() -> None:
    with running(1, 0.05) as server, session(port_of(server)) as (client, _):
        client.send("60000")
        client.ping().wait(5)
        server.send_signal(signal.SIGTERM)
        assert said_at_the_end(client) == ([], 1001)
        server.communicate(timeout=5)
        assert server.returncode == 0


def test_workers_share_clients_and_counts() -> None:
    with running(2) as server:
        port = port_of(server)
        clients = [session(port) for _ in range(24)]
        processes = {client.__enter__()[1] for client in clients}
        assert len(processes) == 2
        assert server.pid not in processes
        assert {open_count(port) for _ in range(8)} == {24}
        server.send_signal(signal.SIGTERM)
        for client in clients:
            client.__exit__(None, None, None)
        server.communicate(timeout=10)
        assert server.returncode == 0


def test_a_worker_that_dies_takes_the_rest_along() -> None:
    with running(2) as server:
        port = port_of(server)
        clients = [session(port) for _ in range(24)]
        entered = [client.__enter__() for client in clients]
        victim, process = entered[0]
        other = next(client for client, its in entered if its != process)
        victim.send("die")
        assert said_at_the_end(other) == ([], 1001)
        for client in clients:
            client.__exit__(None, None, None)
        _, errors = server.communicate(timeout=10)
        assert server.returncode == 1
        assert re.fullmatch(r"worker [01] ended with exit code 9; the server stops\n", errors)


def test_a_parent_that_is_killed_takes_its_workers_along() -> None:
    with running(2) as server:
        with session(port_of(server)) as (client, _):
            server.kill()
            assert said_at_the_end(client) == ([], 1001)
        # Every process that writes to it has ended.
        assert server.stderr is not None
        assert server.stderr.read() == ""


def test_a_worker_that_meets_a_problem_tells_it() -> None:
    with running(2, 5.0, "problem") as server:
        out, errors = server.communicate(timeout=10)
        assert (server.returncode, out) == (2, "problem: --profile: no such file\n")
        assert errors == ""


@pytest.mark.parametrize(("trouble", "code"), [("exit", 3), ("error", 1)])
def test_a_worker_that_cannot_begin(trouble: str, code: int) -> None:
    with running(2, 5.0, trouble) as server:
        out, errors = server.communicate(timeout=10)
        assert (server.returncode, out) == (1, "")
        assert errors.endswith(f"worker 1 ended with exit code {code}; the server stops\n")
        assert ("KeyError" in errors) == (trouble == "error")


@pytest.mark.parametrize("count", [1, 2])
def test_a_taken_port_is_a_clear_problem(count: int) -> None:
    def work(*_: object) -> None:
        pytest.fail("nothing is to be worked on")

    # One that would share is a stranger too.
    with bind("127.0.0.1", 0, shared=True) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Problem, match=f"--port {port}: something on 127.0.0.1 uses it"):
            run_workers(count, "127.0.0.1", port, work, work)


@pytest.mark.parametrize("host", ["192.0.2.1", "nowhere.invalid"])
def test_a_host_of_others_is_a_clear_problem(host: str) -> None:
    with pytest.raises(Problem, match=f"--host {host} --port 8765: cannot listen there"):
        bind(host, 8765, shared=False)


def test_localhost_is_one_address() -> None:
    with bind("localhost", 0, shared=False) as bound:
        assert bound.getsockname()[0] == "127.0.0.1"
    with bind("::1", 0, shared=False) as bound:
        assert bound.family == socket.AF_INET6


class Part:
    """A connection as `drain` sees it."""

    def __init__(self, house: set[Any], session: object) -> None:
        self.house = house
        self.session = session
        self.codes: list[int] = []
        house.add(self)

    def end(self, code: int, reason: str) -> None:
        self.codes.append(code)
        self.house.discard(self)


def test_drain_waits_for_the_busy_only() -> None:
    house: set[Any] = set()
    idle, busy, none = Part(house, "idle"), Part(house, "busy"), Part(house, None)
    looks: list[object] = []

    def is_idle(session: Any) -> bool:
        looks.append(session)
        return session == "idle" or len(looks) > 4

    asyncio.run(drain(house, is_idle, grace_s=60))
    assert [part.codes for part in (idle, busy, none)] == [[1001]] * 3
    assert looks.count("busy") >= 3

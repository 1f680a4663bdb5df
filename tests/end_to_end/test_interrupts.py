"""Ctrl-C once ends any run with its report, twice at once; nothing is left running."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.end_to_end

FORMS = ("run", "locust", "two processes", "shape", "demo", "ab")
SHAPED = """
from locust import LoadTestShape, constant, task
from bench.load.users import RealtimeUser


class Brief(RealtimeUser):
    wait_time = constant(0.2)

    @task
    def say(self):
        self.session.say("short").wait()


class Shape(LoadTestShape):
    def tick(self):
        return (2, 2) if self.get_run_time() < 60 else None
"""
GRACE_S = 3.0
LATER_S = 7.0
"""Into the run: some turns are over, others under way."""


def leftovers(folder: Path) -> list[str]:
    """Living processes that know of the folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in words:
            found.append(words)
    return found


def interrupt(lab: Any, form: str, times: int) -> tuple[Any, float]:
    """Start it, let it get under way, send SIGINT to the process that was started, and no other.

    The program that has ended, and the seconds it took since the first SIGINT.
    """
    host = lab.shared_server.host
    scratch = lab.folder("scratch")
    at, size = ("--host", host), ("-u", 2, "-t", "60s")
    locust = (*lab.locust_command, "-f", lab.ask, "--headless", *size, *at)
    command: tuple[object, ...] = {
        "run": (*lab.rtbench, "run", "ask", *size, "-r", 2, *at),
        "locust": (*locust, "-r", 2),
        "two processes": (*locust, "-r", 2, *lab.of_workers()),
        "shape": (*(*lab.locust_command, "-f", lab.write("shaped", SHAPED), "--headless", *at),),
        "demo": (*lab.rtbench, "demo", *size),
        "ab": (*lab.rtbench, "ab", host, host, "-u", 2, "--blocks", 2, "--block-time", "60s"),
    }[form]
    env = {"TMPDIR": str(scratch)}
    program = lab.runs(f"{form.replace(' ', '-')}-{times}", *command, env=env)
    wait_until(lambda: list(program.runs_dir.rglob("parts")), program)
    time.sleep(LATER_S)
    first_s = time.monotonic()
    for number in range(times):
        os.kill(program.process.pid, signal.SIGINT)
        if number + 1 < times:
            time.sleep(0.7)
    run = program.wait()
    took_s = time.monotonic() - first_s
    run.notes["leftovers"] = left_after(GRACE_S, program.runs_dir, scratch)
    return run, took_s


def left_after(seconds: float, *folders: Path) -> list[str]:
    """What still runs there then: what was killed takes a moment to be gone."""
    deadline = time.monotonic() + seconds
    while left := [process for folder in folders for process in leftovers(folder)]:
        if time.monotonic() > deadline:
            return left
        time.sleep(0.05)
    return []


def wait_until(condition: Callable[[], Any], program: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert program.process.poll() is None, program.text
        assert time.monotonic() < deadline, program.text
        time.sleep(0.05)


def all_forms(lab: Any, times: int) -> dict[str, tuple[Any, float]]:
    assert lab.shared_server is not None
    with ThreadPoolExecutor(3) as pool:
        waiting = {form: pool.submit(interrupt, lab, form, times) for form in FORMS}
    return {form: future.result() for form, future in waiting.items()}


@pytest.fixture(scope="module")
def once(lab: Any) -> dict[str, tuple[Any, float]]:
    return all_forms(lab, 1)


@pytest.fixture(scope="module")
def twice(lab: Any) -> dict[str, tuple[Any, float]]:
    return all_forms(lab, 2)


@pytest.mark.parametrize("form", FORMS)
class TestOnce:
    def test_ends_with_exit_code_130_and_leaves_nothing_running(
        self, once: dict[str, tuple[Any, float]], form: str
    ) -> None:
        run, took_s = once[form]
        print(f"{took_s:.1f} s")
        assert run.code == 130, run.text
        assert "Traceback" not in run.text
        assert run.notes["leftovers"] == run.survivors == []
        assert took_s < 50

    def test_report_is_made_of_a_record_that_is_whole(
        self, once: dict[str, tuple[Any, float]], form: str
    ) -> None:
        run, _ = once[form]
        (page,) = run.runs_dir.rglob("report.html")
        assert {path.name for path in page.parent.iterdir()} >= {"summary.json", "turns.parquet"}
        assert not (page.parent / "parts").exists()


@pytest.mark.parametrize("form", FORMS)
def test_twice_ends_at_once_and_keeps_the_record(
    twice: dict[str, tuple[Any, float]], form: str
) -> None:
    run, took_s = twice[form]
    print(f"{took_s:.1f} s")
    assert run.code == 130, run.text
    assert "Traceback" not in run.text
    assert run.notes["leftovers"] == run.survivors == []
    assert took_s < 20, run.text
    # Whatever the report had come to: the record is there, in parts or whole.
    assert [*run.runs_dir.rglob("parts"), *run.runs_dir.rglob("events.parquet")]


def test_a_master_that_waits_for_workers_leaves(lab: Any) -> None:
    options = ("--master", "--expect-workers", 1, "--master-bind-port", lab.free_port())
    host = lab.shared_server.host
    program = lab.locust("alone", lab.ask, *options, "-u", 1, "-t", "9s", "--host", host)
    program.wait_for("Waiting for workers to be ready")
    os.kill(program.process.pid, signal.SIGINT)
    run = program.wait()
    assert run.code == 130, run.text
    assert "Traceback" not in run.text
    assert run.survivors == []


def test_demo_still_compares_with_the_servers_log(
    once: dict[str, tuple[Any, float]],
) -> None:
    assert "Checked against the server's own log" in once["demo"][0].out


def test_ab_says_what_can_be_done_with_what_there_is(
    once: dict[str, tuple[Any, float]], twice: dict[str, tuple[Any, float]]
) -> None:
    for run, _ in (once["ab"], twice["ab"]):
        assert "rtbench: interrupted; `rtbench compare" in run.err

"""Real children and real signals: who is told what, how often, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.load.child import Ending, run_child

COUNTS = """
import signal, sys, time
counted = []
signal.signal(signal.SIGINT, lambda *_: counted.append(1))
signal.signal(signal.SIGTERM, lambda *_: counted.append(10))
print("ready", flush=True)
deadline = time.monotonic() + 10
while sum(counted) < {until} and time.monotonic() < deadline:
    time.sleep(0.01)
sys.exit(sum(counted))
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def once_ready(path: Path, act: Callable[[], None]) -> threading.Thread:
    def watch() -> None:
        deadline = time.monotonic() + 10
        while "ready" not in path.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        act()

    thread = threading.Thread(target=watch)
    thread.start()
    return thread


@pytest.mark.parametrize("code", [0, 3])
def test_exit_code_and_output(code: int, tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("wb") as output:
        ending = run_child(
            python(f"import sys; print('a'); print('b', file=sys.stderr); sys.exit({code})"),
            output=output,
        )
    assert ending == Ending(code, asked=False)
    assert sorted(path.read_text().split()) == ["a", "b"]


@pytest.mark.parametrize(
    ("sent", "seen"),
    [
        ([signal.SIGINT], 1),
        ([signal.SIGINT] * 2, 2),
        ([signal.SIGTERM], 10),
        ([signal.SIGHUP], 10),
    ],
)
def test_each_signal_is_handed_on_once(
    sent: list[signal.Signals], seen: int, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    before = {number: signal.getsignal(number) for number in set(sent)}

    def send() -> None:
        for number in sent:
            os.kill(os.getpid(), number)
            time.sleep(0.1)

    with path.open("wb") as output:
        thread = once_ready(path, send)
        ending = run_child(python(COUNTS.format(until=seen)), output=output)
        thread.join()
    assert ending == Ending(seen, asked=True)
    assert {number: signal.getsignal(number) for number in set(sent)} == before


def test_a_third_request_kills(tmp_path: Path) -> None:
    path = tmp_path / "out"

    def send() -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

    with path.open("wb") as output:
        thread = once_ready(path, send)
        ending = run_child(python(COUNTS.format(until=99)), output=output)
        thread.join()
    assert ending == Ending(-signal.SIGKILL, asked=True)


def test_a_terminals_interrupt_does_not_reach_the_child_by_itself(tmp_path: Path) -> None:
    """Ours is the only hand that it comes from: the child is in no group of ours."""
    path = tmp_path / "out"
    with path.open("wb") as output:
        run_child(python("import os; print(os.getsid(0), os.getpid())"), output=output)
    session, pid = path.read_text().split()
    assert session == pid
    assert int(session) != os.getsid(0)


def test_a_child_that_takes_too_long_is_ended() -> None:
    started_s = time.monotonic()
    with pytest.raises(subprocess.TimeoutExpired):
        run_child(python("import time; time.sleep(60)"), timeout_s=0.3)
    assert time.monotonic() - started_s < 10

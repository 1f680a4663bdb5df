"""Work is done in another process while there is one, and here when there is none."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

from bench.load.scribe import Scribe


@pytest.fixture
def scribe() -> Iterator[Scribe]:
    made = Scribe()
    yield made
    made.close()


def test_work_is_done_in_another_process(scribe: Scribe) -> None:
    assert scribe.apply(os.getpid) == scribe.pid != os.getpid()
    assert scribe.apply(math.hypot, 3.0, 4.0) == 5.0


def test_much_goes_there_and_back(scribe: Scribe) -> None:
    data = os.urandom(3_000_000)
    assert scribe.apply(bytes.__add__, data, data) == data + data
    assert scribe.apply(os.getpid) == scribe.pid


def test_large_arrays_go_there_and_back_beside_small_ones(scribe: Scribe) -> None:
    large, small = np.arange(500_000), np.arange(0)
    total = scribe.apply(np.add, large, large)
    assert (total == 2 * large).all()
    assert scribe.apply(np.concatenate, (small, small)).size == 0
    assert scribe.apply(os.getpid) == scribe.pid


def test_an_answer_that_cannot_be_sent_is_found_here_and_the_next_is_done_there(
    scribe: Scribe,
) -> None:
    with scribe.apply(open, os.devnull) as opened:
        assert opened.name == os.devnull
    assert scribe.apply(os.getpid) == scribe.pid


def test_what_fails_there_fails_here_and_the_next_is_done_there(scribe: Scribe) -> None:
    with pytest.raises(ZeroDivisionError):
        scribe.apply(divmod, 1, 0)
    assert scribe.apply(os.getpid) == scribe.pid


def test_an_interrupt_from_the_terminal_does_not_end_it(scribe: Scribe) -> None:
    assert scribe.apply(os.getpid) == scribe.pid
    os.kill(scribe.pid, signal.SIGINT)
    assert scribe.apply(os.getpid) == scribe.pid


def test_killed_it_leaves_the_work_to_its_caller(
    scribe: Scribe, caplog: pytest.LogCaptureFixture
) -> None:
    os.kill(scribe.pid, signal.SIGKILL)
    assert scribe.apply(os.getpid) == os.getpid()
    assert scribe.apply(os.getpid) == os.getpid()
    assert [record.message for record in caplog.records] == [
        "the process that makes parts is gone or idle; a thread goes on"
    ]


def test_without_a_processor_it_leaves_the_work_to_its_caller() -> None:
    scribe = Scribe(patience_s=0.2)
    assert scribe.begin(os.getpid) == scribe.pid
    os.kill(scribe.pid, signal.SIGSTOP)
    assert scribe.apply(os.getpid) == os.getpid()
    scribe.close()
    assert not psutil.pid_exists(scribe.pid)


def test_work_begun_is_waited_for_with_patience() -> None:
    scribe = Scribe(patience_s=0.05)
    scribe.begin(time.sleep, 0.2)
    assert scribe.apply(os.getpid) == scribe.pid
    scribe.close()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="this system has no idle class")
def test_after_its_beginning_it_takes_only_what_others_leave(scribe: Scribe) -> None:
    scribe.begin(os.getpid)
    scribe.apply(os.getpid)
    assert os.sched_getscheduler(scribe.pid) == os.SCHED_IDLE


def test_closed_it_leaves_no_process_and_work_goes_on_here() -> None:
    scribe = Scribe()
    assert psutil.pid_exists(scribe.pid)
    scribe.close()
    assert not psutil.pid_exists(scribe.pid)
    assert scribe.apply(os.getpid) == os.getpid()


def test_it_ends_with_a_process_that_was_killed() -> None:
    code = (
        "import os, signal; from bench.load.scribe import Scribe; made = Scribe();"
        "print(made.apply(os.getpid), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while psutil.pid_exists(int(done.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert done.stderr == ""

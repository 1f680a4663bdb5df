"""Does work in a process of its own, so that it never holds the interpreter of the engine's.

A thread does not do for that. Sending a frame gives the interpreter's lock up for as long as
the system call lasts; a thread that waits for it takes it then, and keeps it for half a
millisecond. A part of some ten milliseconds of work held up a thousand frames in that way.
"""

from __future__ import annotations

import contextlib
import logging
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, TypeVar

_SIZE = struct.Struct("=Q")
_STOP_TIMEOUT_S = 5.0

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Scribe:
    """A process that does what it is told, one thing after the other, until `close`.

    Whoever calls waits, in a real thread. When the process cannot do it, or is gone, the
    caller's does it: what was recorded is not lost.
    """

    def __init__(self) -> None:
        theirs, to_them = os.pipe()
        from_them, ours = os.pipe()
        self._process = subprocess.Popen(
            # -P: a folder `bench` here is not rtbench
            [sys.executable, "-P", "-m", "bench.load.scribe"],
            stdin=theirs,
            stdout=ours,
        )
        os.close(theirs)
        os.close(ours)
        self._to = os.fdopen(to_them, "wb", buffering=0)
        self._from = os.fdopen(from_them, "rb")
        self._gone = False

    @property
    def pid(self) -> int:
        """Of the process."""
        return int(self._process.pid)

    def apply(self, function: Callable[..., T], *arguments: Any) -> T:
        """The value of a function of some module that does not import gevent.

        Raises:
            Exception: what the function raises, here.
        """
        if not self._gone:
            try:
                _write(self._to, pickle.dumps((function, arguments), 5))
                answer = _read(self._from)
            except OSError:
                answer = None
            if answer:
                done: T = pickle.loads(answer)[0]  # noqa: S301 - from ourselves
                return done
            if answer is None:
                self._gone = True
                _log.warning("the process that writes parts is gone; a thread goes on with it")
        return function(*arguments)

    def close(self) -> None:
        """End the process; what comes after is done here."""
        self._gone = True
        self._to.close()
        self._from.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_TIMEOUT_S)
            return
        self._process.kill()
        self._process.wait()


def _write(pipe: Any, data: bytes) -> None:
    """Write all of it."""
    rest = memoryview(_SIZE.pack(len(data)) + data)
    while rest:
        rest = rest[pipe.write(rest) :]


def _read(pipe: BinaryIO) -> bytes | None:
    """The next of what was written; None when nothing more will come."""
    head = pipe.read(_SIZE.size)
    if len(head) < _SIZE.size:
        return None
    (size,) = _SIZE.unpack(head)
    data = pipe.read(size)
    return data if len(data) == size else None


def main() -> None:
    """Be told what to do on stdin and answer on stdout; an empty answer says that it failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked for the work knows when it ends
    with contextlib.suppress(OSError, AttributeError):  # frames come first, on whatever core
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # nothing else may come between the answers
    while (task := _read(sys.stdin.buffer)) is not None:
        try:
            function, arguments = pickle.loads(task)  # noqa: S301 - from ourselves
            answer = pickle.dumps((function(*arguments),), 5)
        except Exception:  # noqa: BLE001 - it is tried again where it was asked for
            _log.exception("a part could not be made here")
            answer = b""
        _write(answers, answer)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):  # nobody is there any more to be answered
        main()

"""Does work in a process of its own, so that it never holds the interpreter of the engine's.

A thread does not do for that. Sending a frame gives the interpreter's lock up for as long as
the system call lasts; a thread that waits for it takes it then, and keeps it for half a
millisecond. A part of some ten milliseconds of work held up a thousand frames in that way.
"""

from __future__ import annotations

import _socket
import contextlib
import logging
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

PATIENCE_S = 4.0
"""For the next piece of an answer: two parts' time. Where all is busy, none may ever come."""

_COUNT = struct.Struct("=Q")
_Piece: TypeAlias = bytes | memoryview

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Scribe:
    """A process that does what it is told, one thing after the other, until `close`.

    Whoever calls waits, in a real thread. When the process cannot do it, is gone or gets no
    processor, the caller's does it: what was recorded is not lost, nor late for long.

    A bare socket: a patched one would make a hub in the thread that calls.
    """

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._line, theirs = _socket.socketpair()
        self._process = subprocess.Popen(
            # -P: a folder `bench` here is not rtbench
            [sys.executable, "-P", "-m", "bench.load.scribe"],
            stdin=theirs.fileno(),
        )
        theirs.close()
        self._patience_s = patience_s
        self._gone = False

    @property
    def pid(self) -> int:
        """Of the process."""
        return int(self._process.pid)

    def begin(self, function: Callable[..., T], *arguments: Any) -> T:
        """As `apply`, the first time: what is needed is loaded, for which there is patience."""
        return self._apply(None, function, arguments)

    def apply(self, function: Callable[..., T], *arguments: Any) -> T:
        """The value of a function of some module that does not import gevent.

        Raises:
            Exception: what the function raises, here.
        """
        return self._apply(self._patience_s, function, arguments)

    def _apply(
        self, patience_s: float | None, function: Callable[..., T], arguments: tuple[Any, ...]
    ) -> T:
        if not self._gone:
            try:
                self._line.settimeout(patience_s)
                _send(self._line, _pieces_of((function, arguments)))
                answer = _receive(self._line)
            except OSError:
                answer = None
            done: tuple[T, ...] = () if answer is None else _values_of(answer)
            if done:
                return done[0]
            if answer is None and not self._gone:
                self._gone = True
                self._process.kill()
                _log.warning("the process that makes parts is gone or idle; a thread goes on")
        return function(*arguments)

    def close(self) -> None:
        """End the process, which must have nothing to do; what comes after is done here."""
        self._gone = True
        self._process.kill()
        self._process.wait()
        self._line.close()


def _pieces_of(values: tuple[Any, ...]) -> list[_Piece]:
    """What is sent of values: a pickle, and large arrays among them as they lie."""
    arrays: list[pickle.PickleBuffer] = []
    body = pickle.dumps(values, 5, buffer_callback=arrays.append)
    return [body, *(piece.raw() for piece in arrays)]


def _values_of(pieces: list[bytearray]) -> tuple[Any, ...]:
    values: tuple[Any, ...] = pickle.loads(pieces[0], buffers=pieces[1:])  # noqa: S301 - ours
    return values


def _send(line: _socket.socket, pieces: list[_Piece]) -> None:
    """Send pieces; the interpreter's lock is given up while the kernel takes each."""
    line.sendall(_COUNT.pack(len(pieces)) + _sizes(len(pieces)).pack(*map(len, pieces)))
    for piece in pieces:
        line.sendall(piece)


def _receive(line: _socket.socket) -> list[bytearray] | None:
    """The next pieces that were sent; None when nothing more will come."""
    head = _read_exactly(line, _COUNT.size)
    if head is None:
        return None
    sizes = _sizes(*_COUNT.unpack(head))
    told = _read_exactly(line, sizes.size)
    pieces = []
    for size in () if told is None else sizes.unpack(told):
        piece = _read_exactly(line, size)
        if piece is None:
            return None
        pieces.append(piece)
    return pieces or None


def _sizes(count: int) -> struct.Struct:
    return struct.Struct(f"={count}Q")


def _read_exactly(line: _socket.socket, size: int) -> bytearray | None:
    """So many bytes; None when they will not come."""
    data = bytearray(size)
    view = memoryview(data)
    place = 0
    while place < size:
        count = line.recv_into(view[place:])
        if not count:
            return None
        place += count
    return data


def main() -> None:
    """Be told what to do on stdin's socket and answer there; no value says: it failed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who asked for the work knows when it ends
    line = socket.socket(fileno=os.dup(0))
    began = False
    while (task := _receive(line)) is not None:
        try:
            function, arguments = _values_of(task)
            answer = _pieces_of((function(*arguments),))
        except Exception:  # noqa: BLE001 - it is tried again where it was asked for
            _log.exception("a part could not be made here")
            answer = _pieces_of(())
        _send(line, answer)
        if not began:  # what is slow is loaded; from now on frames come first, on whatever core
            began = True
            with contextlib.suppress(OSError, AttributeError):
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


if __name__ == "__main__":
    with contextlib.suppress(ConnectionError):  # nobody is there any more to be answered
        main()

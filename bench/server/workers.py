"""Turns one address into listening processes, and a signal into their orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import gc
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from io import FileIO
from typing import Any

from bench.problem import Problem
from bench.server.connection import Connection
from bench.server.reception import Reception, Session

# A worker's task: its number from 0, a bound socket to listen on, and whom to tell once it does.
Work = Callable[[int, socket.socket, Callable[[], None]], None]

_BACKLOG = 4096
_TLS_HANDSHAKE_TIMEOUT_S = 10.0
_GLANCE_S = 0.02
_CLOSING_S = 3.0
_STOPPING_S = 30
_PR_SET_PDEATHSIG = 1
_READY = b"\0"
_PROBLEM = 2
_INTERRUPTED = 130
# How a worker may end while all do: it told of a problem, or a signal met it before it listened.
_ORDERLY = {0, -signal.SIGTERM, _PROBLEM, _INTERRUPTED}

logger = logging.getLogger("rtbench.server")


def run_workers(
    count: int, host: str, port: int, work: Work, on_ready: Callable[[int], None]
) -> int:
    """Run `work` in `count` processes that share the address; their exit code, 0 or 1.

    One worker is this process. More are forked from it, so that no event loop and no thread may
    exist yet; SIGINT and SIGTERM are passed on to them as SIGTERM. When one dies, the rest is
    ended. `on_ready` is told the port once all listen.

    Raises:
        Problem: the address cannot be had, or a worker met one before it was ready.
    """
    if count > 1 and port:
        # Sockets that share do not see each other: look for strangers with one that does not.
        bind(host, port, shared=False).close()
    bound = bind(host, port, shared=count > 1)
    # A full collection of all that was imported takes 20 ms, and some reply would be so late.
    gc.collect()
    gc.freeze()
    with bound:
        port = bound.getsockname()[1]
        if count == 1:
            work(0, bound, lambda: on_ready(port))
            return 0
        # While bound, it keeps the port; as it does not listen, no client comes to it.
        return _Workers(host, port, work).run(count, on_ready)


def bind(host: str, port: int, *, shared: bool) -> socket.socket:
    """A bound TCP socket that does not listen yet; `shared` lets other processes bind it too.

    Raises:
        Problem: the port is taken, or the host is none of this machine's.
    """
    try:
        # The name stands for two addresses, and with port 0 they would get two ports.
        name = "127.0.0.1" if host == "localhost" else host
        family, kind, protocol, _, address = socket.getaddrinfo(
            name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            bound.bind(address)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Problem(
                f"--port {port}: something on {host} uses it already; "
                "choose another, or 0 for any free one"
            ) from None
        reason = error.strerror or str(error)
        raise Problem(f"--host {host} --port {port}: cannot listen there ({reason})") from None
    return bound


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """Run on uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop  # noqa: PLC0415 - it is an extra
    except ImportError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set `stop` at SIGINT and SIGTERM."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


async def serve_connections(
    bound: socket.socket,
    reception: Reception,
    stop: asyncio.Event,
    *,
    ready: Callable[[], None],
    is_idle: Callable[[Session], bool],
    grace_s: float = 5.0,
    tls: ssl.SSLContext | None = None,
) -> None:
    """Accept clients until `stop` is set, then drain.

    Raises:
        Problem: the address was taken since it was bound.
    """
    loop = asyncio.get_running_loop()
    timeout_s = None if tls is None else _TLS_HANDSHAKE_TIMEOUT_S
    try:
        server = await loop.create_server(
            lambda: Connection(reception),
            sock=bound,
            backlog=_BACKLOG,
            ssl=tls,
            ssl_handshake_timeout=timeout_s,
        )
    except OSError as error:
        raise Problem(f"cannot listen: {error.strerror}; choose another --port") from None
    try:
        ready()
        await stop.wait()
    finally:
        server.close()
        await drain(reception.connections, is_idle, grace_s)


async def drain(
    connections: set[Connection], is_idle: Callable[[Session], bool], grace_s: float
) -> None:
    """Close each session with 1001 once it is idle, and all after `grace_s`."""
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + grace_s
    while loop.time() < deadline_s:
        busy = False
        for connection in list(connections):
            session = connection.session
            if session is not None and not is_idle(session):
                busy = True
            else:
                connection.end(1001, "the server stops")
        if not busy:
            break
        await asyncio.sleep(_GLANCE_S)
    for connection in list(connections):
        connection.end(1001, "the server stops")
    # Each has its own timeout for the client's answer.
    closed_s = loop.time() + _CLOSING_S
    while connections and loop.time() < closed_s:
        await asyncio.sleep(_GLANCE_S / 4)


class _Workers:
    """The processes that were forked, by their ids."""

    def __init__(self, host: str, port: int, work: Work) -> None:
        self._host = host
        self._port = port
        self._work = work
        self._numbers: dict[int, int] = {}
        self._exit_code = 0

    def run(self, count: int, on_ready: Callable[[int], None]) -> int:
        signals = {signal.SIGINT, signal.SIGTERM, signal.SIGCHLD}
        # They wait to be asked for, so that none is lost and none interrupts.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        try:
            pipes = [self._fork(number, mask) for number in range(count)]
            for process, pipe in zip(list(self._numbers), pipes, strict=True):
                self._wait_until_ready(process, pipe)
                if self._exit_code:
                    break
            else:
                on_ready(self._port)
            while self._numbers and not self._exit_code:
                if signal.sigwait(signals) != signal.SIGCHLD:
                    break
                self._reap(stopping=False)
        finally:
            self._end(signals)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return self._exit_code

    def _fork(self, number: int, mask: set[int | signal.Signals]) -> int:
        """Start a worker; the end of a pipe on which it says that it is ready."""
        reading, writing = os.pipe()
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process:
            os.close(writing)
            self._numbers[process] = number
            return reading
        os.close(reading)
        exit_code = 1
        try:
            # A parent that is killed takes its workers along.
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            if os.getppid() == parent:
                exit_code = self._work_in_child(number, writing)
        except BaseException:
            logger.exception("worker %d failed", number)
        finally:
            # Nothing of the parent's is to be tidied up here.
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(exit_code)

    def _work_in_child(self, number: int, pipe: int) -> int:
        with os.fdopen(pipe, "wb", buffering=0) as parent:
            try:
                with bind(self._host, self._port, shared=True) as bound:
                    self._work(number, bound, lambda: _tell(parent, _READY))
            except Problem as problem:
                if parent.closed:
                    raise
                _tell(parent, str(problem).encode())
                return _PROBLEM
            except KeyboardInterrupt:
                return _INTERRUPTED
        return 0

    def _wait_until_ready(self, process: int, pipe: int) -> None:
        with os.fdopen(pipe, "rb", buffering=0) as said:
            words = said.read(4096)
        if words == _READY:
            return
        if words:
            raise Problem(words.decode(errors="replace"))
        # It is ending; how is known once it has.
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        self._reap(stopping=False)

    def _reap(self, *, stopping: bool) -> None:
        """Take leave of those that ended."""
        for process in list(self._numbers):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended:
                continue
            number = self._numbers.pop(process)
            code = os.waitstatus_to_exitcode(status)
            if not stopping or code not in _ORDERLY:
                self._exit_code = 1
                how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
                logger.error("worker %d ended %s; the server stops", number, how)

    def _end(self, signals: set[signal.Signals]) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            for process in self._numbers:
                os.kill(process, number)
            while self._numbers:
                self._reap(stopping=True)
                if self._numbers and signal.sigtimedwait(signals, _STOPPING_S) is None:
                    break


def _tell(pipe: FileIO, words: bytes) -> None:
    with pipe, contextlib.suppress(BrokenPipeError):
        pipe.write(words)

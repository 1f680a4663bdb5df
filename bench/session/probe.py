"""Tries the target and this host once, and says in one line what is wrong."""

from __future__ import annotations

import os
import resource
import select
import socket
import time
from dataclasses import dataclass

from bench.dialects.base import Dialect, Endpoint
from bench.problem import Problem
from bench.session.opening import open_transport
from bench.session.refusal import ConnectError
from bench.session.stamps import ANCILLARY_BYTES, StampClock
from bench.session.timer import DeadlineTimer

_TIMER_ROUNDS = 200
_TIMER_STEP_NS = 2_000_000
_STAMP_TRIES = 20
"""The kernel begins to stamp some ms after the first socket of the host has asked for it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `rtbench doctor`; `advice` is what to do when it is not `fine`."""

    name: str
    fine: bool
    found: str
    advice: str = ""


def probe_target(endpoint: Endpoint, dialect: Dialect, timeout_s: float) -> None:
    """Connect and upgrade once.

    Raises:
        Problem: the target does not let us in; the message says why and what to try.
    """
    try:
        transport = open_transport(endpoint, StampClock(), timeout_s)
    except ConnectError as error:
        mend = _mend(error.kind, endpoint, dialect)
        raise Problem(f"{endpoint.redacted_url}: {error} ({error.kind}); {mend}") from None
    transport.start_closing()
    transport.drop()


def _mend(kind: str, endpoint: Endpoint, dialect: Dialect) -> str:
    if kind == "proxy_407":
        return "give HTTPS_PROXY a user that it accepts: http://USER:PASSWORD@HOST:PORT"
    if kind.startswith("proxy_") or (endpoint.proxy is not None and kind in {"refused", "dns"}):
        return "check the proxy in HTTPS_PROXY, or list the target's host in NO_PROXY"
    if kind == "refused":
        return "is the server running? `rtbench serve` starts the embedded one"
    if kind in {"http_401", "http_403"}:
        if endpoint.authorised_by:
            variable = " and ".join(endpoint.authorised_by)
            return f"set {variable} to a key that the target accepts"
        if dialect.key_variable is None:
            return "give it the key it wants, such as --header 'Authorization: Bearer ${MY_KEY}'"
        return f"set {dialect.key_variable} to a key that the target accepts"
    if kind == "http_404":
        return "check the path of --host"
    if kind == "tls":
        return "if an authority of your own signed its certificate, name it in SSL_CERT_FILE"
    return "check --host"


def check_host() -> list[Check]:
    """What of this host decides how far its figures can be trusted."""
    return [_cores(), _open_files(), _timer_jitter(), _kernel_stamps()]


def _cores() -> Check:
    cores = os.cpu_count() or 1
    busy = os.getloadavg()[0]
    return Check(
        "cores",
        busy < cores * 0.75,
        f"{cores}, load average {busy:.2f}",
        "something else is using this machine; its latency will show up in yours",
    )


def _open_files() -> Check:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Check(
        "open files",
        soft >= 4096 or hard >= 10_000,  # Locust raises the soft limit to 10,000 by itself
        f"soft limit {soft}, hard limit {hard}",
        "each session takes one; raise it with `ulimit -n 10000`",
    )


def _timer_jitter() -> Check:
    """How late a deadline 2 ms ahead is noticed, 200 times."""
    try:
        timer = DeadlineTimer()
    except OSError as error:
        return Check("timer", False, str(error), "rtbench paces its frames with Linux's timerfd")
    poll = select.poll()
    poll.register(timer.fileno(), select.POLLIN)
    late_ms = []
    due_ns = time.monotonic_ns()
    for _ in range(_TIMER_ROUNDS):
        due_ns = max(due_ns + _TIMER_STEP_NS, time.monotonic_ns())
        timer.arm(due_ns)
        poll.poll(1000)
        late_ms.append((time.monotonic_ns() - due_ns) / 1e6)
        timer.clear()
    timer.close()
    late_ms.sort()
    p99 = late_ms[int(len(late_ms) * 0.99) - 1]
    return Check(
        "timer jitter",
        p99 < 2.0,
        f"p50 {late_ms[len(late_ms) // 2]:.3f} ms, p99 {p99:.3f} ms, max {late_ms[-1]:.3f} ms",
        "the machine wakes late; a busy or virtual host does that",
    )


def _kernel_stamps() -> Check:
    """Whether a TCP segment on loopback carries its arrival time."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        stamped = StampClock().enable(client)
        peer, _ = server.accept()
        with peer:
            for _ in range(_STAMP_TRIES):
                peer.sendall(b"x")
                _, ancillary, _, _ = client.recvmsg(1, ANCILLARY_BYTES)
                if ancillary:
                    break
                time.sleep(0.01)
    return Check(
        "kernel receive stamps",
        stamped and bool(ancillary),
        "yes" if stamped and ancillary else "no",
        "arrivals are stamped when our code reads them; a busy client adds its own delay",
    )

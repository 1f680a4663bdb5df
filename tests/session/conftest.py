"""Kernel stamps from a test's first segment on, and tests that run side by side."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from bench.session.stamps import ANCILLARY_BYTES, StampClock

from .side_by_side import SideBySide


@pytest.fixture(scope="session", autouse=True)
def _stamping_host() -> Iterator[None]:
    """Keep one stamped socket open.

    The kernel begins to stamp some ms after the first socket of the host has asked for it, and
    stops with the last.
    """
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        assert StampClock().enable(client)
        peer, _ = server.accept()
        with peer:
            for _ in range(100):
                peer.sendall(b"x")
                if client.recvmsg(1, ANCILLARY_BYTES)[1]:
                    break
                time.sleep(0.01)
            yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """A test that was begun beside others is waited for."""
    tests = pyfuncitem.funcargs.get("side_by_side")
    if not isinstance(tests, SideBySide):
        return None
    tests.result(pyfuncitem.nodeid)
    return True

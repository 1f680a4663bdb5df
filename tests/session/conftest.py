"""Kernel stamps that are there from a test's first segment on."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from bench.session.stamps import ANCILLARY_BYTES, StampClock


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

"""Turns a host's name into socket addresses: looked up once, and again when that is old."""

from __future__ import annotations

import ipaddress
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_AGE_S = 60.0
"""A name that moves is followed within this time; a lookup costs a round trip of a thread."""


class Address(NamedTuple):
    """A family of sockets, and what such a socket connects to."""

    family: int
    sockaddr: tuple[Any, ...]


class Addresses:
    """Where one port of one host is reached.

    Sessions start with the addresses of the resolver's preferred family in turn, as callers
    who each ask a name server are spread by it, and go on with the others.
    """

    def __init__(
        self, host: str, port: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._max_age_s = math.inf if _is_literal(host) else MAX_AGE_S
        self._asking = threading.Lock()
        self._answer: list[Address] | OSError | UnicodeError = []
        self._answered_s: float | None = None
        self._turn = 0

    def next(self) -> list[Address]:
        """All addresses, those to try first in front; may block the caller for a lookup.

        Raises:
            OSError: the name is not known, or the resolver does not answer.
            UnicodeError: no host can have this name.
        """
        answer = self._answer
        if isinstance(answer, Exception) or self._older_than(self._clock() - self._max_age_s):
            answer = self._ask()
        preferred = [address for address in answer if address.family == answer[0].family]
        others = [address for address in answer if address.family != answer[0].family]
        first = self._turn % len(preferred)
        self._turn += 1
        return preferred[first:] + preferred[:first] + others

    def _older_than(self, instant_s: float) -> bool:
        return self._answered_s is None or self._answered_s <= instant_s

    def _ask(self) -> list[Address]:
        """Look up; who comes while another asks shares the answer, also a failure."""
        came_s = self._clock()
        with self._asking:
            if self._older_than(came_s):
                try:
                    found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
                    self._answer = [Address(family, to) for family, _, _, _, to in found]
                except (OSError, UnicodeError) as error:
                    self._answer = error
                self._answered_s = self._clock()
            if isinstance(self._answer, Exception):
                raise self._answer.with_traceback(None)
            return self._answer


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True

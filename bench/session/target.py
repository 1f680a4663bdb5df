"""Turns a host and what the environment holds into an endpoint that may carry a key."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from bench.dialects.base import Dialect, Endpoint, SessionType
from bench.dialects.headers import Header, read_header
from bench.problem import Problem
from bench.session.proxy import find_proxy


def target_endpoint(
    dialect: Dialect,
    host: str,
    model: str,
    *,
    session_type: SessionType = "realtime",
    headers: Sequence[str] = (),
) -> Endpoint:
    """Where a session for `model` on `host` is opened, with the environment's key if it has one.

    `headers` are lines 'Name: value' whose ${VARIABLE} come from the environment; one takes
    the place of the dialect's own header of that name, whose variable then counts for nothing.
    What leaves this machine goes through the proxy that the environment names, if any.

    Raises:
        Problem: `host` is no WebSocket URL, a header is none or is given twice, a variable of
            it is unset, there are two authorisations, or the key or the proxy cannot or must
            not be used.
    """
    endpoint = dialect.endpoint(host, model, os.environ, session_type, _read_lines(headers))
    if is_loopback(host):
        return endpoint  # a proxy would carry off what is meant to stay here
    if endpoint.secrets and endpoint.url.startswith("ws://"):
        raise Problem(
            f"--host {endpoint.redacted_url}: would carry the key in {endpoint.secrets[0]} "
            "unencrypted; use wss://, or unset the variable"
        )
    return replace(endpoint, proxy=find_proxy(endpoint.url))


def _read_lines(lines: Sequence[str]) -> list[Header]:
    """Headers all of whose variables are set, each name once."""
    headers: dict[str, Header] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise Problem("--header: there is no colon in it; write 'Name: value'")
        header = read_header(name.strip(), value.strip(), "--header")
        unset = header.value.unset(os.environ)
        if unset:
            state, them = ("is", "it") if len(unset) == 1 else ("are", "them")
            raise Problem(
                f"--header {header.name}: {' and '.join(unset)} {state} not set; "
                f"export {them} first"
            )
        if header.name.lower() in headers:
            raise Problem(f"--header {header.name}: is given twice; drop either")
        headers[header.name.lower()] = header
    return list(headers.values())


def is_loopback(host: str) -> bool:
    """Whether a URL points at this machine by name or address."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"

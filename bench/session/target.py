"""Turns a host and what the environment holds into an endpoint that may carry a key."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from bench.dialects.base import Dialect, Endpoint, SessionType
from bench.dialects.headers import read_header
from bench.problem import Problem


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
    the place of the dialect's own header of that name.

    Raises:
        Problem: `host` is no WebSocket URL, a header is none, or the key cannot or must not be
            sent to it.
    """
    endpoint = dialect.endpoint(host, model, os.environ, session_type)
    for line in headers:
        endpoint = _with_header(endpoint, line)
    if endpoint.secrets and endpoint.url.startswith("ws://") and not is_loopback(host):
        raise Problem(
            f"--host {endpoint.redacted_url}: would carry the key in {endpoint.secrets[0]} "
            "unencrypted; use wss://, or unset the variable"
        )
    return endpoint


def _with_header(endpoint: Endpoint, line: str) -> Endpoint:
    name, colon, value = line.partition(":")
    if not colon:
        raise Problem("--header: there is no colon in it; write 'Name: value'")
    header = read_header(name.strip(), value.strip(), "--header")
    filled = header.value.fill(os.environ)
    if filled is None:
        variables = ", ".join(header.value.variables)
        raise Problem(f"--header {header.name}: {variables} is not set; export it first")
    others = [pair for pair in endpoint.headers if pair[0].lower() != header.name.lower()]
    return replace(
        endpoint,
        headers=(*others, (header.name, filled)),
        secrets=(*endpoint.secrets, *header.value.variables),
    )


def is_loopback(host: str) -> bool:
    """Whether a URL points at this machine by name or address."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"

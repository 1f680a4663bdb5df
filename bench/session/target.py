"""Turns a host and the key in the environment into an endpoint that may carry that key."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from bench.dialects.base import Dialect, Endpoint
from bench.problem import Problem


def target_endpoint(dialect: Dialect, host: str, model: str) -> Endpoint:
    """Where a session for `model` on `host` is opened, with the environment's key if it has one.

    Raises:
        Problem: `host` is no WebSocket URL, or the key cannot or must not be sent to it.
    """
    api_key = os.environ.get(dialect.key_variable) or None
    endpoint = dialect.endpoint(host, model, api_key)
    if api_key is not None and endpoint.url.startswith("ws://") and not is_loopback(host):
        raise Problem(
            f"--host {endpoint.redacted_url}: would carry the key in {dialect.key_variable} "
            "unencrypted; use wss://, or unset the variable"
        )
    return endpoint


def is_loopback(host: str) -> bool:
    """Whether a URL points at this machine by name or address."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"

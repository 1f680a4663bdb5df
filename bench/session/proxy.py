"""Turns what the environment says of proxies into the one that leads to a URL."""

from __future__ import annotations

import base64
import urllib.request
from urllib.parse import unquote, urlsplit

from bench.dialects.base import Proxy
from bench.problem import Problem

_NAMED_BY = {"wss": ("wss", "https", "all"), "ws": ("ws", "https", "http", "all")}
"""Whose proxy a URL goes through, the first that is set: by RFC 6455, section 4.1, a WebSocket
without TLS prefers that of HTTPS too."""


def find_proxy(url: str) -> Proxy | None:
    """The proxy that leads to a ws:// or wss:// URL, None where none is wanted.

    WSS_PROXY or WS_PROXY, HTTPS_PROXY, HTTP_PROXY (for ws:// only) and ALL_PROXY name it, in
    this order; NO_PROXY lists the hosts that are reached without. Small letters go first.

    Raises:
        Problem: the variable that counts holds no URL of an http:// proxy.
    """
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    if urllib.request.proxy_bypass(f"{parts.hostname}:{port}"):
        return None
    proxies = urllib.request.getproxies()
    for scheme in _NAMED_BY.get(parts.scheme, ()):
        if proxies.get(scheme):
            return _read(proxies[scheme], f"{scheme.upper()}_PROXY")
    return None


def _read(text: str, variable: str) -> Proxy:
    # The value stays out of the messages: it may well hold a password.
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host:
        raise Problem(f"{variable}: is no URL of a proxy; write http://HOST:PORT")
    if parts.scheme != "http":
        raise Problem(
            f"{variable}: a proxy of {parts.scheme}:// cannot be used; name one as "
            "http://HOST:PORT, or list the target's host in NO_PROXY"
        )
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        shown = base64.b64encode(pair.encode(errors="surrogateescape"))  # bytes as they were set
        authorization = f"Basic {shown.decode()}"
    return Proxy(host, port or 80, authorization)

"""Turns a host, a model and the environment into the endpoint of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, urlsplit, urlunsplit

from bench.dialects.base import Endpoint, SessionType
from bench.dialects.headers import TOKEN, Header, Template
from bench.problem import Problem

_AUTHORISATIONS = frozenset({"authorization", "api-key"})


@dataclass(frozen=True, slots=True)
class Address:
    """Where a kind of server listens, and how it wants to be shown a key.

    `query` has the parameters a host may leave out; {model} in `path` or a value stands for
    the model.
    """

    path: str
    query: Mapping[str, str]
    transcription_query: Mapping[str, str]
    headers: tuple[Header, ...] = ()
    subprotocols: tuple[Template, ...] = ()

    def endpoint(
        self,
        host: str,
        model: str,
        environment: Mapping[str, str],
        session_type: SessionType = "realtime",
    ) -> Endpoint:
        """`host` may be bare (ws://127.0.0.1:8765) or carry its own path and query.

        Raises:
            Problem: `host` is no ws:// or wss:// URL with a host name, no header can carry a
                key, or there are two authorisations.
        """
        query = self.query if session_type == "realtime" else self.transcription_query
        given = {name: text.replace("{model}", model) for name, text in query.items()}
        path = self.path.replace("{model}", quote(model, safe=""))
        url, has_user_info = _complete(host, path, given)
        headers: list[tuple[str, str]] = []
        secrets: list[str] = []
        for header in self.headers:
            value = header.value.fill(environment)
            if value is not None:
                headers.append((header.name, value))
                secrets += header.value.variables
        subprotocols: list[str] = []
        for template in self.subprotocols:
            name = template.fill(environment)
            if name is None:
                continue
            if not TOKEN.fullmatch(name):
                raise Problem(
                    f"{', '.join(template.variables)}: the key holds a character that no "
                    "subprotocol can carry; it must go into a header"
                )
            subprotocols.append(name)
            secrets += template.variables
        _check_single(host_authorises=has_user_info, headers=headers, secrets=secrets)
        return Endpoint(url, tuple(headers), tuple(subprotocols), tuple(secrets))


def _check_single(
    *, host_authorises: bool, headers: list[tuple[str, str]], secrets: list[str]
) -> None:
    found = sum(name.lower() in _AUTHORISATIONS for name, _ in headers)
    if host_authorises and found:
        raise Problem(
            f"--host carries user info and {secrets[0]} is set; one connection can "
            "have one authorisation only, so drop either"
        )
    if found > 1:
        raise Problem(
            f"{' and '.join(secrets)} are set; one connection can have one authorisation "
            "only, so drop either"
        )


def _complete(host: str, path: str, query: Mapping[str, str]) -> tuple[str, bool]:
    """The whole URL, and whether it has user info."""
    try:
        parts = urlsplit(host)
        port_is_fine = parts.port is None or parts.port > 0
    except ValueError:
        parts, port_is_fine = urlsplit(""), False
    if parts.scheme not in {"ws", "wss"} or not parts.hostname or not port_is_fine:
        shown = host.partition("?")[0].rpartition("@")[2]
        raise Problem(
            f"--host {shown!r} is not a WebSocket URL; "
            "write ws://HOST:PORT or wss://HOST, for example ws://127.0.0.1:8765"
        )
    present = parse_qs(parts.query)
    lacking = [
        f"{name}={quote(value, safe='')}" for name, value in query.items() if name not in present
    ]
    whole = "&".join([parts.query, *lacking] if parts.query else lacking)
    path = parts.path if parts.path not in {"", "/"} else path
    url = urlunsplit((parts.scheme, parts.netloc, path, whole, ""))
    return url, parts.username is not None

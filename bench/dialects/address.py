"""Turns a host, a model and the environment into the endpoint of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
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
        own: Sequence[Header] = (),
    ) -> Endpoint:
        """`host` may be bare (ws://127.0.0.1:8765) or carry its own path and query.

        `own` are headers that the user asks for, each in place of ours of that name: ours is
        then not filled at all, whatever its variable holds.

        Raises:
            Problem: `host` is no ws:// or wss:// URL with a host name, no header can carry a
                key, or there are two authorisations.
        """
        query = self.query if session_type == "realtime" else self.transcription_query
        given = {name: text.replace("{model}", model) for name, text in query.items()}
        path = self.path.replace("{model}", quote(model, safe=""))
        url, has_user_info = _complete(host, path, given)
        request = _Request(environment, has_user_info=has_user_info)
        replaced = {header.name.lower() for header in own}
        for header in self.headers:
            if header.name.lower() not in replaced:
                request.add_header(header, " and ".join(header.value.variables))
        for template in self.subprotocols:
            request.add_subprotocol(template)
        for header in own:
            request.add_header(header, f"--header {header.name}")
        return Endpoint(
            url,
            tuple(request.headers),
            tuple(request.subprotocols),
            tuple(request.secrets),
            authorised_by=request.authorised_by(),
        )


class _Authorisation(NamedTuple):
    """One way in which a caller says who he is: in words, and the variables of its key."""

    words: str
    variables: tuple[str, ...] = ()


class _Request:
    """What the request for a session is to carry, as far as the environment can fill it."""

    def __init__(self, environment: Mapping[str, str], *, has_user_info: bool) -> None:
        self.headers: list[tuple[str, str]] = []
        self.subprotocols: list[str] = []
        self.secrets: list[str] = []
        self._environment = environment
        self._authorisations: list[_Authorisation] = []
        if has_user_info:
            self._authorisations.append(_Authorisation("the user info in --host"))

    def add_header(self, header: Header, words: str) -> None:
        """Add a header unless a variable of it is unset; `words` name where it comes from."""
        value = header.value.fill(self._environment)
        if value is None:
            return
        self.headers.append((header.name, value))
        self.secrets += header.value.variables
        if header.name.lower() in _AUTHORISATIONS:
            self._authorisations.append(_Authorisation(words, header.value.variables))

    def add_subprotocol(self, template: Template) -> None:
        """Add a subprotocol unless a variable of it is unset: one with a variable holds a key."""
        name, variables = template.fill(self._environment), template.variables
        if name is None:
            return
        if not TOKEN.fullmatch(name):
            raise Problem(
                f"{', '.join(variables)}: the key holds a character that no subprotocol can "
                "carry; it must go into a header"
            )
        self.subprotocols.append(name)
        self.secrets += variables
        # A dialect may well show one and the same key in both ways.
        if variables and variables not in [other.variables for other in self._authorisations]:
            self._authorisations.append(_Authorisation(" and ".join(variables), variables))

    def authorised_by(self) -> tuple[str, ...]:
        """The variables of the one authorisation there is.

        Raises:
            Problem: there are more.
        """
        found = self._authorisations
        if len(found) > 1:
            raise Problem(
                f"{' and '.join(each.words for each in found)} would each authorise the "
                "connection, which can have one authorisation only; drop "
                f"{'either' if len(found) == 2 else 'all but one'}"
            )
        return found[0].variables if found else ()


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

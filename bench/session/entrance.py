"""Turns an endpoint into what all its sessions have in common: done once, not per session."""

from __future__ import annotations

import ssl

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidURI
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from bench.dialects.base import Endpoint
from bench.session.addresses import Addresses
from bench.session.refusal import ConnectError
from bench.session.tls import Tls, client_context
from bench.session.transport import MESSAGE_LIMIT_BYTES
from bench.session.tunnel import Tunnel

TICKET_AGE_S = 60.0
"""A host changes its keys now and then; a ticket older than this is replaced."""


class Entrance:
    """An endpoint made ready for many sessions: what they have in common is done once.

    `addresses` are those that sockets connect to, the host's or a proxy's; `via` begins what is
    told of them, and is empty without a proxy.

    Raises:
        ConnectError: the endpoint's URL is none.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        try:
            self._uri = parse_uri(endpoint.url)
        except (InvalidURI, UnicodeError) as error:
            reason = error.msg if isinstance(error, InvalidURI) else str(error)
            raise ConnectError("dns", f"{endpoint.redacted_url}: {reason}") from None
        self.host = self._uri.host
        self.secure = self._uri.secure
        self._proxy = endpoint.proxy
        self.via = "" if self._proxy is None else f"proxy {self._proxy.name}: "
        nearest = self._proxy or self._uri
        self.addresses = Addresses(nearest.host, nearest.port)
        self._ticket: ssl.SSLSession | None = None
        self._ticket_s = 0.0
        self._subprotocols = [Subprotocol(name) for name in endpoint.subprotocols] or None
        if self.secure:
            client_context()  # read whom to trust now, not while microphones run
        protocol = self.protocol()
        request = protocol.connect()
        for name, value in endpoint.headers:
            request.headers[name] = value
        self._head = tuple(request.serialize().split(protocol.key.encode(), 1))

    def tunnel(self) -> Tunnel | None:
        """One more way through the proxy, to be asked for; None without a proxy.

        Raises:
            ConnectError: no host can have this name.
        """
        return None if self._proxy is None else Tunnel(self._proxy, self.host, self._uri.port)

    def tls(self) -> Tls:
        """The client's side of one more TLS connection."""
        return Tls(self.host, self._ticket)

    def keep_ticket(self, tls: Tls, now_s: float) -> None:
        """Keep what lets the next ones in by ticket; ask when `tls` has decrypted something.

        To copy a ticket costs as much as to shake hands by it: one serves many sessions.
        """
        if not tls.resumed or now_s - self._ticket_s >= TICKET_AGE_S:
            self._ticket, self._ticket_s = tls.ticket, now_s

    def forget_ticket(self) -> None:
        """Have the next ones go in without: it may be what was refused."""
        self._ticket = None

    def protocol(self) -> ClientProtocol:
        """The client's side of one more WebSocket."""
        return ClientProtocol(
            self._uri, subprotocols=self._subprotocols, max_size=MESSAGE_LIMIT_BYTES
        )

    def request(self, protocol: ClientProtocol) -> bytes:
        """The upgrade that `protocol` awaits the answer of: only the key differs."""
        before, after = self._head
        return before + protocol.key.encode() + after

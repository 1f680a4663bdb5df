"""Turns a proxy's answer into a way through to a host, or into the reason why there is none."""

from __future__ import annotations

import h11

from bench.dialects.base import Proxy
from bench.session.refusal import ConnectError

_ECHO_CHARS = 200
"""Of what a proxy sent that is no HTTP, this much is told at most."""


class Tunnel:
    """The client's side of one CONNECT through `proxy`: bytes in and out, no socket.

    Raises:
        ConnectError: no host can have this name.
    """

    def __init__(self, proxy: Proxy, host: str, port: int) -> None:
        self._proxy = proxy
        self._http = h11.Connection(h11.CLIENT)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        headers = [("Host", authority)]
        if proxy.authorization is not None:
            headers.append(("Proxy-Authorization", proxy.authorization))
        try:
            asked = h11.Request(method="CONNECT", target=authority, headers=headers)
        except (h11.LocalProtocolError, UnicodeError):
            raise ConnectError("dns", f"host {host!r}: cannot be a name") from None
        self.request = (self._http.send(asked) or b"") + (self._http.send(_END) or b"")
        """What the proxy is to be sent, before anything is received."""

    def receive(self, data: bytes) -> bool:
        """Go on by what the proxy sent, b"" when it has hung up; whether the way is free.

        Nothing may be in `data` that stands behind the head of an answer.

        Raises:
            ConnectError: the proxy refuses, or does not speak HTTP.
        """
        name = self._proxy.name
        if not data:
            raise ConnectError("closed", f"proxy {name}: connection closed before it answered")
        self._http.receive_data(data)
        try:
            event = self._http.next_event()
            while isinstance(event, h11.InformationalResponse):
                event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            words = str(error)[:_ECHO_CHARS]
            raise ConnectError("protocol", f"proxy {name}: no HTTP: {words}") from None
        if not isinstance(event, h11.Response):
            return False
        status = event.status_code
        if status // 100 != 2:
            words = f"HTTP {status} {event.reason.decode('latin-1')}".rstrip()
            raise ConnectError(f"proxy_{status}", f"proxy {name}: {words}")
        return True


_END = h11.EndOfMessage()

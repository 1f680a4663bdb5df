"""TLS between memory buffers: cipher text in and out, no socket."""

from __future__ import annotations

import functools
import ssl

_RECORD_BYTES = 16_384
"""The most a record may carry: a read of this size never leaves half a record behind."""


@functools.cache
def client_context() -> ssl.SSLContext:
    """Whom the host trusts: tens of ms to read, so once per process and not per session."""
    return ssl.create_default_context()


class Tls:
    """TLS over memory buffers, so that the kernel's stamps of the bytes below are kept.

    `ticket` is one that the same host gave to an earlier connection: a host that takes it
    need not prove itself again, which saves half of a handshake's CPU at either end.
    """

    def __init__(self, host: str, ticket: ssl.SSLSession | None = None) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = client_context().wrap_bio(
            self._incoming, self._outgoing, server_hostname=host, session=ticket
        )

    @property
    def ticket(self) -> ssl.SSLSession | None:
        """A copy of the host's latest ticket, None while it has given none.

        TLS 1.3 sends tickets after the handshake: ask when something has been decrypted.
        """
        session = self._object.session
        return session if session is not None and session.has_ticket else None

    @property
    def resumed(self) -> bool:
        """Whether the host took the ticket; known once hands are shaken."""
        return bool(self._object.session_reused)

    def shake_hands(self, data: bytes = b"") -> tuple[bool, bytes]:
        """Go on with the handshake by what was received; whether it is done, and what to send.

        Raises:
            ssl.SSLError: the host is not trusted, or does not speak TLS.
        """
        self._incoming.write(data)
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False, self._outgoing.read()
        return True, self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Records that carry `data`."""
        self._object.write(data)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """What the received records held, as far as they are whole.

        Raises:
            ssl.SSLError: a record is broken, or the peer ended the TLS connection.
        """
        incoming = self._incoming
        incoming.write(data)
        pieces: list[bytes] = []
        try:
            while incoming.pending:
                piece = self._object.read(_RECORD_BYTES)
                if not piece:
                    raise ssl.SSLZeroReturnError("the peer ended the TLS connection")
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            if not pieces:  # whole records before it still count; it comes up again next time
                raise
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

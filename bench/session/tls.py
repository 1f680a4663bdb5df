"""TLS between memory buffers: cipher text in and out, no socket."""

from __future__ import annotations

import functools
import ssl

_READ_BYTES = 65_536


@functools.cache
def client_context() -> ssl.SSLContext:
    """Whom the host trusts: tens of ms to read, so once per process and not per session."""
    return ssl.create_default_context()


class Tls:
    """TLS over memory buffers, so that the kernel's stamps of the bytes below are kept."""

    def __init__(self, host: str) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.object = client_context().wrap_bio(self.incoming, self.outgoing, server_hostname=host)

    def encrypt(self, data: bytes) -> bytes:
        """Records that carry `data`."""
        self.object.write(data)
        return self.outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """What the received records held, as far as they are whole.

        Raises:
            ssl.SSLError: a record is broken, or the peer ended the TLS connection.
        """
        self.incoming.write(data)
        plain = bytearray()
        while True:
            try:
                piece = self.object.read(_READ_BYTES)
            except ssl.SSLWantReadError:
                return bytes(plain)
            except ssl.SSLError:
                if plain:  # whole records before it still count; it comes up again next time
                    return bytes(plain)
                raise
            if not piece:
                raise ssl.SSLZeroReturnError("the peer ended the TLS connection")
            plain += piece

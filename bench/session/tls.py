"""TLS between memory buffers: cipher text in and out, no socket."""

from __future__ import annotations

import ssl

_READ_BYTES = 65_536


class Tls:
    """TLS over memory buffers, so that the kernel's stamps of the bytes below are kept."""

    def __init__(self, host: str) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        context = ssl.create_default_context()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)

    def encrypt(self, data: bytes) -> bytes:
        """Records that carry `data`."""
        self.object.write(data)
        return self.outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """What the received records held, as far as they are whole."""
        self.incoming.write(data)
        plain = bytearray()
        while True:
            try:
                piece = self.object.read(_READ_BYTES)
            except ssl.SSLError:  # more bytes wanted, the peer's close_notify, a broken record
                return bytes(plain)
            if not piece:
                return bytes(plain)
            plain += piece

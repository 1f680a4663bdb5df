"""Turns session settings into a short-lived key that carries them, and back."""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
import struct
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

PREFIX = "ek_"

_EXPIRY = struct.Struct("!Q")
_SIGNATURE_BYTES = hashlib.sha256().digest_size


class ClientSecrets:
    """Keys that need no memory: whoever knows `secret` can make and read them.

    A key is `ek_` and Base64 of an HMAC-SHA256 signature, the expiry in seconds since 1970 and
    the zlib-compressed JSON of the session's settings. It is signed, not encrypted.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, session: dict[str, Any], expires_at_s: int) -> str:
        """A key that opens sessions of these settings before `expires_at_s`."""
        settings = json.dumps(session, separators=(",", ":")).encode()
        content = _EXPIRY.pack(expires_at_s) + zlib.compress(settings)
        token = urlsafe_b64encode(self._sign(content) + content).decode()
        return PREFIX + token.rstrip("=")

    def read(self, key: str, now_s: float) -> dict[str, Any] | None:
        """The settings of a key made here that has not expired; None for any other."""
        token = key.removeprefix(PREFIX)
        try:
            whole = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return None
        signature, content = whole[:_SIGNATURE_BYTES], whole[_SIGNATURE_BYTES:]
        # Nothing of it is unpacked before it is known to be ours.
        if not hmac.compare_digest(signature, self._sign(content)):
            return None
        if now_s >= _EXPIRY.unpack_from(content)[0]:
            return None
        session: dict[str, Any] = json.loads(zlib.decompress(content[_EXPIRY.size :]))
        return session

    def _sign(self, content: bytes) -> bytes:
        return hmac.digest(self._secret, content, "sha256")

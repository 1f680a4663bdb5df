"""Turns the bytes of a client's opening exchange into the answers of the light target. Pure."""

from __future__ import annotations

import base64
import hashlib
import json

from websockets.frames import Frame, Opcode

APPEND_ENVELOPE_BYTES = 60
"""About what surrounds the Base64 audio of an append; a chunk of 10 ms is ten times that."""

CLOSING = Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=False)


def server_frame(text: bytes) -> bytes:
    """One unmasked text frame."""
    return Frame(Opcode.TEXT, text).serialize(mask=False)


def accept_upgrade(head: bytes) -> bytes:
    """The response that accepts the upgrade asked for by the HTTP request `head`."""
    key = next(
        line.partition(b":")[2].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n"
    )


def session_event(what: str, number: int) -> bytes:
    """The frame of `session.created` or `session.updated`."""
    session = {"type": "realtime", "object": "realtime.session", "id": session_id(number)}
    event = {"type": f"session.{what}", "event_id": f"event_{what}", "session": session}
    return server_frame(json.dumps(event).encode())


def session_id(number: int) -> str:
    """What session number `number` is called in its `session.created`."""
    return f"sess_{number:06d}"


def session_number(session: str) -> int:
    """The number in a session's id."""
    return int(session.removeprefix("sess_"))


def frame_bounds(data: bytes) -> tuple[int, int]:
    """Where the text of the masked frame that `data` begins with starts, and where it ends.

    Beyond the end of `data` while its head is not in.
    """
    if len(data) < 14:
        return 0, len(data) + 1
    size, start = data[1] & 0x7F, 6
    if size == 126:
        size, start = int.from_bytes(data[2:4], "big"), 8
    elif size == 127:
        size, start = int.from_bytes(data[2:10], "big"), 14
    return start, start + size


def is_update(data: bytes, start: int) -> bool:
    """Whether the masked text that begins at `start` is a `session.update`."""
    mask = data[start - 4 : start]
    text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data[start : start + 64]))
    return b"session.update" in text


def append_ms(text_bytes: int) -> int:
    """Duration of the audio of an append of 24 kHz PCM16, to the nearest 10 ms."""
    return round((text_bytes - APPEND_ENVELOPE_BYTES) * 3 / 4 / 480) * 10

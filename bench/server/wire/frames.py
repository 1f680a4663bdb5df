"""Turns bytes from a WebSocket client into whole messages, and messages into frames."""

from __future__ import annotations

import struct

import msgspec

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform for which websockets has no compiled part
    from websockets.utils import apply_mask

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_FIN, _MASKED = 0x80, 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
_CONTROL_LIMIT_BYTES = 125
_REASON_LIMIT_BYTES = _CONTROL_LIMIT_BYTES - 2

# RFC 6455, section 7.4, and the registry it began: codes that may stand in a close frame.
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})
_OWN_CLOSE_CODES = range(3000, 5000)

_join_16 = struct.Struct("!BBH").pack
_join_64 = struct.Struct("!BBQ").pack


class Text(msgspec.Struct, frozen=True, gc=False):
    """A whole text message, valid UTF-8."""

    data: bytes


class Ping(msgspec.Struct, frozen=True, gc=False):
    """It wants a pong of the same data."""

    data: bytes


class Pong(msgspec.Struct, frozen=True, gc=False):
    """An answer to a ping, or a sign of life nobody asked for."""

    data: bytes


class Close(msgspec.Struct, frozen=True, gc=False):
    """The client's last frame. `code` is None if it gave none."""

    code: int | None
    reason: str


class Violation(msgspec.Struct, frozen=True, gc=False):
    """The client broke the protocol: close with this code. Nothing follows it."""

    code: int
    reason: str


Message = Text | Ping | Pong | Close | Violation


class _Broken(Exception):  # noqa: N818 - it carries a violation to the end of `feed`
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.violation = Violation(code, reason)


class FrameReader:
    """Messages of one client, whatever way its bytes were cut.

    A Close or Violation is the last message; bytes after it are ignored. At most
    `limit_bytes` of one message are kept, and a frame that would go beyond is refused by its
    header alone.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._short_fits = limit_bytes >= 0xFFFF
        self._pending = bytearray()  # of a frame that is not whole yet
        self._wanted_bytes = 0  # what `_pending` must hold to be worth another look
        # One array, not a list: a message in a million fragments is no larger than in one.
        self._fragments: bytearray | None = None
        self._ended = False

    def feed(self, data: bytes) -> list[Message]:
        """Messages that are complete with these bytes, in order."""
        if self._ended:
            return []
        if self._pending:
            self._pending += data
            if len(self._pending) < self._wanted_bytes:
                return []
            data = bytes(self._pending)
            self._pending.clear()
        messages: list[Message] = []
        place = self._read_short(data, messages)
        if place == len(data):
            return messages
        try:
            while (frame := self._frame(data, place)) is not None:
                first, payload, place = frame
                message = self._message(first, payload)
                if message is None:
                    continue
                messages.append(message)
                if type(message) is Close:
                    self._end()
                    return messages
        except _Broken as broken:
            messages.append(broken.violation)
            self._end()
            return messages
        if place < len(data):
            self._pending += data[place:] if place else data
        return messages

    def _read_short(self, data: bytes, messages: list[Message]) -> int:
        """Append the whole text messages of 126 to 65,535 bytes at the start; where they end.

        Nearly all that comes is such, one to a read, in any session: it takes no other call.
        """
        place, size = 0, len(data)
        if self._fragments is not None or not self._short_fits:
            return 0
        while size - place > 8 and data[place] == 0x81 and data[place + 1] == 0xFE:
            start = place + 8
            end = start + (data[place + 2] << 8 | data[place + 3])
            if end > size:
                break
            payload = apply_mask(data[start:end], data[place + 4 : start])
            if not payload.isascii():
                break
            messages.append(Text(payload))
            place = end
        return place

    def _frame(self, data: bytes, place: int) -> tuple[int, bytes, int] | None:
        """First byte, unmasked payload and end of the frame at `place`; None if it is cut off."""
        available = len(data) - place
        if available < 2:
            self._wanted_bytes = 2
            return None
        first, second = data[place], data[place + 1]
        if first != _FIN | _TEXT:
            self._check_first(first)
        if second < _MASKED:
            raise _Broken(1002, "client frames must be masked")
        size = second - _MASKED
        header_bytes = 6
        if size >= _LENGTH_16:
            if first & 0x8:
                raise _Broken(1002, "control frame longer than 125 bytes")
            length_bytes = 2 if size == _LENGTH_16 else 8
            header_bytes += length_bytes
            if available < 2 + length_bytes:
                self._wanted_bytes = header_bytes
                return None
            size = int.from_bytes(data[place + 2 : place + 2 + length_bytes], "big")
            if size >> 63:
                raise _Broken(1002, "frame length with its highest bit set")
        self._check_size(first, size)
        if available < header_bytes + size:
            self._wanted_bytes = header_bytes + size
            return None
        start = place + header_bytes
        end = start + size
        return first, apply_mask(data[start:end], data[start - 4 : start]), end

    def _check_first(self, first: int) -> None:
        if first & 0x70:
            raise _Broken(1002, "reserved bits set without an extension")
        opcode = first & 0x0F
        if opcode & 0x8:
            if opcode > _PONG:
                raise _Broken(1002, f"unknown opcode {opcode}")
            if first < _FIN:
                raise _Broken(1002, "fragmented control frame")
        elif opcode > _BINARY:
            raise _Broken(1002, f"unknown opcode {opcode}")
        elif opcode == _BINARY:
            raise _Broken(1003, "only text messages are understood")
        elif opcode == _CONTINUATION and self._fragments is None:
            raise _Broken(1002, "continuation of nothing")

    def _check_size(self, first: int, size: int) -> None:
        if first & 0x8:
            return
        if self._fragments is not None:
            if first & 0x0F == _TEXT:
                raise _Broken(1002, "new message before the end of the last")
            size += len(self._fragments)
        if size > self._limit_bytes:
            raise _Broken(1009, f"message longer than {self._limit_bytes} bytes")

    def _message(self, first: int, payload: bytes) -> Message | None:
        if first == _FIN | _TEXT:
            return Text(_check_utf8(payload))
        opcode = first & 0x0F
        if opcode == _PING:
            return Ping(payload)
        if opcode == _PONG:
            return Pong(payload)
        if opcode == _CLOSE:
            if self._fragments is not None:
                raise _Broken(1002, "close inside an unfinished message")
            return _read_close(payload)
        if self._fragments is None:
            self._fragments = bytearray()
        self._fragments += payload
        if first < _FIN:
            return None
        whole, self._fragments = bytes(self._fragments), None
        return Text(_check_utf8(whole))

    def _end(self) -> None:
        self._ended = True
        self._pending.clear()
        self._fragments = None


def text_frame(payload: bytes) -> bytes:
    """A whole text message, unmasked as from a server."""
    return _server_frame(_TEXT, payload)


def close_frame(code: int | None, reason: str = "") -> bytes:
    """The last frame; a reason that is too long is cut between characters."""
    if code is None:
        return _server_frame(_CLOSE, b"")
    cut = reason.encode()[:_REASON_LIMIT_BYTES].decode(errors="ignore")
    return _server_frame(_CLOSE, code.to_bytes(2, "big") + cut.encode())


def ping_frame(data: bytes) -> bytes:
    """It asks for a pong of the same data, at most 125 bytes."""
    return _server_frame(_PING, data)


def pong_frame(data: bytes) -> bytes:
    """The answer to a ping of this data, at most 125 bytes."""
    return _server_frame(_PONG, data)


def _server_frame(opcode: int, payload: bytes) -> bytes:
    size = len(payload)
    if size < _LENGTH_16:
        return bytes((_FIN | opcode, size)) + payload
    if size < 1 << 16:
        return _join_16(_FIN | opcode, _LENGTH_16, size) + payload
    return _join_64(_FIN | opcode, _LENGTH_64, size) + payload


def _check_utf8(payload: bytes) -> bytes:
    if not payload.isascii():
        try:
            payload.decode()
        except UnicodeDecodeError:
            raise _Broken(1007, "text that is not UTF-8") from None
    return payload


def _read_close(payload: bytes) -> Close:
    if not payload:
        return Close(None, "")
    if len(payload) == 1:
        raise _Broken(1002, "close frame with half a code")
    code = int.from_bytes(payload[:2], "big")
    if code not in _CLOSE_CODES and code not in _OWN_CLOSE_CODES:
        raise _Broken(1002, f"close code {code}")
    return Close(code, _check_utf8(payload[2:]).decode())

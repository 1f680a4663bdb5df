"""Turns the bytes of a server's WebSocket into whole messages."""

from __future__ import annotations

from typing import NamedTuple

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode

LONG_BYTES = 256 * 1024
"""A message over this is kept without the middle of its Base64."""

KEPT_BYTES = 64 * 1024
"""Of a long message's Base64, about this much is kept at either end."""

_WHOLE_TEXT = 0x81  # FIN and opcode 1: what nearly every frame begins with
_MASKED = 0x80
_LENGTH_16 = 126
_DATA = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_ELIDED_STEP = 8  # whole quadruples of Base64, and whole PCM16 samples in them
_BEGUN_ESCAPE_BYTES = 5  # of JSON's `\u00e9`: what is left of it would pass for Base64


class Message(NamedTuple):
    """One whole message: when its last byte arrived, and when we read it.

    `elided_bytes` of Base64 were left out of the middle of `data` at `elided_at`, when it was very
    long.
    """

    data: bytes | bytearray
    at_ns: int
    read_ns: int
    elided_bytes: int = 0
    elided_at: int = 0


class Inbox:
    """Messages of one server, whatever way its bytes were cut.

    A whole text frame, which is nearly every one, is taken as it lies in what was read.
    Everything else (fragments, binary and control frames, violations, more than `limit_bytes`)
    goes through `protocol`, websockets' own Sans-I/O parser, and `stirred` is set: what there
    is to answer, and whether the server has closed or broken the protocol, is asked of it then.
    """

    __slots__ = (
        "_ended",
        "_fragments",
        "_limit_bytes",
        "_long",
        "_pending",
        "_protocol",
        "_unusual_bytes",
        "_wanted_bytes",
        "stirred",
    )

    def __init__(self, protocol: ClientProtocol, limit_bytes: int) -> None:
        self.stirred = False
        self._protocol = protocol
        self._limit_bytes = limit_bytes
        self._pending = bytearray()  # of a frame that is not whole yet, header included
        self._wanted_bytes = 0  # what `_pending` must hold to be worth another look
        self._long: _LongText | None = None
        self._unusual_bytes = 0  # left of the frame that goes through `protocol`
        self._fragments: bytearray | None = None  # of a message that is not whole yet
        self._ended = False

    def feed(self, data: bytes, at_ns: int, read_ns: int) -> list[Message]:
        """Messages that are complete with these bytes, which came at `at_ns`; oldest first."""
        if self._pending:
            self._pending += data
            if len(self._pending) < self._wanted_bytes:
                return []
            data = bytes(self._pending)
            self._pending.clear()
        messages: list[Message] = []
        place, size = 0, len(data)
        while place < size and not self._ended:
            if self._long is not None:
                end = place + self._long.left_bytes
                self._long.take(data[place:end])
                if self._long.left_bytes == 0:
                    messages.append(self._long.message(at_ns, read_ns))
                    self._long = None
                place = min(end, size)
                continue
            if self._unusual_bytes:
                piece = data[place : place + self._unusual_bytes]
                texts = self._take_unusual(piece)
                messages += [Message(text, at_ns, read_ns) for text in texts]
                place += len(piece)
                continue
            start, length = _find_payload(data, place)
            end = start + length
            if start > size:
                self._keep(data, place, start)
                break
            if (
                data[place] != _WHOLE_TEXT
                or data[place + 1] >= _MASKED
                or length > self._limit_bytes
                or self._fragments is not None
            ):
                self._unusual_bytes = end - place
            elif end <= size:
                messages.append(Message(data[start:end], at_ns, read_ns))
                place = end
            elif length > LONG_BYTES:
                self._long = _LongText(length)
                place = start
            else:
                self._keep(data, place, end)
                break
        return messages

    def end(self) -> None:
        """Tell `protocol` that nothing more will come, inside a frame or between two."""
        self.stirred = True
        if self._pending:
            self._protocol.receive_data(bytes(self._pending))
            self._pending.clear()
        self._protocol.receive_eof()

    def _keep(self, data: bytes, place: int, end: int) -> None:
        """Keep a frame from `place` on until it is there up to `end`."""
        self._wanted_bytes = end - place
        self._pending += data[place:] if place else data

    def _take_unusual(self, piece: bytes) -> list[bytes]:
        """Feed `protocol` with one frame, or a piece of it; texts that are whole with it."""
        texts = []
        protocol = self._protocol
        self.stirred = True
        self._unusual_bytes -= len(piece)
        protocol.receive_data(piece)
        for frame in protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in _DATA:
                if self._fragments is None:
                    self._fragments = bytearray()
                self._fragments += frame.data
                if frame.fin:
                    texts.append(bytes(self._fragments))
                    self._fragments = None
        self._ended = protocol.close_rcvd is not None or protocol.parser_exc is not None
        return texts


class _LongText:
    """A long message as it comes in: what is not Base64 is kept, and Base64 at either end.

    A server may put minutes of audio into one event. Its length says all that is measured of
    it, its beginning whether it starts with silence; holding and parsing all of it would hold
    up every other session.
    """

    def __init__(self, size_bytes: int) -> None:
        self.left_bytes = size_bytes
        self._elided_bytes = 0
        self._elided_at = 0
        self._kept = bytearray()
        self._tail = bytearray()
        self._settled = False  # text came after what was elided: only one gap is made

    def take(self, data: bytes) -> None:
        """The next bytes of it."""
        self.left_bytes -= len(data)
        self._tail += data
        spare = len(self._tail) - KEPT_BYTES
        if spare < KEPT_BYTES:
            return
        piece = bytes(self._tail[: spare - spare % _ELIDED_STEP])
        del self._tail[: len(piece)]
        if (
            self._kept
            and not self._settled
            and b"\\" not in self._kept[-_BEGUN_ESCAPE_BYTES:]
            and not piece.translate(None, _BASE64)
        ):
            self._elided_bytes += len(piece)
            self._elided_at = len(self._kept)  # which grows no more until the gap is settled
        else:
            self._settled = self._elided_bytes > 0
            self._kept += piece

    def message(self, at_ns: int, read_ns: int) -> Message:
        """The message, once nothing of it is left to come."""
        data = self._kept + self._tail
        return Message(data, at_ns, read_ns, self._elided_bytes, self._elided_at)


def _find_payload(data: bytes, place: int) -> tuple[int, int]:
    """Where the payload of the frame at `place` starts, and its length.

    Where the header is cut, the start is beyond `data`: what is needed for another look.
    """
    if len(data) - place < 2:
        return place + 2, 0
    length = data[place + 1] & ~_MASKED
    start = place + 2
    if length >= _LENGTH_16:
        size = 2 if length == _LENGTH_16 else 8
        length = int.from_bytes(data[start : start + size], "big")
        start += size
    return start, length

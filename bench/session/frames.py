"""Turns chunks of audio into WebSocket frames that every session of a process shares."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from websockets.frames import Frame, Opcode

from bench.audio.codec import Codec
from bench.audio.microphone import chunks_of_speech, chunks_of_tone, room_tone
from bench.audio.utterance import Utterance
from bench.dialects.base import Dialect
from bench.dialects.sent import event_text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def text_frame(text: bytes) -> bytes:
    """One masked client text frame, ready for the socket."""
    return Frame(Opcode.TEXT, text).serialize(mask=True)


class SentEvent(NamedTuple):
    """A client event made ready for the socket, once for all sessions that send it."""

    type: str
    frame: bytes
    size_bytes: int

    @classmethod
    def of(cls, event: dict[str, Any]) -> SentEvent:
        """Make an event ready."""
        text = event_text(event)
        return cls(str(event["type"]), text_frame(text), len(text))


class FrameStore:
    """Append frames by utterance, each encoded, masked and framed once per process.

    RFC 6455 asks for an unpredictable mask per frame against scripts in browsers that poison
    caches; a load generator sends its own bytes only, so sessions may share masked frames.
    """

    def __init__(
        self,
        dialect: Dialect,
        codec: Codec,
        chunk_ms: int,
        tail: NDArray[np.int16] | float | None,
    ) -> None:
        """`tail` is what sounds while nobody speaks: samples at 24 kHz that are looped.

        A number is the level of room tone in dBFS, None digital silence.
        """
        self.codec = codec
        self.chunk_ms = chunk_ms
        self._dialect = dialect
        self._envelope = dialect.append_envelope()
        samples = room_tone(tail) if tail is None or isinstance(tail, float | int) else tail
        self.tail = samples
        """What sounds while nobody speaks, at 24 kHz."""
        self._speech: dict[str, tuple[bytes, ...]] = {}
        self.tone = self._frame(chunks_of_tone(samples, codec, chunk_ms))

    def in_codec(self, codec: Codec) -> FrameStore:
        """The same in another format; itself if it is the same."""
        if codec is self.codec:
            return self
        return FrameStore(self._dialect, codec, self.chunk_ms, self.tail)

    def speech(self, utterance: Utterance) -> tuple[bytes, ...]:
        """Frames of one utterance over room tone."""
        if utterance.id not in self._speech:
            chunks = chunks_of_speech(utterance, self.tail, self.codec, self.chunk_ms)
            self._speech[utterance.id] = self._frame(chunks)
        return self._speech[utterance.id]

    def _frame(self, chunks: Iterable[bytes]) -> tuple[bytes, ...]:
        before, after = self._envelope
        return tuple(text_frame(before + base64.b64encode(chunk) + after) for chunk in chunks)

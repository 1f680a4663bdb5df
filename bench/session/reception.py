"""Turns a received message into a recorded row and a canonical event."""

from __future__ import annotations

import base64
import binascii

from bench.audio.audible import leading_silence_ms
from bench.audio.codec import Codec
from bench.dialects.base import Dialect, ServerEvent
from bench.runs.recorder import SessionRecord
from bench.session.inbox import Message


class Reception:
    """Parses, measures and records what one session receives.

    Audio is measured by its length; it is decoded only until something of a response is
    audible, which voice_to_voice_ms needs to know.
    """

    def __init__(self, dialect: Dialect, codec: Codec, record: SessionRecord) -> None:
        self._dialect = dialect
        self._codec = codec
        self._record = record
        self._heard_response: str | None = None
        self._cut_sample: dict[str | None, bytes] = {}

    def take(self, message: Message, turn_index: int | None) -> tuple[ServerEvent, float | None]:
        """Record a message; give back its event and, for audio, its duration in ms."""
        event = self._dialect.parse(message.data)
        audio_ms, silence_ms = self._measure(event, message)
        self._record.event(
            "in",
            event.kind.value,
            message.at_ns,
            wire_type=event.type,
            turn_index=turn_index,
            read_ns=message.read_ns,
            size_bytes=len(message.data) + message.elided_bytes,
            audio_ms=audio_ms,
            silence_ms=silence_ms,
            item_id=event.item_id,
            response_id=event.response_id,
            server_ms=event.server_ms,
            detail=event.detail,
        )
        return event, audio_ms

    def has_heard(self, response_id: str | None) -> bool:
        """Whether something of a response, the latest that sounded, was audible."""
        return response_id is not None and response_id == self._heard_response

    def _measure(self, event: ServerEvent, message: Message) -> tuple[float | None, float | None]:
        """Duration of a delta's audio, and its leading silence while nothing was heard yet.

        The latter is not known where silence goes on into what was left out of `message`.
        """
        text = event.audio
        if text is None:
            return None, None
        size_bytes = (len(text) + message.elided_bytes) * 3 // 4 - text[-2:].count("=")
        audio_ms = self._codec.duration_ms(size_bytes)
        if self.has_heard(event.response_id):
            return audio_ms, None
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return None, None
        # A server may cut its audio inside a sample: the rest belongs to the next delta.
        cut = self._cut_sample.get(event.response_id, b"")
        data = cut + data
        end = self._whole(len(data))
        self._cut_sample = {event.response_id: data[end:]}
        if message.elided_bytes:
            end = self._whole(len(cut) + _bytes_before_gap(text, message))
        samples = self._codec.decode(data[:end])
        silence_ms = leading_silence_ms(samples, self._codec.rate_hz)
        silent = silence_ms == len(samples) * 1000 / self._codec.rate_hz
        if silent and not message.elided_bytes:
            return audio_ms, audio_ms  # half a sample at the end included
        # Of a response that may have been heard in a gap, nothing later tells where it was.
        self._heard_response = event.response_id
        return audio_ms, None if silent else min(silence_ms, audio_ms)

    def _whole(self, size_bytes: int) -> int:
        return size_bytes - size_bytes % self._codec.sample_bytes


def _bytes_before_gap(text: str, message: Message) -> int:
    """Bytes of the audio in Base64 `text` that stood before what was left out of `message`."""
    begin = message.data.find(text.encode("ascii"))
    if not 0 <= begin < message.elided_at:
        return 0  # written with escapes, or all of it behind the gap
    return min(message.elided_at - begin, len(text)) // 4 * 3

"""Turns a session's appended audio into turn events and committed items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.audio.codec import PCM16
from bench.audio.utterance import SAMPLES_PER_MS
from bench.server.client_event import APPEND_LIMIT_BYTES, Append
from bench.server.conversation import Conversation, Entry, caller_entry
from bench.server.outbox import Outbox
from bench.server.refusal import Refusal
from bench.server.reply import Response
from bench.server.session_settings import TurnDetection
from bench.server.truth import Record, SegmentTruth
from bench.server.vad import Edge, EnergyVad

LEAST_COMMIT_MS = 100


class Segment:
    """Speech under way or just ended, and the response it led to."""

    def __init__(self, truth: SegmentTruth, record: Record) -> None:
        self.truth = truth
        self.response: Response | None = None
        self._record = record

    def started_written(self, at_ns: int) -> None:
        """Take the instant at which `speech_started` was written."""
        self.truth.speech_started_ns = at_ns

    def stopped_written(self, at_ns: int) -> None:
        """Take the instant at which `speech_stopped` was written: the reply delay runs from it."""
        self.truth.speech_stopped_ns = at_ns
        self._record(self.truth)
        if self.response is not None:
            self.response.truth.speech_stopped_ns = at_ns
            self.response.anchor(at_ns)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told, each with the present instant: of speech, its end, and a committed item."""

    speech_started: Callable[[int], None]
    speech_stopped: Callable[[Segment, int], None]
    committed: Callable[[str, int], None]


class InputAudio:
    """The input audio buffer of one session and the ears on it.

    Nothing of the audio is kept but its length: only voice activity detection listens to it.
    """

    def __init__(
        self,
        *,
        session_id: str,
        outbox: Outbox,
        conversation: Conversation,
        record: Record,
        listeners: Listeners,
    ) -> None:
        self._session_id = session_id
        self._outbox = outbox
        self._conversation = conversation
        self._record = record
        self._listeners = listeners
        self._vad: EnergyVad | None = None
        self._segment: Segment | None = None
        self._samples = 0
        self._half_sample = b""
        self._buffer_start_ms = 0.0

    def tune(self, detection: TurnDetection | None) -> None:
        """Detect turns so from now on; None leaves them to the client."""
        if detection is None:
            self._vad = self._segment = None
            return
        settings = (
            detection.threshold,
            detection.prefix_padding_ms,
            detection.silence_duration_ms,
        )
        if self._vad is None:
            self._vad = EnergyVad(*settings, start_ms=self._clock_ms)
        else:
            self._vad.tune(*settings)

    @property
    def _clock_ms(self) -> int:
        """Whole milliseconds of audio appended since the session began."""
        return self._samples // SAMPLES_PER_MS

    def append(self, event: Append, now_ns: int) -> None:
        """Hear more audio.

        Raises:
            Refusal: it is more than one append may carry.
        """
        audio = event.audio
        if len(audio) > APPEND_LIMIT_BYTES:
            raise Refusal(
                "invalid_value", "Invalid 'audio': more than 15 MiB in one append.", "audio"
            )
        if self._half_sample or len(audio) % 2:
            # A client may cut its stream inside a sample: the rest comes with the next append.
            audio = self._half_sample + audio
            whole = len(audio) // 2 * 2
            audio, self._half_sample = audio[:whole], audio[whole:]
        samples = PCM16.decode(audio)
        self._samples += len(samples)
        if self._vad is None:
            return
        for edge in self._vad.feed(samples):
            if edge.edge is Edge.STARTED:
                self._start_segment(edge.audio_ms, now_ns)
            elif self._segment is not None:
                self._stop_segment(self._segment, edge.audio_ms, now_ns)

    def commit(self, _event: dict[str, Any], now_ns: int) -> None:
        """Make an item of what is in the buffer.

        Raises:
            Refusal: that is less than 100 ms.
        """
        buffered_ms = self._samples / SAMPLES_PER_MS - self._buffer_start_ms
        if buffered_ms < LEAST_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{LEAST_COMMIT_MS}ms of audio, but buffer only has {buffered_ms:.2f}ms of audio.",
            )
        # Speech under way was told the id of the item that it becomes.
        announced = self._segment.truth.item_id if self._segment else None
        self._commit_item(announced or self._outbox.new_id("item"), buffered_ms, now_ns)
        self._leave_buffer()

    def clear(self, _event: dict[str, Any], now_ns: int) -> None:
        """Forget what is in the buffer."""
        self._leave_buffer()
        self._outbox.put(now_ns, "input_audio_buffer.cleared")

    def _start_segment(self, audio_start_ms: int, now_ns: int) -> None:
        item_id = self._outbox.new_id("item")
        truth = SegmentTruth(self._session_id, item_id, audio_start_ms)
        self._segment = segment = Segment(truth, self._record)
        self._outbox.put(
            now_ns,
            "input_audio_buffer.speech_started",
            written=segment.started_written,
            audio_start_ms=audio_start_ms,
            item_id=item_id,
        )
        self._listeners.speech_started(now_ns)

    def _stop_segment(self, segment: Segment, audio_end_ms: int, now_ns: int) -> None:
        self._segment = None
        truth = segment.truth
        truth.audio_end_ms, truth.heard_ns = audio_end_ms, now_ns
        self._outbox.put(
            now_ns,
            "input_audio_buffer.speech_stopped",
            written=segment.stopped_written,
            audio_end_ms=audio_end_ms,
            item_id=truth.item_id,
        )
        self._commit_item(truth.item_id, audio_end_ms - truth.audio_start_ms, now_ns)
        self._buffer_start_ms = audio_end_ms
        self._listeners.speech_stopped(segment, now_ns)

    def _leave_buffer(self) -> None:
        self._buffer_start_ms = self._samples / SAMPLES_PER_MS
        self._segment = None
        if self._vad is not None:
            self._vad.forget_speech(self._clock_ms)

    def _commit_item(self, item_id: str, audio_ms: float, now_ns: int) -> None:
        entry = caller_entry(item_id, audio_ms)
        previous = self._conversation.append(entry)
        self._outbox.put(
            now_ns, "input_audio_buffer.committed", item_id=item_id, previous_item_id=previous
        )
        announce_item(self._outbox, entry, previous, now_ns)
        self._listeners.committed(item_id, now_ns)


def announce_item(outbox: Outbox, entry: Entry, previous: str | None, now_ns: int) -> None:
    """Emit that a finished item stands after `previous`."""
    for step in ("added", "done"):
        outbox.put(now_ns, f"conversation.item.{step}", previous_item_id=previous, item=entry.item)

"""Turns a session's appended audio into turn events and committed items."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from bench.audio.codec import PCM16, Codec
from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS
from bench.server.agenda import Action
from bench.server.buffer import KEPT_MS, AudioBuffer, Samples
from bench.server.client_event import APPEND_LIMIT_BYTES, Append
from bench.server.conversation import Conversation, Entry, caller_entry
from bench.server.hearing.turns import Ear, SilencePolicy, Started, Stopped
from bench.server.outbox import Outbox
from bench.server.refusal import Refusal
from bench.server.reply import Response
from bench.server.session_settings import Eagerness, TurnDetection
from bench.server.truth import Record, SegmentTruth

LEAST_COMMIT_MS = 100

# Before speech is found, what came before its onset is all that will be asked for again.
_IDLE_KEPT_MS = 2_500
_TOLD_ARRIVALS_MS = 800

# Silence after which a sentence that is whole, one that is not, or one that nobody can judge,
# ends the turn. The longest are the documented maximum waits.
_WHOLE_MS: dict[Eagerness, int] = {"low": 800, "medium": 500, "auto": 500, "high": 300}
_BROKEN_MS: dict[Eagerness, int] = {"low": 8_000, "medium": 4_000, "auto": 4_000, "high": 2_000}
_UNKNOWN_MS: dict[Eagerness, int] = {"low": 2_000, "medium": 1_200, "auto": 1_200, "high": 700}


class Heard(Protocol):
    """Speech that was recognised, on the session's audio clock."""

    def text(self, from_ms: float, to_ms: float) -> str:
        """The words in this stretch of it."""

    def complete(self, voice_end_ms: float) -> bool:
        """Whether nothing of the sentence is missing when the voice ended there."""


Recognise = Callable[[Samples, float], Heard | None]
"""What was said in samples that start at a position on the audio clock; None if unknown."""


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
            self.response.count_from(at_ns)


@dataclass(frozen=True, slots=True)
class Listeners:
    """Who is told, each with the present instant: of speech, its end, and a committed item.

    `put_off_started` and `put_off_stopped` carry out what tells the client, then or later.
    """

    put_off_started: Callable[[Action, int], None]
    speech_started: Callable[[int], None]
    put_off_stopped: Callable[[Action, int], None]
    speech_stopped: Callable[[Segment, int], None]
    committed: Callable[[Entry, int], None]


class InputAudio:
    """The input audio buffer of one session and the ear on it."""

    def __init__(
        self,
        *,
        session_id: str,
        outbox: Outbox,
        conversation: Conversation,
        record: Record,
        listeners: Listeners,
        new_ear: Callable[[int], Ear],
        recognise: Recognise,
    ) -> None:
        """`new_ear` makes an ear that starts at a position, in ms of the audio clock."""
        self._session_id = session_id
        self._outbox = outbox
        self._conversation = conversation
        self._record = record
        self._listeners = listeners
        self._new_ear = new_ear
        self._recognise = recognise
        self._ear: Ear | None = None
        self._segment: Segment | None = None
        self._codec: Codec = PCM16
        self._audio = AudioBuffer()
        self._half_sample = b""
        self._last_sample = 0
        self._buffer_start_ms = 0.0

    def tune(self, codec: Codec, detection: TurnDetection | None) -> None:
        """Take audio in this format and detect turns so from now on; None leaves them alone."""
        if codec is not self._codec:
            self._codec, self._half_sample = codec, b""
        if detection is None:
            self.close()
            self._segment = None
            return
        if self._ear is None:
            self._ear = self._new_ear(self.end_ms)
        silence: SilencePolicy = detection.silence_duration_ms
        if detection.eagerness is not None:
            silence = self._patience(detection.eagerness)
        self._ear.tune(detection.threshold, detection.prefix_padding_ms, silence)

    def close(self) -> None:
        """Stop listening."""
        if self._ear is not None:
            self._ear.close()
            self._ear = None

    @property
    def end_ms(self) -> int:
        """Whole milliseconds of audio appended since the session began."""
        return int(self._audio.end_ms)

    @property
    def speaking(self) -> bool:
        """Whether the caller is."""
        return self._segment is not None

    def append(self, event: Append, now_ns: int) -> None:
        """Take more audio, and hear what can be heard at once.

        Raises:
            Refusal: it is more than one append may carry.
        """
        audio = event.audio
        if len(audio) > APPEND_LIMIT_BYTES:
            raise Refusal(
                "invalid_value", "Invalid 'audio': more than 15 MiB in one append.", "audio"
            )
        codec = self._codec
        if self._half_sample or len(audio) % codec.sample_bytes:
            # A client may cut its stream inside a sample: the rest comes with the next append.
            audio = self._half_sample + audio
            whole = len(audio) // codec.sample_bytes * codec.sample_bytes
            audio, self._half_sample = audio[:whole], audio[whole:]
        samples = codec.decode(audio)
        if codec.rate_hz != SAMPLE_RATE_HZ and len(samples):
            samples = _at_full_rate(samples, self._last_sample, SAMPLE_RATE_HZ // codec.rate_hz)
            self._last_sample = int(samples[-1])
        keep_ms = KEPT_MS
        if self._ear is not None:
            # What has not been listened to yet may be speech, however much it is.
            kept_ms = _IDLE_KEPT_MS if self._segment is None else KEPT_MS
            unheard_ms = self.end_ms - self._ear.heard_ms + len(samples) // SAMPLES_PER_MS
            keep_ms = unheard_ms + kept_ms
        self._audio.append(samples, now_ns, keep_ms)
        if self._ear is not None:
            self._ear.feed(samples)
            self.hear(now_ns)

    def hear(self, now_ns: int) -> None:
        """Act on what the ear has found by now."""
        if self._ear is None:
            return
        for event in self._ear.take():
            if isinstance(event, Started):
                self._start_segment(event, now_ns)
            elif self._segment is not None:
                self._stop_segment(self._segment, event, now_ns)

    def commit(self, _event: dict[str, Any], now_ns: int) -> None:
        """Make an item of what is in the buffer.

        Raises:
            Refusal: that is less than 100 ms.
        """
        buffered_ms = self._audio.end_ms - self._buffer_start_ms
        if buffered_ms < LEAST_COMMIT_MS:
            raise Refusal(
                "input_audio_buffer_commit_empty",
                "Error committing input audio buffer: buffer too small. Expected at least "
                f"{LEAST_COMMIT_MS}ms of audio, but buffer only has {buffered_ms:.2f}ms of audio.",
            )
        # Speech under way was told the id of the item that it becomes.
        announced = self._segment.truth.item_id if self._segment else None
        item_id = announced or self._outbox.new_id("item")
        start_ms, end_ms = self._buffer_start_ms, self._audio.end_ms
        entry = caller_entry(item_id, end_ms - start_ms, self._text(start_ms, end_ms))
        self._commit_item(entry, now_ns)
        self._leave_buffer()

    def commit_silence(self, now_ns: int, waited_ms: float) -> None:
        """Make an item of the silence that an idle caller sent for the last `waited_ms`."""
        item_id = self._outbox.new_id("item")
        end_ms = self._audio.end_ms
        start_ms = max(self._buffer_start_ms, end_ms - waited_ms)
        self._outbox.put(
            now_ns,
            "input_audio_buffer.timeout_triggered",
            audio_start_ms=int(start_ms),
            audio_end_ms=int(end_ms),
            item_id=item_id,
        )
        self._commit_item(caller_entry(item_id, 0.0), now_ns)
        self._leave_buffer()

    def clear(self, _event: dict[str, Any], now_ns: int) -> None:
        """Forget what is in the buffer."""
        self._leave_buffer()
        self._outbox.put(now_ns, "input_audio_buffer.cleared")

    def _start_segment(self, started: Started, now_ns: int) -> None:
        item_id = self._outbox.new_id("item")
        truth = SegmentTruth(self._session_id, item_id, started.audio_ms)
        truth.onset_arrivals = self._audio.arrivals(started.onset_ms - 100)[:24]
        self._segment = segment = Segment(truth, self._record)
        self._listeners.put_off_started(partial(self._tell_started, segment), now_ns)

    def _tell_started(self, segment: Segment, now_ns: int) -> None:
        self._outbox.put(
            now_ns,
            "input_audio_buffer.speech_started",
            written=segment.started_written,
            audio_start_ms=segment.truth.audio_start_ms,
            item_id=segment.truth.item_id,
        )
        self._listeners.speech_started(now_ns)

    def _stop_segment(self, segment: Segment, stopped: Stopped, now_ns: int) -> None:
        self._segment = None
        truth = segment.truth
        truth.audio_end_ms, truth.heard_ns = stopped.audio_ms, now_ns
        truth.voice_end_ms = stopped.voice_end_ms
        truth.arrivals = self._audio.arrivals(stopped.voice_end_ms - _TOLD_ARRIVALS_MS)
        self._buffer_start_ms = stopped.audio_ms
        # Recognised now: what is told much later is no longer kept.
        text = self._text(truth.audio_start_ms, stopped.audio_ms)
        tell = partial(self._tell_stopped, segment, stopped.audio_ms, text)
        self._listeners.put_off_stopped(tell, now_ns)

    def _tell_stopped(
        self, segment: Segment, audio_end_ms: int, text: str | None, now_ns: int
    ) -> None:
        truth = segment.truth
        self._outbox.put(
            now_ns,
            "input_audio_buffer.speech_stopped",
            written=segment.stopped_written,
            audio_end_ms=audio_end_ms,
            item_id=truth.item_id,
        )
        entry = caller_entry(truth.item_id, audio_end_ms - truth.audio_start_ms, text)
        self._commit_item(entry, now_ns)
        self._listeners.speech_stopped(segment, now_ns)

    def _leave_buffer(self) -> None:
        self._buffer_start_ms = self._audio.end_ms
        self._segment = None
        if self._ear is not None:
            self._ear.forget_speech(self.end_ms)

    def _commit_item(self, entry: Entry, now_ns: int) -> None:
        previous = self._conversation.append(entry)
        self._outbox.put(
            now_ns, "input_audio_buffer.committed", item_id=entry.id, previous_item_id=previous
        )
        announce_item(self._outbox, entry, previous, now_ns)
        self._listeners.committed(entry, now_ns)

    def _text(self, start_ms: float, end_ms: float) -> str | None:
        heard = self._heard(start_ms, end_ms)
        return (heard.text(start_ms, end_ms) or None) if heard is not None else None

    def _heard(self, start_ms: float, end_ms: float) -> Heard | None:
        samples, at_ms = self._audio.cut(start_ms, end_ms)
        return self._recognise(samples, at_ms) if len(samples) else None

    def _patience(self, eagerness: Eagerness) -> SilencePolicy:
        """How long to wait after a voice: by whether what it said is a whole sentence."""

        def silence_ms(voice_end_ms: int) -> int:
            # Speech that began and ended in one append was not announced yet.
            segment = self._segment
            start_ms = segment.truth.audio_start_ms if segment else self._buffer_start_ms
            heard = self._heard(start_ms, voice_end_ms)
            if heard is None:
                return _UNKNOWN_MS[eagerness]
            waits = _WHOLE_MS if heard.complete(voice_end_ms) else _BROKEN_MS
            return waits[eagerness]

        return silence_ms


def announce_item(outbox: Outbox, entry: Entry, previous: str | None, now_ns: int) -> None:
    """Emit that a finished item stands after `previous`."""
    for step in ("added", "done"):
        outbox.put(now_ns, f"conversation.item.{step}", previous_item_id=previous, item=entry.item)


def _at_full_rate(samples: Samples, before: int, times: int) -> Samples:
    """Samples at so many times their rate, by straight lines from the sample `before` them.

    No sample waits for the next, and what lies above the telephone's band stays 20 dB down,
    where neither the ears nor recognition mind it.
    """
    ends = samples.astype(np.int32)
    starts = np.concatenate(([before], ends[:-1]))
    steps = np.arange(1, times + 1)
    between = starts[:, None] + (ends - starts)[:, None] * steps // times
    raised: Samples = between.ravel().astype(np.int16)
    return raised

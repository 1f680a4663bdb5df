"""Holds what a pass over a session's rows has found of each turn, before it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

MS = 1_000_000
"""Nanoseconds in a millisecond."""

REPLY, TRANSCRIPT, SILENCE = "reply", "transcript", "silence"
"""What a turn may expect."""

PAUSE_REACH_MS = 300.0
"""How far from a labelled pause the server's boundary may lie and still be its doing."""


@dataclass(frozen=True, slots=True)
class Label:
    """What an utterance note says. `_ms` count from the clip's first sample.

    `audio_ms` is that sample's position on the session's audio clock.
    """

    session_id: str
    turn_index: int
    started_ns: int
    audio_ms: float | None
    utterance: str
    category: str
    duration_ms: float | None
    speech_start_ms: float
    speech_end_ms: float
    pauses: tuple[tuple[float, float], ...]
    watchdog_s: float | None
    trusted: bool = True
    """Whether the clip's labels were confirmed, so that latencies from them may count."""
    kind: str = "speech"
    """How the turn begins: speech, sound, text, image, request or listen."""
    expects: str = REPLY
    detection: str = "server_vad"
    """Who finds the end of speech: server_vad, semantic_vad, or none but the client."""
    modality: str = "audio"
    interrupts: int | None = None
    """Index of the turn whose reply the caller speaks over."""
    text: str | None = None
    """What is said in the clip."""

    @property
    def detected(self) -> bool:
        """Whether the server is to find where speech begins and ends."""
        return self.kind == "speech" and self.detection != "none"

    @property
    def awaits_audio(self) -> bool:
        """Whether a reply that can be heard is to come, counted from something of the caller's."""
        if self.kind in {"sound", "listen"}:
            return False
        return self.expects == REPLY and self.modality == "audio"

    @property
    def speech_start_ns(self) -> int:
        """When the first sample of speech was due to leave the caller."""
        return self.started_ns + round(self.speech_start_ms * MS)

    @property
    def speech_end_ns(self) -> int:
        """Latency zero: when the caller truly stopped speaking."""
        return self.started_ns + round(self.speech_end_ms * MS)

    def pause_at(self, position_ms: float) -> int | None:
        """Index of the pause a boundary at `position_ms` is due to: around it or nearest."""
        best: tuple[float, int] | None = None
        for index, (start_ms, end_ms) in enumerate(self.pauses):
            distance_ms = max(start_ms - position_ms, position_ms - end_ms, 0.0)
            if distance_ms <= PAUSE_REACH_MS and (best is None or distance_ms < best[0]):
                best = (distance_ms, index)
        return None if best is None else best[1]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A boundary of a speech segment: when it arrived, and where in the clip it lies.

    `by_server` tells whether the position is the server's, or only its arrival.
    """

    turn: TurnMoments
    at_ns: int
    seq: int
    item_id: str | None
    position_ms: float
    by_server: bool

    def repeats(self, other: Mark) -> bool:
        """Whether both tell of the same boundary: the same place in the same item.

        A server that states no positions may give every segment the same item.
        """
        return (
            self.by_server
            and other.by_server
            and self.item_id is not None
            and self.item_id == other.item_id
            and self.position_ms == other.position_ms
        )


class Complaint(NamedTuple):
    """An error event: its code, all of it in words, and whether a request was found wrong."""

    code: str
    words: str
    refused: bool


class Transcript(NamedTuple):
    """What the server understood of one item, and when it told."""

    at_ns: int
    text: str


class Delta(NamedTuple):
    """A piece of a response's audio: its arrival, duration, and silence before it is audible.

    The columns are those of EventRow.
    """

    at_ns: int
    audio_ms: float | None
    silence_ms: float | None


@dataclass(slots=True, eq=False)
class Cause:
    """The item a response will answer: the latest that ended or was committed."""

    turn: TurnMoments | None
    item_id: str | None
    stop: Mark | None = None
    answered: bool = False
    sure: bool = True
    """No row was lost since: one might have told of a later item."""


@dataclass(slots=True, eq=False)
class ResponseMoments:
    """What came of one response."""

    response_id: str
    created_ns: int
    created_seq: int
    cause: Cause
    attributed: bool
    deltas: list[Delta] = field(default_factory=list)
    """In recorded order."""
    first_transcript_ns: int | None = None
    done_ns: int | None = None
    status: str | None = None
    reason: str | None = None
    error_code: str | None = None
    called_ns: int | None = None
    """When it had called a tool, if it did."""
    usage: object = None
    """As the server told it."""

    @property
    def first_audio_ns(self) -> int | None:
        """Arrival of its first audio delta."""
        return self.deltas[0].at_ns if self.deltas else None

    @property
    def last_audio_ns(self) -> int | None:
        """Arrival of its last audio delta."""
        return self.deltas[-1].at_ns if self.deltas else None

    @property
    def first_audible_ns(self) -> int | None:
        """First audible sample in a player that plays each delta as soon as it can.

        It has no playout buffer; see voice_to_voice_ms in bench.analysis.metrics. None where
        all is silent, or `audibility_lost`.
        """
        playhead_ns = 0
        for delta in self.deltas:
            if not delta.audio_ms:
                continue
            if delta.silence_ms is None:
                return None
            starts_ns = max(delta.at_ns, playhead_ns)
            if delta.silence_ms < delta.audio_ms:
                return starts_ns + round(delta.silence_ms * MS)
            playhead_ns = starts_ns + round(delta.audio_ms * MS)
        return None

    @property
    def audibility_lost(self) -> bool:
        """Whether it may have become audible in a delta of which not all was kept."""
        for delta in self.deltas:
            if not delta.audio_ms:
                continue
            if delta.silence_ms is None:
                return True
            if delta.silence_ms < delta.audio_ms:
                return False
        return False

    def note_text(self, at_ns: int | None) -> None:
        """Take in a piece of its transcript; the first one counts."""
        if self.first_transcript_ns is None:
            self.first_transcript_ns = at_ns

    def answers(self, stop: Mark) -> bool:
        """Whether it was caused by the very item that `stop` ends, though it came sooner."""
        return stop.item_id is not None and stop.item_id == self.cause.item_id

    @property
    def reply_ms(self) -> float:
        """Duration of its audio, as received."""
        return sum(delta.audio_ms or 0.0 for delta in self.deltas)


@dataclass(slots=True, eq=False)
class TurnMoments:
    """What came of one turn; lists are in recorded order."""

    label: Label
    last_seen_ns: int
    begun_seq: int = 0
    """Where its note stands among the session's rows."""
    starts: list[Mark] = field(default_factory=list)
    stops: list[Mark] = field(default_factory=list)
    transcripts: dict[str | None, Transcript] = field(default_factory=dict)
    transcript_fault: str | None = None
    """What the server said of the first transcription that failed."""
    responses: list[ResponseMoments] = field(default_factory=list)
    asides: list[ResponseMoments] = field(default_factory=list)
    """Responses asked for out of band: they answer nothing that the caller said."""
    asides_asked: list[object] = field(default_factory=list)
    """The metadata of each request for one that has not been met."""
    errors: list[Complaint] = field(default_factory=list)
    """Each error event while it was under way."""
    malformed: str | None = None
    """What was wrong with the first message that nobody could read."""
    committed: bool = False
    """Whether the server took audio of it, by its own word."""
    talked_into: list[Delta] = field(default_factory=list)
    """Audio that still came of the reply that this turn speaks over."""
    lossy: bool = False
    """Whether rows were lost since its beginning."""
    closed_by: str | None = None
    close_code: float | None = None
    closed_text: str | None = None
    ended_ns: int | None = None
    end_reason: str | None = None
    requested_ns: int | None = None
    """When the client ended the turn itself: its commit, or else its request for a response."""
    tool_result_ns: int | None = None
    """When the latest result of a tool was sent."""
    overlaid: bool = False
    """Whether the caller made a sound over the reply that was not meant to stop it."""
    truncated: bool = False
    """Whether a listener stopped hearing the reply because of that sound."""

    def let_go(self) -> None:
        """Break the circles of turn, marks and responses, so that memory comes back at once.

        Turns are assembled while frames are due, and a garbage collection would hold them up.
        """
        for circle in (self.starts, self.stops, self.responses, self.asides):
            circle.clear()

    def is_over_at(self, position_ms: float) -> bool:
        """Whether it had ended before that position in its clip was due to leave the caller."""
        if self.ended_ns is None:
            return False
        return self.label.started_ns + position_ms * MS > self.ended_ns

"""Golden traces, written by hand: what a server did, millisecond by millisecond."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.dialects.base import Kind
from bench.runs.event import EventRow
from tests.analysis.kinds import KINDS

ZERO_NS = 8_000_000_123_456_789
"""Zero of the audio clock: large, so that floats of it would lose nanoseconds."""


class Trace:
    """Rows of one session; `ms` is a position on the session's audio clock."""

    def __init__(self, session_id: str = "w0-00001", *, opened: bool = True) -> None:
        self.session_id = session_id
        self.rows: list[EventRow] = []
        if opened:
            self.note(Kind.CONNECT_STARTED, -250, detail={"url": "ws://x", "user": "Caller"})
            self.note(Kind.CONNECTED, -200)
            self.add(Kind.SESSION_CREATED, -190, detail={"session": "sess_1"})
            self.add(Kind.SESSION_UPDATED, -150)
            self.note(Kind.AUDIO_STARTED, 0, detail={"chunk_ms": 20, "codec": "pcm"})

    def ns(self, ms: float) -> int:
        return ZERO_NS + round(ms * 1e6)

    def add(self, kind: Kind, ms: float, **columns: Any) -> None:
        detail = columns.pop("detail", None)
        row = EventRow(
            session_id=self.session_id,
            seq=len(self.rows),
            turn_index=columns.pop("turn_index", None),
            direction=columns.pop("direction", "in"),
            kind=kind.value,
            type=columns.pop("type", kind.value),
            at_ns=self.ns(ms),
            read_ns=columns.pop("read_ns", self.ns(ms) + 50_000),
            size_bytes=columns.pop("size_bytes", 100),
            audio_ms=columns.pop("audio_ms", None),
            silence_ms=columns.pop("silence_ms", None),
            item_id=columns.pop("item_id", None),
            response_id=columns.pop("response_id", None),
            server_ms=columns.pop("server_ms", None),
            detail=detail if detail is None or isinstance(detail, str) else json.dumps(detail),
        )
        assert not columns, columns
        self.rows.append(row)

    def note(self, kind: Kind, ms: float, **columns: Any) -> None:
        self.add(kind, ms, direction="note", type="", read_ns=None, size_bytes=None, **columns)

    def utterance(
        self, turn: int, ms: float, pauses: tuple[tuple[int, int], ...] = (), name: str = "clip"
    ) -> None:
        """A clip of 2,100 ms with speech from 300 to 2,000 ms."""
        detail = {
            "turn": turn,
            "utterance": name,
            "category": "question",
            "duration_ms": 2100,
            "speech_start_ms": 300,
            "speech_end_ms": 2000,
            "pauses": pauses,
            "watchdog_s": 15,
        }
        self.note(Kind.UTTERANCE, ms, audio_ms=ms, turn_index=turn, detail=detail)

    def speech(
        self, item: str, started: tuple[float, float], stopped: tuple[float, float]
    ) -> None:
        """A segment: (arrival, server's position) of its start and of its end; committed."""
        self.add(Kind.SPEECH_STARTED, started[0], server_ms=started[1], item_id=item)
        self.stop(item, *stopped)

    def stop(self, item: str, ms: float, server_ms: float | None) -> None:
        self.add(Kind.SPEECH_STOPPED, ms, server_ms=server_ms, item_id=item)
        self.add(Kind.COMMITTED, ms + 1, item_id=item)
        self.add(Kind.ITEM_ADDED, ms + 1, item_id=item, detail={"role": "user"})

    def delta(
        self, response: str, ms: float, audio_ms: float = 100, silence_ms: float | None = None
    ) -> None:
        self.add(
            Kind.OUTPUT_AUDIO_DELTA,
            ms,
            response_id=response,
            audio_ms=audio_ms,
            silence_ms=silence_ms,
        )

    def done(self, response: str, ms: float, status: str = "completed", **detail: Any) -> None:
        self.add(Kind.RESPONSE_DONE, ms, response_id=response, detail={"status": status, **detail})

    def reply(self, response: str, created_ms: float, first_ms: float) -> None:
        """Three deltas in a burst, the first audible sample 40 ms into the second."""
        self.add(Kind.RESPONSE_CREATED, created_ms, response_id=response)
        self.add(Kind.OUTPUT_TRANSCRIPT_DELTA, first_ms - 5, response_id=response)
        self.delta(response, first_ms, 100, 100)
        self.delta(response, first_ms + 5, 100, 40)
        self.delta(response, first_ms + 10, 200)
        self.done(response, first_ms + 50)

    def transcript(self, item: str, ms: float) -> None:
        self.add(Kind.INPUT_TRANSCRIPT_DONE, ms, item_id=item, detail={"transcript": "hi"})

    def ended(self, turn: int, ms: float, reason: str = "done") -> None:
        self.note(Kind.TURN_ENDED, ms, turn_index=turn, detail={"turn": turn, "reason": reason})

    def closed(self, ms: float, by: str = "client", **detail: Any) -> None:
        self.note(Kind.CLOSED, ms, detail={"by": by, **detail})

    def clean_turn(self, turn: int, begin: float) -> None:
        """Stop 540 ms and first audio 900 ms after the end of speech."""
        item, response = f"item_{turn}", f"resp_{turn}"
        self.utterance(turn, begin)
        self.speech(item, (begin + 420, begin), (begin + 2540, begin + 2500))
        self.reply(response, begin + 2560, begin + 2900)
        self.transcript(item, begin + 2700)
        self.ended(turn, begin + 3400)


def clean() -> Trace:
    trace = Trace()
    trace.clean_turn(0, 1000)
    trace.closed(4500)
    return trace


def mid_pause() -> Trace:
    """The segment closes in the pause; its reply is cancelled when the caller goes on."""
    trace = Trace()
    trace.utterance(0, 1000, pauses=((400, 500), (800, 1500)))
    trace.speech("item_a", (1420, 1000), (2340, 2300))
    trace.add(Kind.RESPONSE_CREATED, 2350, response_id="resp_a")
    trace.delta("resp_a", 2500, 100, 10)
    trace.add(Kind.SPEECH_STARTED, 2620, server_ms=2200, item_id="item_b")
    trace.done("resp_a", 2630, "cancelled", reason="turn_detected")
    trace.stop("item_b", 3540, 3500)
    trace.transcript("item_a", 3545)
    trace.reply("resp_b", 3560, 3900)
    trace.transcript("item_b", 4000)
    trace.ended(0, 4400)
    return trace


def no_reply() -> Trace:
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.ended(0, 18_000, "watchdog")
    return trace


def never_heard() -> Trace:
    trace = Trace()
    trace.utterance(0, 1000)
    trace.ended(0, 18_000, "watchdog")
    return trace


def audio_less() -> Trace:
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    trace.done("resp_0", 3800)
    trace.ended(0, 3801)
    return trace


def disconnect() -> Trace:
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    trace.delta("resp_0", 3900, 100, 0)
    trace.closed(3950, "network", code=1006, reason="connection reset")
    trace.ended(0, 3950, "disconnected")
    return trace


def stopped() -> Trace:
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.ended(0, 3600, "stopped")
    trace.closed(3700)
    return trace


def two_turns() -> Trace:
    """The first turn's transcript comes in the second turn."""
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.reply("resp_0", 3560, 3900)
    trace.ended(0, 4400)
    trace.utterance(1, 6000, name="other")
    trace.transcript("item_0", 6100)
    trace.speech("item_1", (6425, 6000), (8550, 8500))
    trace.reply("resp_1", 8560, 8800)
    trace.transcript("item_1", 8900)
    trace.ended(1, 9300)
    trace.closed(9400)
    return trace


def repeated_deltas() -> Trace:
    """The server sends each delta twice, and creates its response twice."""
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_0", (1420, 1000), (3540, 3500))
    trace.add(Kind.RESPONSE_CREATED, 3560, response_id="resp_0")
    trace.add(Kind.RESPONSE_CREATED, 3561, response_id="resp_0")
    for ms in (3900, 3901, 3950, 3951):
        trace.delta("resp_0", ms, 100, 0 if ms == 3900 else None)
    trace.done("resp_0", 4000)
    trace.done("resp_0", 4001, "failed")
    trace.ended(0, 4400)
    return trace


def noise_first() -> Trace:
    """A noise between the note and the speech closes a segment and draws a reply."""
    trace = Trace()
    trace.utterance(0, 1000)
    trace.speech("item_n", (1050, 700), (1290, 1280))
    trace.add(Kind.RESPONSE_CREATED, 1295, response_id="resp_n")
    trace.delta("resp_n", 1400, 100, 0)
    trace.add(Kind.SPEECH_STARTED, 1420, server_ms=1000, item_id="item_0")
    trace.done("resp_n", 1425, "cancelled", reason="turn_detected")
    trace.stop("item_0", 3540, 3500)
    trace.reply("resp_0", 3560, 3900)
    trace.ended(0, 4400)
    return trace


def late_stop() -> Trace:
    """The first turn's stop is held back until the second utterance has begun."""
    trace = Trace()
    trace.utterance(0, 1000)
    trace.add(Kind.SPEECH_STARTED, 1420, server_ms=1000, item_id="item_0")
    trace.ended(0, 18_000, "watchdog")
    trace.utterance(1, 19_000)
    trace.stop("item_0", 19_500, 3500)
    trace.reply("resp_0", 19_510, 19_600)
    trace.speech("item_1", (19_700, 19_000), (21_540, 21_500))
    trace.reply("resp_1", 21_560, 21_900)
    trace.ended(1, 22_500)
    return trace


GOLDEN = {
    build.__name__: build().rows
    for build in (
        clean,
        mid_pause,
        no_reply,
        never_heard,
        audio_less,
        disconnect,
        stopped,
        two_turns,
        repeated_deltas,
        noise_first,
        late_stop,
    )
}


for fill in KINDS:
    trace = Trace()
    fill(trace)
    GOLDEN[fill.__name__] = trace.rows


@pytest.fixture(scope="session")
def golden() -> dict[str, list[EventRow]]:
    return GOLDEN


@pytest.fixture(scope="session")
def new_trace() -> type[Trace]:
    return Trace

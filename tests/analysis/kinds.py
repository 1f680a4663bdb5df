"""Golden traces of turns that are no question and answer; each fills a Trace of conftest's."""

from __future__ import annotations

from typing import Any

from bench.dialects.base import Kind


def begin(
    trace: Any, turn: int = 0, ms: float = 1_000, kind: str = "speech", **fields: Any
) -> None:
    """A clip of 2,100 ms with speech from 300 to 2,000 ms, or a request without a clip."""
    clip = kind in {"speech", "sound"}
    speech = (300, 2_000) if kind == "speech" else (None, None) if clip else (0, 0)
    detail = {
        "turn": turn,
        "kind": kind,
        "expects": "reply",
        "detection": "server_vad",
        "modality": "audio",
        "utterance": "clip",
        "category": kind,
        "text": "Turn the lights off.",
        "duration_ms": 2_100 if clip else 0,
        "speech_start_ms": speech[0],
        "speech_end_ms": speech[1],
        "pauses": [],
        "watchdog_s": 15,
    } | fields
    trace.note(Kind.UTTERANCE, ms, audio_ms=ms, turn_index=turn, detail=detail)


def sent(trace: Any, kind: Kind, ms: float, turn: int = 0, **columns: Any) -> None:
    trace.add(kind, ms, direction="out", read_ns=None, turn_index=turn, **columns)


def manual(trace: Any) -> None:
    begin(trace, 0, 1_000, detection="none")
    sent(trace, Kind.COMMIT, 3_100, 0)
    sent(trace, Kind.RESPONSE_CREATE, 3_101, 0)
    trace.add(Kind.COMMITTED, 3_110, item_id="item_0")
    trace.reply("resp_0", 3_120, 3_500)
    trace.transcript("item_0", 3_550)
    trace.ended(0, 4_000)


def requests(trace: Any) -> None:
    """Written, after a spoken turn; then one out of band."""
    trace.clean_turn(0, 1_000)
    begin(trace, 1, 6_000, "text")
    sent(trace, Kind.ITEM_CREATE, 6_001, 1, detail={"item_type": "message", "role": "user"})
    sent(trace, Kind.RESPONSE_CREATE, 6_002, 1)
    trace.reply("resp_1", 6_020, 6_400)
    trace.ended(1, 7_000)
    begin(trace, 2, 8_000, "request")
    asked = {"conversation": "none", "metadata": {"n": "2"}}
    sent(trace, Kind.RESPONSE_CREATE, 8_001, 2, detail=asked)
    created = {"metadata": {"n": "2"}}
    trace.add(Kind.RESPONSE_CREATED, 8_020, response_id="resp_2", detail=created)
    trace.delta("resp_2", 8_300, 100, 0)
    trace.done("resp_2", 8_400)
    trace.ended(2, 8_500)


def aside(trace: Any) -> None:
    """A response out of band comes before the reply."""
    begin(trace, 0, 1_000)
    asked = {"conversation": "none", "metadata": {"topic": "mood"}}
    sent(trace, Kind.RESPONSE_CREATE, 3_000, 0, detail=asked)
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    created = {"metadata": {"topic": "mood"}}
    trace.add(Kind.RESPONSE_CREATED, 3_555, response_id="aside", detail=created)
    trace.delta("aside", 3_600, 100, 0)
    trace.done("aside", 3_650)
    trace.reply("resp_0", 3_660, 3_900)
    trace.ended(0, 4_400)


def tools(trace: Any) -> None:
    begin(trace, 0, 1_000)
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_a")
    trace.add(Kind.TOOL_CALL, 3_800, response_id="resp_a", detail={"call_id": "c", "name": "f"})
    trace.done("resp_a", 3_810)
    result = {"item_type": "function_call_output", "call_id": "c"}
    sent(trace, Kind.ITEM_CREATE, 4_000, 0, detail=result)
    sent(trace, Kind.RESPONSE_CREATE, 4_001, 0)
    trace.reply("resp_b", 4_020, 4_300)
    trace.ended(0, 5_000)


def talked_over(trace: Any) -> None:
    begin(trace, 0, 1_000)
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
    trace.delta("resp_0", 3_900, 1_000, 0)
    trace.ended(0, 4_990, "talked_over")
    begin(trace, 1, 5_000, interrupts=0, interrupted_at_ms=1_100)
    for ms in (5_200, 5_300, 5_410):
        trace.delta("resp_0", ms, 100)
    trace.add(Kind.SPEECH_STARTED, 5_450, server_ms=5_000, item_id="item_1")
    sent(trace, Kind.ITEM_TRUNCATE, 5_451, 1, detail={"audio_end_ms": 1_550})
    trace.done("resp_0", 5_460, "cancelled", reason="turn_detected")
    trace.stop("item_1", 7_540, 7_500)
    trace.reply("resp_1", 7_560, 7_900)
    trace.ended(1, 8_400)


def overlaid(trace: Any) -> None:
    """A backchannel stops the reply, and is answered."""
    begin(trace, 0, 1_000)
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    trace.add(Kind.RESPONSE_CREATED, 3_560, response_id="resp_0")
    trace.delta("resp_0", 3_900, 4_000, 0)
    trace.note(Kind.OVERLAY, 5_000, audio_ms=5_000, turn_index=0, detail={"turn": 0})
    trace.add(Kind.SPEECH_STARTED, 5_450, server_ms=5_000, item_id="item_1")
    trace.done("resp_0", 5_460, "cancelled", reason="turn_detected")
    trace.stop("item_1", 6_400, 6_300)
    trace.reply("resp_1", 6_420, 6_800)
    trace.ended(0, 8_000)


def silences(trace: Any) -> None:
    """A noise that is answered, then a while in which nothing comes."""
    begin(trace, 0, 1_000, "sound", expects="silence")
    trace.speech("item_0", (1_420, 1_100), (2_540, 2_500))
    trace.reply("resp_0", 2_560, 2_900)
    trace.ended(0, 6_100)
    begin(trace, 1, 7_000, "listen", expects="silence")
    trace.ended(1, 12_000)


def written_down(trace: Any) -> None:
    begin(trace, 0, 1_000, expects="transcript")
    trace.speech("item_0", (1_420, 1_000), (3_540, 3_500))
    trace.transcript("item_0", 3_800)
    trace.ended(0, 3_800)
    begin(trace, 1, 5_000, expects="transcript")
    trace.speech("item_1", (5_420, 5_000), (7_540, 7_500))
    detail = {"type": "server_error", "message": "no model"}
    trace.add(Kind.INPUT_TRANSCRIPT_FAILED, 7_700, item_id="item_1", detail=detail)
    trace.ended(1, 7_700)


KINDS = (
    manual,
    requests,
    aside,
    tools,
    talked_over,
    overlaid,
    silences,
    written_down,
)

"""Turns one conversation's rhythm into the messages a server sends in a turn, and when.

Callers and targets of a benchmark share it, so that what is said and what is answered fall
together without the target listening: a caller begins an utterance every `PERIOD_MS` of its
audio clock, and the target answers as if it had heard it.
"""

from __future__ import annotations

import enum
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.wire import server_frame

UTTERANCE = "question"
REPLY_MS = int(os.environ.get("BENCHMARK_REPLY_MS", "3000"))
"""Audio of a reply. Longer ones mean more to receive for what is sent, and slower trials."""

PERIOD_MS = 5_000 + REPLY_MS
"""The question takes 3 s, the answer is waited for 1 s, then heard; then there is 1 s of peace."""

REPLY = "reply_neutral"
"""The clip whose recording the target replies with, over and over until the reply is full."""

_TURNS_KEPT = 4

TURN_SIGN = "~"
"""Stands for a turn's number in the text of a step: JSON of ours and Base64 have no other use
for it."""


class Mark(enum.IntEnum):
    """Instants of a turn whose truth is written down."""

    SPEECH_STARTED = 0
    SPEECH_STOPPED = 1
    RESPONSE_CREATED = 2
    FIRST_AUDIO = 3
    LAST_AUDIO = 4


@dataclass(frozen=True, slots=True)
class Duty:
    """When what happens in a turn, in ms from the first sample of its utterance."""

    speech_started_ms: float = 500
    speech_stopped_ms: float = 3_360
    """End of the utterance's speech (2,840), 500 ms of silence, 20 ms to notice."""
    response_created_ms: float = 3_380
    first_audio_ms: float = 3_860
    reply_ms: int = REPLY_MS
    delta_ms: int = 100
    speed: float = 3.0
    """How many times faster than a listener hears it the reply is delivered."""
    transcript_every: int = 3
    """Audio deltas to one delta of its transcript."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a turn: `text` is its JSON, with TURN_SIGN where the turn's number goes."""

    at_ms: float
    text: str
    mark: Mark | None = None


def script(duty: Duty, deltas: Sequence[str]) -> list[Step]:
    """All messages of one turn in the order of the protocol; `deltas` are the reply's, Base64."""
    steps: list[Step] = []

    def step(at_ms: float, kind: str, mark: Mark | None = None, **fields: Any) -> None:
        event = {"type": kind, "event_id": f"event_{TURN_SIGN}_{len(steps)}", **fields}
        steps.append(Step(at_ms, json.dumps(event, separators=(",", ":")), mark))

    heard = f"item_{TURN_SIGN}u"
    said = {"item_id": f"item_{TURN_SIGN}a", "output_index": 0, "content_index": 0}
    said["response_id"] = f"resp_{TURN_SIGN}"
    buffer, item, output = "input_audio_buffer.", "conversation.item.", "response.output_"
    heard_item = {
        "id": heard,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": [{"type": "input_audio", "transcript": None}],
    }
    started_ms, stopped_ms = round(duty.speech_started_ms), round(duty.speech_stopped_ms)
    step(
        started_ms,
        buffer + "speech_started",
        Mark.SPEECH_STARTED,
        audio_start_ms=started_ms,
        item_id=heard,
    )
    step(
        stopped_ms,
        buffer + "speech_stopped",
        Mark.SPEECH_STOPPED,
        audio_end_ms=stopped_ms,
        item_id=heard,
    )
    step(stopped_ms, buffer + "committed", item_id=heard, previous_item_id=None)
    step(stopped_ms, item + "added", previous_item_id=None, item=heard_item)
    step(stopped_ms, item + "done", previous_item_id=None, item=heard_item)

    created_ms = duty.response_created_ms
    spoken: dict[str, Any] = {"id": said["item_id"], "object": "realtime.item", "type": "message"}
    spoken |= {"status": "in_progress", "role": "assistant", "content": []}
    response: dict[str, Any] = {"object": "realtime.response", "id": said["response_id"]}
    response |= {"status": "in_progress", "status_details": None, "output": [], "usage": None}
    of_item = {"response_id": said["response_id"], "output_index": 0}
    step(created_ms, "response.created", Mark.RESPONSE_CREATED, response=response)
    step(created_ms, output + "item.added", **of_item, item=spoken)
    step(created_ms, item + "added", previous_item_id=heard, item=spoken)
    part = {"type": "audio", "transcript": ""}
    step(created_ms, "response.content_part.added", **said, part=part)

    done_ms = duty.first_audio_ms
    for number, delta in enumerate(deltas):
        done_ms = duty.first_audio_ms + number * duty.delta_ms / duty.speed
        mark = Mark.FIRST_AUDIO if number == 0 else None
        if number == len(deltas) - 1 > 0:
            mark = Mark.LAST_AUDIO
        step(done_ms, output + "audio.delta", mark, **said, delta=delta)
        if number % duty.transcript_every == 0:
            step(done_ms, output + "audio_transcript.delta", **said, delta=" and so on")

    words = " and so on" * len(range(0, len(deltas), duty.transcript_every))
    part = {"type": "audio", "transcript": words}
    spoken = {**spoken, "status": "completed", "content": [{**part, "type": "output_audio"}]}
    usage = {"total_tokens": 90, "input_tokens": 30, "output_tokens": 60}
    response = {**response, "status": "completed", "output": [spoken], "usage": usage}
    step(done_ms, output + "audio.done", **said)
    step(done_ms, output + "audio_transcript.done", **said, transcript=words)
    step(done_ms, "response.content_part.done", **said, part=part)
    step(done_ms, output + "item.done", **of_item, item=spoken)
    step(done_ms, item + "done", previous_item_id=heard, item=spoken)
    step(done_ms, "response.done", response=response)
    return steps


def text_of(step: Step, turn: int) -> bytes:
    """The message that a step is in turn number `turn`."""
    return step.text.replace(TURN_SIGN, f"{turn:05d}").encode()


class Turns:
    """The frames of each turn by its number, made once and shared by all sessions."""

    def __init__(self, steps: list[Step]) -> None:
        self.at_ns = [round(step.at_ms * 1e6) for step in steps]
        self.marks = [step.mark for step in steps]
        self._steps = steps
        self._frames: dict[int, list[bytes]] = {}
        self.frames(0)

    def frames(self, number: int) -> list[bytes]:
        """Frames of turn `number`, in the order of `at_ns`."""
        frames = self._frames.get(number)
        if frames is None:
            frames = [server_frame(text_of(step, number)) for step in self._steps]
            self._frames[number] = frames
            self._frames.pop(number - _TURNS_KEPT, None)
        return frames

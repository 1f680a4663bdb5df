"""Turns a seed into client messages that are almost right, and sends them to a session."""

from __future__ import annotations

import json
import random
from base64 import b64encode
from typing import Any

import numpy as np

from bench.audio.catalogue import Catalogue, default_directory
from bench.server.answers import Mind
from bench.server.hearing.energy import EnergyEar
from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune
from bench.server.responder import Responder
from bench.server.session_settings import Session
from bench.server.voices import Voices

SOUND = b64encode(np.random.default_rng(1).integers(-9_000, 9_000, 2_400, np.int16).tobytes())
SEEDS: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime", "tools": [], "include": None}},
    {
        "type": "session.update",
        "session": {
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "m"},
                    "turn_detection": {"type": "semantic_vad", "eagerness": "high"},
                },
                "output": {"speed": 1.2, "voice": "ash", "format": {"type": "audio/pcm"}},
            }
        },
    },
    {"type": "input_audio_buffer.append", "audio": SOUND.decode()},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {
        "type": "conversation.item.create",
        "previous_item_id": "root",
        "item": {
            "id": "i1",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "What is the weather in Lisbon?"}],
        },
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": '{"t":[1,{"a":null}]}'},
    },
    {"type": "conversation.item.retrieve", "item_id": "i1"},
    {"type": "conversation.item.truncate", "item_id": "i1", "content_index": 0, "audio_end_ms": 5},
    {"type": "conversation.item.delete", "item_id": "i1"},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "output_modalities": ["text"],
            "max_output_tokens": 3,
            "tool_choice": "required",
            "tools": [{"type": "function", "name": "get_weather", "parameters": {}}],
            "input": [{"type": "item_reference", "id": "i1"}],
        },
    },
    {"type": "response.create"},
    {"type": "response.cancel", "response_id": "resp_1"},
]
ODD = [None, True, -1, 0, 10**30, 1.5, "", "x" * 300, "\ud800", [], {}, [[]], {"type": "message"}]


def message(draw: random.Random) -> bytes:
    """A message: right, with a value exchanged, cut, or with bytes exchanged."""
    event = json.loads(json.dumps(draw.choice(SEEDS)))
    kind = draw.random()
    if kind < 0.6:
        mutate(event, draw)
    text = json.dumps(event).encode()
    if kind > 0.9:
        place = draw.randrange(len(text))
        text = text[:place] + draw.randbytes(draw.randrange(4)) + text[place + draw.randrange(3) :]
    elif kind > 0.85:
        text = draw.randbytes(draw.randrange(40))
    return text


def mutate(value: Any, draw: random.Random) -> None:
    """Exchange, add or drop something, somewhere."""
    keys: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not keys:
        return
    key = draw.choice(keys)
    if isinstance(value[key], dict | list) and draw.random() < 0.7:
        mutate(value[key], draw)
    elif draw.random() < 0.2 and isinstance(value, dict):
        value[draw.choice(["zzz", "id", "type", "audio"])] = value.pop(key)
    elif key != "type" or draw.random() < 0.2:
        value[key] = draw.choice(ODD)


class Target:
    """A session without a socket, on a clock of its own; its ids stay known to the messages."""

    def __init__(self) -> None:
        behaviour = tune(Profile(), reply_delay_ms=0.0, transcript_delay_ms=0.0, speed=1_000.0)
        voices = Voices.prepare(Catalogue.open(default_directory()), behaviour)
        self._mind = Mind(
            behaviour, voices, lambda at_ms: EnergyEar(start_ms=at_ms), lambda _a, _b: None
        )
        self._now_ns = 1
        self.renew()

    def renew(self) -> None:
        """Begin another session."""
        self._responder = Responder(
            session_id="sess_fuzz",
            ordinal=0,
            session=Session(model="m"),
            mind=self._mind,
            record=lambda _line: None,
        )
        self._responder.open(self._now_ns)

    def send(self, text: bytes) -> int:
        """Send a message and let 20 ms pass; how many events that made, each of them JSON."""
        self._now_ns += 20_000_000
        events = self._responder.receive(text, self._now_ns)
        events += self._responder.advance(self._now_ns)
        for event in events:
            if event.written is not None:
                event.written(self._now_ns)
            if event.text:
                json.loads(event.text)
        return len(events)

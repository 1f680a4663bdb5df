"""A worker keeps the turns it should, whatever their sessions do, and makes files of them."""

from __future__ import annotations

import base64
import io
import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from bench.audio.codec import CODECS
from bench.audio.utterance import Utterance
from bench.dialects.base import Kind, ServerEvent
from bench.dialects.openai import OPENAI
from bench.load.recordings import Recordings
from bench.runs.recorder import Recorder
from bench.session.conversation import Conversation
from bench.session.frames import FrameStore
from bench.session.tape import Room
from bench.session.turn_state import TurnEnd

MS = 1_000_000
ZERO_NS = 3_000_000_000_000
PCM = np.full(24 * 200, 3000, np.int16)
CLIP = Utterance("c", None, "en", "x", PCM, 0, 200, (), trusted=True, sha256_pcm="")
PLAN: Any = SimpleNamespace(
    frames=FrameStore(OPENAI, CODECS["pcm16"], 20, None),
    settings=SimpleNamespace(output_codec="pcm16"),
    push_to_talk=False,
    catalogue=SimpleNamespace(get=lambda _: CLIP),
)
AUDIO = base64.b64encode(np.full(24 * 100, 2000, "<i2").tobytes()).decode()
LABELS = {
    "kind": "speech",
    "expects": "reply",
    "detection": "server_vad",
    "utterance": "c",
    "category": "x",
    "duration_ms": 200.0,
    "speech_start_ms": 0,
    "speech_end_ms": 200,
    "pauses": [],
    "trusted": True,
    "watchdog_s": 5.0,
}


class Session:
    """Turns of 200 ms of speech, one every 10 s, recorded and kept as a call does it."""

    def __init__(self, recordings: Recordings, recorder: Recorder) -> None:
        self.made = recordings
        self.record = recorder.begin_session()
        self.conversation = Conversation(frozenset())
        self.tape = recordings.tape(PLAN)
        self.tape.audio_start_ns = ZERO_NS
        self.seen: list[str] = []
        self.on_turn = recordings.judging(
            self.tape, lambda record: self.seen.append(record.session_id)
        )

    def turn(self, reply_after_ms: float | None, reason: str = "done") -> None:
        number = len(self.seen)
        frame = 500 * number + 50
        at_ns = ZERO_NS + frame * 20 * MS
        self.tape.lay(frame, 10, "c")
        state = self.conversation.begin_turn(at_ns, at_ns + 200 * MS, 5.0)
        self.record.begin_turn_rows()
        self.tape.begin_turn(state)
        state.began_ns = at_ns
        detail = {"turn": number, **LABELS}
        self.note(Kind.UTTERANCE, at_ns, audio_ms=frame * 20, detail=detail)
        ended_ns = at_ns + 5_000 * MS
        if reply_after_ms is not None:
            item, response = f"i{number}", f"r{number}"
            came_ns = at_ns + round((200 + reply_after_ms) * MS)
            heard_ns = came_ns - 5 * MS
            begin_ms, end_ms = frame * 20, frame * 20 + 200
            self.receive(Kind.SPEECH_STARTED, heard_ns, item_id=item, server_ms=begin_ms)
            self.receive(Kind.SPEECH_STOPPED, heard_ns, item_id=item, server_ms=end_ms)
            self.receive(Kind.RESPONSE_CREATED, heard_ns, response_id=response)
            self.receive(Kind.OUTPUT_AUDIO_DELTA, came_ns, audio=AUDIO, response_id=response)
            done = {"status": "completed"}
            self.receive(Kind.RESPONSE_DONE, came_ns, response_id=response, detail=done)
            ended_ns = came_ns + 100 * MS
        self.conversation.advance(ended_ns)
        self.conversation.end_turn(TurnEnd(reason))
        self.note(Kind.TURN_ENDED, ended_ns, detail={"turn": number, "reason": reason})
        self.on_turn(self.record)

    def receive(self, kind: Kind, at_ns: int, **fields: Any) -> None:
        event = ServerEvent(kind, kind.value, **fields)
        audio_ms = None if event.audio is None else 100.0
        columns = {name: value for name, value in fields.items() if name != "audio"}
        silence_ms = None if audio_ms is None else 0.0
        self.record.event(
            *("in", kind.value, at_ns),
            turn_index=len(self.seen),
            audio_ms=audio_ms,
            silence_ms=silence_ms,
            **columns,
        )
        self.conversation.receive(event, at_ns, audio_ms)
        self.tape.take(event, at_ns, 0, self.conversation.silenced_ns)

    def note(self, kind: Kind, at_ns: int, **columns: Any) -> None:
        self.record.event("note", kind.value, at_ns, turn_index=len(self.seen), **columns)


def files_of(recordings: Recordings) -> tuple[dict[str, bytes], dict[str, Any]]:
    files = dict(recordings.files("w0"))
    listing: dict[str, Any] = json.loads(files.pop("w0.candidates.json"))
    return files, listing


@pytest.fixture
def session() -> Session:
    return Session(Recordings(1, warm_until_ns=0), Recorder("w0"))


def test_the_slowest_the_middle_and_what_failed_are_kept(session: Session) -> None:
    latencies_ms = [700, 400, 410, 900, 420, 400, 405]
    for latency_ms in latencies_ms:
        session.turn(latency_ms)
    session.turn(None, "watchdog")
    session.turn(None, "stopped")
    files, listing = files_of(session.made)
    kept = {entry["turn_index"] for entry in listing["recordings"]}
    assert listing["count"] == 1
    assert listing["lost"] == 0
    assert len(kept) == 5  # first of its session, worst, median, random, unanswered
    assert {0, 3, 7} <= kept
    assert 8 not in kept  # cut short by the end of the run
    assert files.keys() == {entry["file"] for entry in listing["recordings"]}
    assert len(session.seen) == 9  # whoever listens to turns heard of all


def test_a_file_is_what_was_heard(session: Session) -> None:
    session.turn(700)
    files, listing = files_of(session.made)
    (entry,) = listing["recordings"]
    assert entry["file"] == "w0-00000-turn0.flac"
    assert (entry["zero_ms"], entry["zero_ns"]) == (500, ZERO_NS + 500 * MS)
    sound, rate_hz = soundfile.read(io.BytesIO(files[entry["file"]]), dtype="int16")
    assert rate_hz == entry["sample_rate_hz"] == 24_000
    assert len(sound) / 24 == entry["duration_ms"] == 500 + 200 + 700 + 100
    left, right = sound.T
    assert np.flatnonzero(left)[[0, -1]].tolist() == [500 * 24, 700 * 24 - 1]
    assert np.flatnonzero(right)[[0, -1]].tolist() == [1400 * 24, 1500 * 24 - 1]


def test_what_is_held_does_not_grow_with_the_run(session: Session) -> None:
    rng = np.random.default_rng(4)
    for latency_ms in rng.uniform(300, 900, 300):
        session.turn(float(latency_ms))
    assert session.made._room.held_bytes == 4 * len(
        AUDIO
    )  # first of its session, worst, median, random


def test_a_turn_that_found_no_room_is_told_of() -> None:
    made = Recordings(1, warm_until_ns=0)
    made._room = Room(wanted_bytes=0, spare_bytes=0)
    Session(made, Recorder("w0")).turn(700)
    assert files_of(made) == ({}, {"count": 1, "lost": 1, "recordings": []})


def test_the_median_is_that_of_all_turns_though_few_find_room(session: Session) -> None:
    """Were only those counted that found room, it would be one of the slow."""
    made = session.made
    for _ in range(20):
        session.turn(900)
    made._room = Room(wanted_bytes=0, spare_bytes=0)
    other = Session(made, Recorder("w0"))
    for _ in range(60):
        other.turn(400)
    assert made._shortlist.median_ms == 400


def test_warm_up_is_a_class_of_its_own() -> None:
    made = Recordings(1, warm_until_ns=ZERO_NS + 25_000 * MS)
    session = Session(made, Recorder("w0"))
    for _ in range(3):
        session.turn(400)
    _, listing = files_of(made)
    assert [c.turn_class for c in made._shortlist] == ["cold", "warmup"]
    assert len(listing["recordings"]) == 2

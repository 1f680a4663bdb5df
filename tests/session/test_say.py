"""What a session notes of the clip it says, and which clip it refuses to say."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.analysis.turns import assemble_session
from bench.audio.codec import PCM16
from bench.audio.microphone import Microphone
from bench.audio.utterance import Utterance
from bench.dialects import DIALECTS
from bench.dialects.base import SessionSettings
from bench.problem import Problem
from bench.runs.recorder import Recorder, SessionRecord
from bench.session.call import Call
from bench.session.frames import FrameStore
from bench.session.realtime import RealtimeSession

AUDIO_START_NS = 5_000_000_000


def clip(**fields: Any) -> Utterance:
    known: dict[str, Any] = {
        "id": "clip",
        "text": None,
        "language": "en",
        "category": "question",
        "pcm": np.zeros(24 * 300, np.int16),
        "speech_start_ms": 40,
        "speech_end_ms": 200,
        "pauses": (),
        "trusted": True,
        "sha256_pcm": "",
    }
    return Utterance(**(known | fields))


def open_session(utterance: Utterance) -> tuple[RealtimeSession, SessionRecord]:
    """A session whose line is up, with one clip to say."""
    frames = FrameStore(DIALECTS["openai"], PCM16, 20, None)
    plan = SimpleNamespace(
        catalogue=SimpleNamespace(get=lambda _: utterance),
        frames=frames,
        dialect=DIALECTS["openai"],
        settings=SessionSettings("m"),
        setup=None,
        awaits=DIALECTS["openai"].awaits,
        watchdog_s=15.0,
    )
    record = SessionRecord(Recorder("w0"), "w0-00000", 0)
    nothing: Any = None
    call = Call(plan, nothing, nothing, record, user="Caller", on_turn=lambda _: None)
    session = RealtimeSession(call)
    line: Any = SimpleNamespace(
        open=True, audio_start_ns=AUDIO_START_NS, microphone=Microphone(frames.tone, 20)
    )
    session._call._line = line
    return session, record


@pytest.mark.parametrize("trusted", [True, False])
def test_the_note_says_whether_the_labels_can_be_trusted(trusted: bool) -> None:
    session, record = open_session(clip(trusted=trusted))
    session.say("clip")
    (note,) = record.turn_rows
    assert json.loads(note.detail or "")["trusted"] is trusted
    (turn,) = assemble_session(record.turn_rows).turns
    assert turn.turn_class == ("cold" if trusted else "unreviewed")
    assert turn.speech_end_ns == AUDIO_START_NS + 200_000_000


def test_a_clip_without_speech_expects_silence_until_it_is_over_and_a_while_longer() -> None:
    session, record = open_session(clip(speech_start_ms=None, speech_end_ms=None))
    session.say("clip", quiet_s=2.0)
    detail = json.loads(record.turn_rows[0].detail or "")
    assert (detail["kind"], detail["expects"]) == ("sound", "silence")
    assert (detail["speech_start_ms"], detail["speech_end_ms"]) == (None, None)
    state = session._call.conversation.turn
    assert state is not None
    assert state.quiet_ns == AUDIO_START_NS + 300_000_000 + 2_000_000_000


def test_a_clip_that_is_not_there_changes_nothing() -> None:
    session, record = open_session(clip())

    def missing(_: str) -> Utterance:
        raise Problem("no utterance")

    session._call.plan.catalogue.get = missing  # type: ignore[method-assign]
    with pytest.raises(Problem, match="no utterance"):
        session.say("clip")
    assert record.turn_rows == []

"""What is kept of turns, as the conversation and the tape hear the same events."""

from __future__ import annotations

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bench.audio.codec import CODECS
from bench.audio.utterance import Utterance
from bench.dialects.base import Kind, ServerEvent
from bench.dialects.openai import OPENAI
from bench.session.conversation import Conversation
from bench.session.frames import FrameStore
from bench.session.stereo import Stereo, stereo
from bench.session.tape import Room, Tape, TurnTape
from bench.session.turn_state import TurnEnd, TurnState

MS = 1_000_000
ZERO_NS = 7_000_000_000_000
LEVEL = {"hello": 2000, "stop": 4000}
BIG = 1 << 30


def clip(name: str) -> Utterance:
    pcm = np.full(24 * 200, LEVEL[name], np.int16)  # 200 ms
    return Utterance(name, None, "en", "x", pcm, 0, 200, (), trusted=True, sha256_pcm="")


def plan(input_codec: str = "pcm16", output_codec: str = "pcm16", **more: Any) -> Any:
    return SimpleNamespace(
        frames=FrameStore(OPENAI, CODECS[input_codec], 20, None),
        settings=SimpleNamespace(output_codec=output_codec),
        push_to_talk=False,
        **more,
    )


class Session:
    """A conversation and its tape; ms count from the start of the audio clock."""

    def __init__(
        self,
        room: Room | None = None,
        wants: Callable[[float, float], bool] = lambda *_: True,
        **codecs: str,
    ) -> None:
        self.room = room or Room()
        self.asked: list[float] = []
        self.conversation = Conversation(frozenset())
        self.codec = CODECS[codecs.get("output_codec", "pcm16")]

        def asking(ttfa_ms: float, ticket: float) -> bool:
            self.asked.append(ttfa_ms)
            return wants(ttfa_ms, ticket)

        self.tape = Tape(plan(**codecs), self.room, asking, lambda: 0.5)
        self.tape.audio_start_ns = ZERO_NS

    def say(self, name: str, at_ms: int) -> TurnState:
        """As TurnTaking does it, `at_ms` being the position of the first frame."""
        self.tape.lay(at_ms // 20, 10, name)
        at_ns = ZERO_NS + at_ms * MS
        state = self.conversation.begin_turn(at_ns, at_ns + 200 * MS, 5.0)
        self.tape.begin_turn(state)
        state.began_ns = at_ns
        return state

    def receive(
        self, kind: Kind, at_ms: float, audio: str | None = None, elided: int = 0, **fields: Any
    ) -> None:
        event = ServerEvent(kind, kind.value, audio=audio, **fields)
        at_ns = ZERO_NS + round(at_ms * MS)
        audio_ms = None
        if audio is not None:
            audio_ms = self.codec.duration_ms((len(audio) + elided) * 3 // 4)
        self.conversation.receive(event, at_ns, audio_ms)
        self.tape.take(event, at_ns, elided, self.conversation.silenced_ns)

    def create(self, response: str, at_ms: float) -> None:
        self.receive(Kind.RESPONSE_CREATED, at_ms, response_id=response)

    def delta(
        self, response: str, at_ms: float, audio_ms: int, level: int = 1000, **more: Any
    ) -> None:
        samples = np.full(self.codec.rate_hz * audio_ms // 1000, level, np.int16)
        text = base64.b64encode(self.codec.encode(samples)).decode()
        self.receive(
            Kind.OUTPUT_AUDIO_DELTA, at_ms, text, response_id=response, item_id="i", **more
        )

    def done(self, response: str, at_ms: float, status: str = "completed") -> None:
        self.receive(Kind.RESPONSE_DONE, at_ms, response_id=response, detail={"status": status})

    def end(self, at_ms: float, reason: TurnEnd = TurnEnd.DONE) -> list[TurnTape]:
        self.conversation.end_turn(reason)
        return self.tape.end_turn(
            ZERO_NS + round(at_ms * MS), talked_over=reason is TurnEnd.TALKED_OVER, told=reason
        )


def steps(channel: np.ndarray, near: int = 300) -> list[tuple[float, int]]:
    """Where the level changes, in ms, and to which; ringing of resampling is looked over."""
    rounded = np.round(channel / near).astype(int) * near
    changes = np.flatnonzero(np.diff(rounded)) + 1
    return [(round(place / 24, 1), int(rounded[place])) for place in changes]


def turn(session: Session) -> Stereo:
    session.say("hello", 1000)
    session.create("r", 1400)
    session.delta("r", 1500, 100)
    session.delta("r", 1550, 100)
    session.delta("r", 1900, 50)
    session.done("r", 1901)
    (tape,) = session.end(1950)
    return stereo(tape, clip)


def test_caller_and_reply_are_heard_when_they_were() -> None:
    sound = turn(Session())
    assert (sound.zero_ms, sound.zero_ns) == (500, ZERO_NS + 500 * MS)
    assert sound.samples.shape == (1450 * 24, 2)
    left, right = sound.samples.T
    assert steps(left) == [(500, 2100), (700, 0)]
    assert steps(right) == [(1000, 900), (1200, 0), (1400, 900)]


@pytest.mark.parametrize(
    ("input_codec", "output_codec"),
    [("pcm16_16k", "pcmu"), ("pcmu", "pcm16_16k"), ("pcma", "pcma")],
)
def test_other_codecs_are_heard_at_24_khz(input_codec: str, output_codec: str) -> None:
    sound = turn(Session(input_codec=input_codec, output_codec=output_codec))
    left, right = sound.samples.T
    assert len(left) == 1450 * 24
    for channel, begin_ms, end_ms in ((left, 500, 700), (right, 1000, 1200)):
        loud = np.flatnonzero(np.abs(channel.astype(int)) > 500) / 24
        assert loud[0] == pytest.approx(begin_ms, abs=0.2)
        assert loud[loud < 1300][-1] == pytest.approx(end_ms, abs=0.2)


def test_before_the_microphone_there_is_nothing_to_hear() -> None:
    session = Session()
    session.say("hello", 100)
    (tape,) = session.end(600, TurnEnd.WATCHDOG)
    sound = stereo(tape, clip)
    assert (sound.zero_ms, len(sound.samples)) == (0, 600 * 24)
    assert not sound.samples[:, 1].any()


def interrupted(session: Session) -> tuple[TurnTape, TurnTape]:
    """The reply sounds from 500 to 1500 ms; the caller speaks at 800 and is heard at 900."""
    session.say("hello", 100)
    session.create("a", 450)
    session.delta("a", 500, 900)
    assert session.end(790, TurnEnd.TALKED_OVER) == []
    session.say("stop", 800)
    session.delta("a", 850, 100)
    session.receive(Kind.SPEECH_STARTED, 900)
    session.delta("a", 910, 100)
    session.done("a", 920, "cancelled")
    session.create("b", 1900)
    session.delta("b", 2000, 100, level=3000)
    session.done("b", 2001)
    first, second = session.end(2100)
    return first, second


def test_a_reply_that_was_talked_over_ends_when_the_caller_was_heard() -> None:
    first, second = interrupted(Session())
    left, right = stereo(first, clip).samples.T
    assert steps(right) == [(500, 900), (900, 0)]
    assert steps(left) == [(100, 2100), (300, 0), (800, 3900), (1000, 0)]
    assert len(left) == 1400 * 24  # half a second more of the caller
    sound = stereo(second, clip)
    left, right = sound.samples.T
    assert sound.zero_ms == 300
    assert steps(left) == [(500, 3900), (700, 0)]
    assert steps(right) == [(200, 900), (600, 0), (1700, 3000)]


def test_a_reply_that_nothing_stops_is_heard_to_its_end() -> None:
    session = Session()
    session.say("hello", 100)
    session.create("a", 450)
    session.delta("a", 500, 900)
    session.end(790, TurnEnd.TALKED_OVER)
    session.say("stop", 800)
    first, second = session.end(3000, TurnEnd.WATCHDOG)
    assert len(stereo(first, clip).samples) == 1900 * 24
    assert steps(stereo(second, clip).samples[:, 1]) == [(200, 900), (1100, 0)]


def test_a_reply_that_the_server_cancelled_is_cut_there() -> None:
    session = Session()
    session.say("hello", 100)
    session.create("a", 450)
    session.delta("a", 500, 900)
    session.done("a", 700, "cancelled")
    (tape,) = session.end(2000, TurnEnd.WATCHDOG)
    assert steps(stereo(tape, clip).samples[:, 1]) == [(500, 900), (700, 0)]


def test_latency_decides_whether_a_turn_is_wanted_once_its_own_audio_comes() -> None:
    session = Session(wants=lambda ttfa_ms, _: ttfa_ms > 500)
    interrupted(session)
    assert session.asked == [200, 1000]


def test_turns_that_may_only_be_wanted_if_they_fail_share_the_spare_room() -> None:
    size = len(base64.b64encode(bytes(4800)))
    room = Room(wanted_bytes=BIG, spare_bytes=2 * size)
    unwanted, other = (Session(room, wants=lambda *_: False) for _ in range(2))
    wanted = Session(room)
    for session in (unwanted, other, wanted):
        session.say("hello", 100)
        session.create("a", 450)
    for _ in range(2):
        for session in (unwanted, other, wanted):
            session.delta("a", 500, 100)
    # The third piece of the unwanted found no room, and left that of its turn's first one.
    assert room.held_bytes == 4 * size
    lost = [session.end(900)[0].lost for session in (unwanted, other, wanted)]
    assert lost == [True, False, False]


def test_no_turn_holds_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.session.tape.TURN_BYTES", 15_000)
    session = Session()
    session.say("hello", 100)
    for _ in range(3):
        session.delta("a", 500, 100)
    (tape,) = session.end(900)
    assert tape.lost
    assert not tape.want()
    assert session.room.held_bytes == 0


def test_a_turn_with_a_message_cut_short_is_lost() -> None:
    session = Session()
    session.say("hello", 100)
    session.delta("a", 500, 100, elided=4800)
    (tape,) = session.end(900)
    assert tape.lost
    assert session.room.held_bytes == 0


def test_what_is_given_up_leaves_its_room() -> None:
    session = Session(wants=lambda *_: False)
    first, second = interrupted(session)
    held = session.room.held_bytes
    assert first.want()
    assert session.room.held_bytes == held
    first.lose()
    second.lose()
    assert session.room.held_bytes == 0


def test_what_is_no_base64_is_left_out() -> None:
    session = Session()
    session.say("hello", 100)
    session.receive(Kind.OUTPUT_AUDIO_DELTA, 500, "%%%%", response_id="a", item_id="i")
    session.delta("a", 600, 100)
    (tape,) = session.end(900)
    assert steps(stereo(tape, clip).samples[:, 1]) == [(600, 900), (700, 0)]


def test_between_turns_nothing_is_kept() -> None:
    session = Session()
    session.say("hello", 100)
    session.end(900)
    session.delta("a", 1000, 100)
    assert session.room.held_bytes == 0


def test_a_session_that_never_had_a_microphone_keeps_nothing() -> None:
    session = Session()
    session.tape.audio_start_ns = None
    session.say("hello", 100)
    session.delta("a", 500, 100)
    assert session.end(900) == []


@pytest.mark.parametrize("empty_ms", [None, 2_900])
def test_a_piece_with_nothing_in_it_hushes_nobody(empty_ms: int | None) -> None:
    session = Session()
    session.say("hello", 100)
    session.create("a", 450)
    session.delta("a", 500, 900)
    session.end(790, TurnEnd.TALKED_OVER)
    session.say("stop", 800)
    if empty_ms is not None:
        session.receive(Kind.OUTPUT_AUDIO_DELTA, empty_ms, "", response_id="a", item_id="i")
    first, _ = session.end(5_000, TurnEnd.WATCHDOG)
    assert first.hushed_ns is None
    assert len(stereo(first, clip).samples) == 1_900 * 24  # half a second more than was heard

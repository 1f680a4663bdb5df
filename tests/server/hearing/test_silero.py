from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.microphone import room_tone
from bench.server.hearing.silero import MODEL_FILE, NeuralEar, Silero
from bench.server.hearing.turns import SilencePolicy, Started, Stopped, VadEvent


@cache
def silero() -> Silero:
    return Silero()


@cache
def over_tone(clip: str, before_ms: int, after_ms: int) -> NDArray[np.int16]:
    pcm = Catalogue.open(default_directory()).get(clip).pcm
    start = 24 * before_ms
    mixed = np.resize(room_tone(-65.0), start + len(pcm) + 24 * after_ms).astype(np.int32)
    mixed[start : start + len(pcm)] += pcm
    return np.clip(mixed, -32768, 32767).astype(np.int16)


def tuned(silence_ms: SilencePolicy = 500, *, by: Silero | None = None) -> NeuralEar:
    ear = (by or silero()).ear()
    ear.tune(0.5, 300, silence_ms)
    return ear


def hear(audio: NDArray[np.int16], silence_ms: SilencePolicy = 500) -> list[VadEvent]:
    ear = tuned(silence_ms)
    ear.feed(audio)
    silero().listen()
    ear.close()
    return ear.take()


def hear_by(ear: NeuralEar, audio: NDArray[np.int16], chunk: int) -> list[VadEvent]:
    events = []
    for at in range(0, len(audio), chunk):
        ear.feed(audio[at : at + chunk])
        if ear in silero().listen():
            events += ear.take()
    return events


def test_the_model_is_the_one_its_notice_names() -> None:
    notice = MODEL_FILE.with_name("silero_vad_NOTICE.txt").read_text(encoding="utf-8")
    assert hashlib.sha256(MODEL_FILE.read_bytes()).hexdigest() in notice
    assert "MIT License" in notice


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 30_000), max_size=30))
def test_appends_do_not_matter(cuts: list[int]) -> None:
    audio = over_tone("barge_in_word", 500, 900)
    ear = tuned()
    chunked: list[VadEvent] = []
    place = 0
    for cut in [*cuts, len(audio)]:
        ear.feed(audio[place : place + cut])
        silero().listen()
        chunked += ear.take()
        place += cut
    ear.close()
    assert chunked == hear(audio)
    assert len(chunked) == 2


@pytest.mark.parametrize("chunk", [7, 24, 480, 767, 768, 769, 2_400])
def test_steady_appends_do_not_matter(chunk: int) -> None:
    audio = over_tone("barge_in_word", 100, 900)
    assert hear_by(tuned(), audio, chunk) == hear(audio)


def test_ears_together_hear_what_each_hears_alone() -> None:
    clips = ["short", "long", "mid_pause", "noise", "quiet", "sound_knock", "bed_babble"]
    audios = [over_tone(clip, 200 + 37 * at, 1_200) for at, clip in enumerate(clips)]
    ears = [tuned() for _ in audios]
    rng = np.random.default_rng(7)
    places = [0] * len(audios)
    while any(place < len(audio) for place, audio in zip(places, audios, strict=True)):
        for at, ear in enumerate(ears):
            step = int(rng.integers(0, 12_000))
            ear.feed(audios[at][places[at] : places[at] + step])
            places[at] += step
        silero().listen()
    assert [ear.take() for ear in ears] == [hear(audio) for audio in audios]


def test_a_turn_ends_with_the_append_that_completes_its_silence() -> None:
    audio, ear = over_tone("short", 500, 1_000), tuned()
    for at in range(0, len(audio), 480):
        ear.feed(audio[at : at + 480])
        silero().listen()
        for event in ear.take():
            if isinstance(event, Stopped):
                assert at / 24 - 1 < event.audio_ms <= (at + 480) / 24
                return
    pytest.fail("the turn never ended")


def test_only_ears_with_events_are_named() -> None:
    speaks, is_silent = tuned(), tuned()
    speaks.feed(over_tone("short", 500, 1_000))
    is_silent.feed(room_tone(-65.0, 3_000))
    assert silero().listen() == [speaks]
    assert silero().listen() == []
    assert not is_silent.take()


def test_speaking_lasts_from_start_to_end() -> None:
    ear, audio = tuned(), over_tone("short", 500, 1_000)
    for at in range(0, len(audio), 480):
        before = ear.speaking
        ear.feed(audio[at : at + 480])
        silero().listen()
        events = ear.take()
        assert ear.speaking == (isinstance(events[-1], Started) if events else before)


def test_the_clock_may_begin_later() -> None:
    audio = over_tone("short", 1_000, 1_000)
    ear = silero().ear(start_ms=5_000)
    ear.feed(audio)
    silero().listen()
    assert [event.audio_ms - 5_000 for event in ear.take()] == [e.audio_ms for e in hear(audio)]


@pytest.mark.parametrize(("answer_ms", "turns"), [(2_000, 1), (300, 2)])
def test_a_policy_is_asked_once_per_silence(answer_ms: int, turns: int) -> None:
    asked: list[int] = []

    def answer(voice_end_ms: int) -> int:
        asked.append(voice_end_ms)
        return answer_ms

    audio, ear = over_tone("mid_pause", 1_000, 3_000), tuned(answer)
    events: list[VadEvent] = []
    for at in range(0, len(audio), 480):
        before = len(asked)
        ear.feed(audio[at : at + 480])
        silero().listen()
        events += ear.take()
        if len(asked) > before:
            assert 150 <= at / 24 + 20 - asked[-1] <= 300
    assert sum(isinstance(event, Stopped) for event in events) == turns
    assert asked == pytest.approx([1_000 + 1_940, 1_000 + 4_560], abs=60)


def test_other_settings_hold_in_mid_stream() -> None:
    audio = over_tone("mid_pause", 1_000, 1_500)
    assert len(hear(audio, 800)) == 2
    ear = tuned(800)
    pause = 24 * (1_000 + 1_940 + 400)
    ear.feed(audio[:pause])
    silero().listen()
    ear.tune(0.5, 300, 450)
    ear.feed(audio[pause:])
    silero().listen()
    assert len(ear.take()) == 4


def test_a_higher_threshold_hears_less() -> None:
    def heard(threshold: float) -> int:
        ear = silero().ear()
        ear.tune(threshold, 0, 200)
        ear.feed(over_tone("bed_babble", 500, 500))
        silero().listen()
        events = ear.take()
        return sum(e.audio_ms if isinstance(e, Stopped) else -e.audio_ms for e in events)

    assert heard(0.99) < heard(0.5)


def test_padding_reaches_neither_before_the_start_nor_into_the_turn_before() -> None:
    ear = silero().ear()
    ear.tune(0.5, 3_000, 200)
    ear.feed(np.concatenate([over_tone("short", 500, 900), over_tone("short", 0, 900)]))
    silero().listen()
    first, stopped, second, _ = ear.take()
    assert first.audio_ms == 0
    assert second.audio_ms == stopped.audio_ms


def test_forgotten_speech_ends_without_an_event() -> None:
    audio, ear = over_tone("short", 500, 2_000), tuned()
    just_spoken_ms = 500 + 980
    ear.feed(audio[: 24 * just_spoken_ms])
    silero().listen()
    assert [type(event) for event in ear.take()] == [Started]
    ear.forget_speech(just_spoken_ms)
    assert not ear.speaking
    ear.feed(audio[24 * just_spoken_ms :])
    silero().listen()
    assert ear.take() == []


def test_a_closed_ear_hears_nothing_and_leaves_its_place_to_the_next() -> None:
    own = Silero()
    audio = over_tone("barge_in_word", 500, 900)
    wanted = hear(audio)
    for _ in range(3):
        ears = [tuned(by=own) for _ in range(100)]  # more than there were places for at first
        ears[-1].feed(audio)
        ears[0].feed(audio)
        ears[0].close()
        assert own.listen() == [ears[-1]]
        assert ears[-1].take() == wanted
        for ear in ears:
            ear.close()
            ear.close()
        ears[-1].feed(audio)
        assert own.listen() == []
    places = own._states.shape[1]
    assert places == 128
    assert sorted(own._free) == list(range(places))


def test_the_callers_buffer_may_change_after_it_was_fed() -> None:
    audio = over_tone("barge_in_word", 500, 900)
    ear, buffer = tuned(), audio.copy()
    ear.feed(buffer)
    buffer[:] = 0
    silero().listen()
    assert ear.take() == hear(audio)


def test_minutes_in_one_append_may_be_heard_in_portions() -> None:
    own = Silero()
    audio = np.concatenate([over_tone("mid_pause", 500, 1_500), over_tone("short", 0, 900)])
    long, short = tuned(by=own), tuned(by=own)
    long.feed(audio)
    short.feed(room_tone(-65.0, 320))
    assert not own.listen(most_windows=10)
    assert own.is_behind
    events: list[VadEvent] = []
    calls = 1
    while own.is_behind:
        calls += 1
        for ear in own.listen(most_windows=10):
            assert ear is long
            events += ear.take()
    assert calls == -(-(len(audio) // 768) // 10)
    assert events == hear(audio)

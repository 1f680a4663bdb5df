from __future__ import annotations

from functools import cache
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.microphone import room_tone
from bench.server.hearing.energy import EnergyEar
from bench.server.hearing.turns import Ear, SilencePolicy, Started, Stopped, VadEvent


@cache
def catalogue() -> Catalogue:
    return Catalogue.open(default_directory())


@cache
def over_tone(
    clip: str, before_ms: int, after_ms: int, dbfs: float | None = -65.0
) -> NDArray[np.int16]:
    pcm, start = catalogue().get(clip).pcm, 24 * before_ms
    mixed = np.resize(room_tone(dbfs), start + len(pcm) + 24 * after_ms).astype(np.int32)
    mixed[start : start + len(pcm)] += pcm
    return np.clip(mixed, -32768, 32767).astype(np.int16)


def ear(
    threshold: float = 0.5, prefix_padding_ms: int = 300, silence_ms: SilencePolicy = 500
) -> EnergyEar:
    tuned = EnergyEar()
    tuned.tune(threshold, prefix_padding_ms, silence_ms)
    return tuned


def hear(by: Ear, audio: NDArray[np.int16]) -> list[VadEvent]:
    by.feed(audio)
    return by.take()


def stops(events: list[VadEvent]) -> list[int]:
    return [event.audio_ms for event in events if isinstance(event, Stopped)]


def starts(events: list[VadEvent]) -> list[int]:
    return [event.audio_ms for event in events if isinstance(event, Started)]


@pytest.mark.parametrize("clip", ["short", "question", "mid_pause", "quiet", "phone"])
def test_the_voice_itself_starts_and_ends_where_the_label_says(clip: str) -> None:
    events = hear(ear(), over_tone(clip, 1_000, 2_000))
    first, last = events[0], events[-1]
    assert isinstance(first, Started)
    assert isinstance(last, Stopped)
    assert -30 <= first.onset_ms - 1_000 - catalogue().get(clip).speech_start_ms <= 100
    assert -20 <= last.voice_end_ms - 1_000 - catalogue().get(clip).speech_end_ms <= 130
    assert 490 <= last.audio_ms - last.voice_end_ms <= 510


@pytest.mark.parametrize(("answer_ms", "turns"), [(2_000, 1), (300, 2)])
def test_a_policy_is_asked_once_per_silence(answer_ms: int, turns: int) -> None:
    asked: list[int] = []

    def answer(voice_end_ms: int) -> int:
        asked.append(voice_end_ms)
        return answer_ms

    audio = over_tone("mid_pause", 1_000, 3_000)
    listener = ear(silence_ms=answer)
    events: list[VadEvent] = []
    for at in range(0, len(audio), 480):
        before = len(asked)
        events += hear(listener, audio[at : at + 480])
        if len(asked) > before:
            assert at / 24 + 20 - asked[-1] >= 150
    assert len(stops(events)) == turns
    assert len(asked) == 2  # in the pause, and at the end
    assert asked == pytest.approx([1_000 + 1_940, 1_000 + 4_560], abs=130)


def test_other_settings_hold_for_a_silence_under_way() -> None:
    audio = over_tone("short", 1_000, 2_000)
    listener = ear(silence_ms=5_000)
    (started,) = hear(listener, audio)
    assert isinstance(started, Started)
    listener.tune(0.5, 300, 500)
    (stopped,) = hear(listener, room_tone(-65.0, 20))
    assert isinstance(stopped, Stopped)


@pytest.mark.parametrize("dbfs", [None, -65.0, -50.0, -42.0])
def test_steady_noise_is_no_speech(dbfs: float | None) -> None:
    assert hear(ear(), room_tone(dbfs, 20_000)) == []


def test_loud_noise_is_learned() -> None:
    events = hear(ear(0.5, 300, 500), room_tone(-25.0, 8_000))
    assert len(events) == 2
    assert stops(events)[0] < 3_500


def test_a_click_is_no_speech() -> None:
    audio = room_tone(-65.0, 4_000)
    audio[48_000:48_120] = 20_000
    assert hear(ear(), audio) == []


def test_rumble_is_no_speech() -> None:
    audio = room_tone(-65.0, 4_000).astype(np.float64)
    seconds = np.arange(len(audio) - 36_000) / 24_000
    swell = np.minimum(seconds / 0.2, 1.0)
    audio[36_000:] += 3_000 * swell * np.sin(2 * np.pi * 35 * seconds)
    assert hear(ear(), audio.astype(np.int16)) == []


def test_padding_reaches_neither_before_the_start_nor_into_the_turn_before() -> None:
    audio = np.concatenate([over_tone("short", 100, 600), over_tone("short", 0, 2_000)])
    events = hear(ear(0.5, 2_000, 200), audio)
    assert starts(events)[0] == 0
    assert starts(events)[1] == stops(events)[0]


def test_a_higher_threshold_wants_louder_speech() -> None:
    def heard(threshold: float) -> int:
        total = 0
        for before_ms in (1_000, 1_007, 2_013):  # where the 10 ms grid falls must not decide
            events = hear(ear(threshold, 0, 200), over_tone("quiet", before_ms, 2_000, -55.0))
            total += sum(stops(events)) - sum(starts(events))
        return total

    assert heard(1.0) < heard(0.5) < heard(0.0)


def test_the_clock_may_begin_later() -> None:
    audio = over_tone("short", 1_000, 2_000)
    late = [event.audio_ms - 5_000 for event in hear(EnergyEar(start_ms=5_000), audio)]
    assert late == [event.audio_ms for event in hear(ear(), audio)]


@cache
def conversation() -> NDArray[np.int16]:
    return np.concatenate([over_tone("short", 300, 0), over_tone("quiet", 300, 1_000)])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 30_000), max_size=40))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    audio = conversation()
    vad = ear(0.5, 300, 300)
    chunked = []
    place = 0
    for cut in [*cuts, len(audio)]:
        chunked += hear(vad, audio[place : place + cut])
        place = min(place + cut, len(audio))
    chunked += hear(vad, audio[place:])
    assert chunked == hear(ear(0.5, 300, 300), audio)
    assert len(chunked) == 4


@pytest.mark.parametrize("step", [1, 7, 239, 240, 241, 480, 2_400])
def test_steady_chunks_do_not_matter(step: int) -> None:
    audio = over_tone("short", 100, 500)
    vad = ear(0.5, 300, 300)
    chunked = [e for at in range(0, len(audio), step) for e in hear(vad, audio[at : at + step])]
    assert chunked == hear(ear(0.5, 300, 300), audio)


def test_events_come_with_the_audio_that_completes_them() -> None:
    audio = over_tone("short", 100, 700)
    vad = ear(0.5, 300, 500)
    for place in range(0, len(audio), 480):
        for event in hear(vad, audio[place : place + 480]):
            if isinstance(event, Stopped):
                assert place / 24 < event.audio_ms <= (place + 480) / 24


def test_20_ms_are_cheap() -> None:
    vad, audio = ear(), room_tone(-65.0)[:480]
    best_s = min(_cost_s(vad, audio) for _ in range(20))
    assert best_s < 60e-6


def _cost_s(vad: EnergyEar, audio: NDArray[np.int16]) -> float:
    began = perf_counter()
    for _ in range(50):
        hear(vad, audio)
    return (perf_counter() - began) / 50

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.microphone import room_tone
from bench.server.vad import Edge, EnergyVad, VadEvent

Lay = Callable[..., NDArray[np.int16]]
CLIPS = ["short", "question", "long", "mid_pause", "barge_in", "noise", "quiet", "phone"]


def stops(events: Sequence[VadEvent]) -> list[int]:
    return [event.audio_ms for event in events if event.edge is Edge.STOPPED]


def starts(events: Sequence[VadEvent]) -> list[int]:
    return [event.audio_ms for event in events if event.edge is Edge.STARTED]


@pytest.mark.parametrize("before_ms", [1_000, 1_007, 2_013])
@pytest.mark.parametrize("silence_ms", [200, 500, 800])
@pytest.mark.parametrize("clip", CLIPS)
def test_speech_ends_where_the_label_says(
    clip: str, silence_ms: int, before_ms: int, catalogue: Catalogue, over_tone: Lay
) -> None:
    events = EnergyVad(0.5, 300, silence_ms).feed(over_tone(clip, before_ms, 2_000))
    end_ms = before_ms + catalogue.get(clip).speech_end_ms + silence_ms
    assert -20 <= stops(events)[-1] - end_ms <= 130
    assert [event.edge for event in events] == [Edge.STARTED, Edge.STOPPED] * (len(events) // 2)


@pytest.mark.parametrize("clip", [name for name in CLIPS if name != "noise"])
def test_speech_starts_where_the_label_says(
    clip: str, catalogue: Catalogue, over_tone: Lay
) -> None:
    events = EnergyVad(0.5, 0, 500).feed(over_tone(clip, 1_000, 2_000))
    onset_ms = 1_000 + catalogue.get(clip).speech_start_ms
    assert -30 <= starts(events)[0] - onset_ms <= 100


@pytest.mark.parametrize(("silence_ms", "turns"), [(500, 2), (800, 1)])
def test_a_pause_of_700_ms_splits_a_turn_only_at_less_silence(
    silence_ms: int, turns: int, over_tone: Lay
) -> None:
    events = EnergyVad(0.5, 300, silence_ms).feed(over_tone("mid_pause", 1_000, 2_000))
    assert len(stops(events)) == turns


@pytest.mark.parametrize("clip", [name for name in CLIPS if name != "mid_pause"])
def test_other_clips_are_one_turn(clip: str, over_tone: Lay) -> None:
    assert len(EnergyVad(0.5, 300, 500).feed(over_tone(clip, 1_000, 2_000))) == 2


@pytest.mark.parametrize("dbfs", [None, -65.0, -50.0, -42.0])
def test_steady_noise_is_no_speech(dbfs: float | None) -> None:
    assert EnergyVad().feed(room_tone(dbfs, 20_000)) == []


def test_loud_noise_is_learned() -> None:
    events = EnergyVad(0.5, 300, 500).feed(room_tone(-25.0, 8_000))
    assert len(events) == 2
    assert stops(events)[0] < 3_500


def test_a_click_is_no_speech() -> None:
    audio = room_tone(-65.0, 4_000)
    audio[48_000:48_120] = 20_000
    assert EnergyVad().feed(audio) == []


def test_rumble_is_no_speech() -> None:
    audio = room_tone(-65.0, 4_000).astype(np.float64)
    seconds = np.arange(len(audio) - 36_000) / 24_000
    swell = np.minimum(seconds / 0.2, 1.0)
    audio[36_000:] += 3_000 * swell * np.sin(2 * np.pi * 35 * seconds)
    assert EnergyVad().feed(audio.astype(np.int16)) == []


def test_padding_reaches_neither_before_the_start_nor_into_the_turn_before(
    over_tone: Lay,
) -> None:
    audio = np.concatenate([over_tone("short", 100, 600), over_tone("short", 0, 2_000)])
    events = EnergyVad(0.5, 2_000, 200).feed(audio)
    assert starts(events)[0] == 0
    assert starts(events)[1] == stops(events)[0]


def test_a_higher_threshold_wants_louder_speech(over_tone: Lay) -> None:
    def heard(threshold: float) -> int:
        total = 0
        for before_ms in (1_000, 1_007, 2_013):  # where the 10 ms grid falls must not decide
            events = EnergyVad(threshold, 0, 200).feed(over_tone("quiet", before_ms, 2_000, -55.0))
            total += sum(stops(events)) - sum(starts(events))
        return total

    assert heard(1.0) < heard(0.5) < heard(0.0)


def test_the_clock_may_begin_later(over_tone: Lay) -> None:
    audio = over_tone("short", 1_000, 2_000)
    late = [event.audio_ms - 5_000 for event in EnergyVad(start_ms=5_000).feed(audio)]
    assert late == [event.audio_ms for event in EnergyVad().feed(audio)]


@cache
def conversation() -> NDArray[np.int16]:
    catalogue = Catalogue.open(default_directory())
    pieces = []
    for clip in ("short", "quiet"):
        pcm = catalogue.get(clip).pcm
        pieces += [room_tone(-65.0, 300), pcm + room_tone(-65.0, 12_000)[: len(pcm)]]
    return np.concatenate([*pieces, room_tone(-65.0, 1_000)])


@settings(max_examples=25)
@given(st.lists(st.integers(0, 30_000), max_size=40))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    audio = conversation()
    vad = EnergyVad(0.5, 300, 300)
    chunked = []
    place = 0
    for cut in [*cuts, len(audio)]:
        chunked += vad.feed(audio[place : place + cut])
        place = min(place + cut, len(audio))
    chunked += vad.feed(audio[place:])
    assert chunked == EnergyVad(0.5, 300, 300).feed(audio)
    assert len(chunked) == 4


@pytest.mark.parametrize("step", [1, 7, 239, 240, 241, 480, 2_400])
def test_steady_chunks_do_not_matter(step: int, over_tone: Lay) -> None:
    audio = over_tone("short", 100, 500)
    vad = EnergyVad(0.5, 300, 300)
    chunked = [e for at in range(0, len(audio), step) for e in vad.feed(audio[at : at + step])]
    assert chunked == EnergyVad(0.5, 300, 300).feed(audio)


def test_events_come_with_the_audio_that_completes_them(over_tone: Lay) -> None:
    audio = over_tone("short", 100, 700)
    vad = EnergyVad(0.5, 300, 500)
    for place in range(0, len(audio), 480):
        for event in vad.feed(audio[place : place + 480]):
            if event.edge is Edge.STOPPED:
                assert place / 24 < event.audio_ms <= (place + 480) / 24


def test_20_ms_are_cheap() -> None:
    vad, audio = EnergyVad(), room_tone(-65.0)[:480]
    best_s = min(_cost_s(vad, audio) for _ in range(20))
    assert best_s < 60e-6


def _cost_s(vad: EnergyVad, audio: NDArray[np.int16]) -> float:
    began = perf_counter()
    for _ in range(50):
        vad.feed(audio)
    return (perf_counter() - began) / 50

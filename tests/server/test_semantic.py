from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Samples = NDArray[np.int16]
# "short" over 200 ms of tone: the labelled end of its speech.
VOICE_END_MS = 1_180
# Of pause_1200, the labels of the pause and of the end.
PAUSE_START_MS, SPEECH_END_MS = 1_940, 5_060


class Sentence:
    """Speech that is a whole sentence from some position of the audio clock on."""

    def __init__(self, whole_from_ms: float) -> None:
        self._whole_from_ms = whole_from_ms

    def text(self, _from_ms: float, _to_ms: float) -> str:
        return "Lights off."

    def complete(self, voice_end_ms: float) -> bool:
        return voice_end_ms >= self._whole_from_ms


def whole_from(ms: float) -> Callable[[Samples, float], Sentence]:
    return lambda _samples, _at_ms: Sentence(ms)


def semantic(eagerness: str) -> dict[str, Any]:
    return {"input": {"turn_detection": {"type": "semantic_vad", "eagerness": eagerness}}}


@pytest.mark.parametrize(
    ("eagerness", "wait_ms"), [("low", 8_000), ("medium", 4_000), ("auto", 4_000), ("high", 2_000)]
)
def test_a_broken_sentence_is_waited_for(
    call_with: Callable[..., Any],
    over_tone: Callable[..., Samples],
    eagerness: str,
    wait_ms: int,
) -> None:
    call = call_with(recognise=whole_from(1e9))
    call.update(audio=semantic(eagerness))
    call.hear(over_tone("short", 200, wait_ms + 300), 100)
    (segment,) = call.segments
    # No later than the documented most, but for the frames and the appends it is heard in.
    assert segment.audio_end_ms - VOICE_END_MS == pytest.approx(wait_ms, abs=80)
    assert segment.voice_end_ms == pytest.approx(VOICE_END_MS, abs=80)


@pytest.mark.parametrize(
    ("eagerness", "wait_ms"), [("low", 800), ("medium", 500), ("auto", 500), ("high", 300)]
)
def test_a_whole_sentence_ends_the_turn_soon(
    call_with: Callable[..., Any],
    over_tone: Callable[..., Samples],
    eagerness: str,
    wait_ms: int,
) -> None:
    call = call_with(recognise=whole_from(0))
    call.update(audio=semantic(eagerness))
    call.hear(over_tone("short", 200, wait_ms + 300))
    (segment,) = call.segments
    assert segment.audio_end_ms - VOICE_END_MS == pytest.approx(wait_ms, abs=80)


def test_the_speech_up_to_its_end_is_judged_once_per_silence(
    call_with: Callable[..., Any], over_tone: Callable[..., Samples]
) -> None:
    asked: list[tuple[float, float]] = []

    def recognise(samples: Samples, at_ms: float) -> Sentence:
        asked.append((at_ms, at_ms + len(samples) / 24))
        return Sentence(SPEECH_END_MS - 100)

    call = call_with(recognise=recognise)
    call.update(audio=semantic("medium"))
    call.hear(over_tone("pause_1200", 0, 1_500))
    (segment,) = call.segments
    *judged, committed = asked
    start_ms = segment.audio_start_ms
    assert committed == (start_ms, segment.audio_end_ms)
    assert {at_ms for at_ms, _ in judged} == {start_ms}
    ends = [end_ms for _, end_ms in judged]
    assert ends == sorted(set(ends))
    assert ends[-1] == segment.voice_end_ms
    assert any(end == pytest.approx(PAUSE_START_MS, abs=80) for end in ends)


@pytest.mark.parametrize("eagerness", ["low", "high"])
def test_a_pause_within_a_sentence_does_not_split_it(
    call_with: Callable[..., Any], over_tone: Callable[..., Samples], eagerness: str
) -> None:
    call = call_with(recognise=whole_from(SPEECH_END_MS - 100))
    call.update(audio=semantic(eagerness))
    call.hear(over_tone("pause_1200", 0, 1_500))
    assert [s.voice_end_ms for s in call.segments] == [pytest.approx(SPEECH_END_MS, abs=80)]


def test_low_eagerness_waits_even_for_what_it_does_not_know(
    call: Any, over_tone: Callable[..., Samples]
) -> None:
    call.update(audio=semantic("low"))
    call.hear(over_tone("pause_1200", 0, 2_500))
    assert [s.voice_end_ms for s in call.segments] == [pytest.approx(SPEECH_END_MS, abs=80)]


@pytest.mark.parametrize(("silence_ms", "turns"), [(500, 2), (1_500, 1)])
def test_silence_alone_splits_where_it_is_long_enough(
    call_with: Callable[..., Any],
    over_tone: Callable[..., Samples],
    silence_ms: int,
    turns: int,
) -> None:
    call = call_with(recognise=whole_from(SPEECH_END_MS - 100))
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    call.update(audio={"input": {"turn_detection": detection}})
    call.hear(over_tone("pause_1200", 0, 2_000))
    assert len(call.segments) == turns


def test_silence_alone_ends_turns_again_once_it_is_asked_to(
    call_with: Callable[..., Any], short_words: Samples
) -> None:
    call = call_with(recognise=whole_from(1e9))
    call.update(audio=semantic("low"))
    call.update(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    call.hear(short_words)
    assert len(call.segments) == 1


def test_a_turn_within_one_append_is_judged_without_the_one_before(
    call_with: Callable[..., Any], over_tone: Callable[..., Samples]
) -> None:
    asked: list[float] = []

    def recognise(_samples: Samples, at_ms: float) -> Sentence:
        asked.append(at_ms)
        return Sentence(0)

    call = call_with(recognise=recognise)
    call.update(audio=semantic("medium"))
    turn = over_tone("short", 200, 900)
    call.append(turn.astype("<i2").tobytes())
    asked.clear()
    call.append(turn.astype("<i2").tobytes())
    first, second = call.segments
    assert asked
    assert min(asked) >= first.audio_end_ms
    assert second.audio_start_ms >= first.audio_end_ms

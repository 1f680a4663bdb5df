"""G.711 in: the same speech leads to the same turn as in PCM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bench.audio.codec import PCM16, PCMA, PCMU, Codec
from bench.audio.resample import resample

Samples = NDArray[np.int16]
TYPES = {PCM16: "audio/pcm", PCMU: "audio/pcmu", PCMA: "audio/pcma"}
CODECS = pytest.mark.parametrize("codec", [PCMU, PCMA], ids=["mu-law", "A-law"])


def speak(call: Any, samples: Samples, codec: Codec, chunk_ms: int = 20) -> None:
    data = codec.encode(resample(samples, PCM16.rate_hz, codec.rate_hz))
    step = codec.bytes_for(chunk_ms)
    for start in range(0, len(data), step):
        call.wait(chunk_ms)
        call.append(data[start : start + step])


def tuned(call: Any, codec: Codec) -> Any:
    call.update(audio={"input": {"format": {"type": TYPES[codec]}}})
    return call


@CODECS
@pytest.mark.parametrize("clip", ["short", "phone", "quiet"])
def test_the_same_speech_is_the_same_turn(
    call_with: Callable[..., Any], over_tone: Callable[..., Samples], codec: Codec, clip: str
) -> None:
    samples = over_tone(clip, 200, 1_000)
    calls = [tuned(call_with(), PCM16), tuned(call_with(), codec)]
    for call, spoken in zip(calls, (PCM16, codec), strict=True):
        speak(call, samples, spoken)
        call.wait(3_000)
    wide, narrow = ([s.audio_start_ms, s.audio_end_ms] for s in (c.segments[0] for c in calls))
    assert narrow == pytest.approx(wide, abs=60)
    kinds = [[event["type"] for event in call.events] for call in calls]
    assert kinds[0] == kinds[1]


@CODECS
def test_telephone_audio_advances_the_clock_by_its_own_rate(call: Any, codec: Codec) -> None:
    tuned(call, codec)
    call.append(codec.silence * 799)
    (refused,) = call.send({"type": "input_audio_buffer.commit"})
    assert "99.88ms" in refused["error"]["message"]
    call.append(codec.silence)
    assert call.send({"type": "input_audio_buffer.commit"})[0]["type"] != "error"


@CODECS
def test_what_is_recognised_is_the_speech_at_the_full_rate(
    call_with: Callable[..., Any], short_words: Samples, codec: Codec
) -> None:
    given: list[tuple[Samples, float]] = []
    call = tuned(call_with(recognise=lambda *heard: given.append(heard)), codec)
    speak(call, short_words, codec)
    ((samples, at_ms),) = given
    (segment,) = call.segments
    assert at_ms == segment.audio_start_ms
    assert len(samples) == 24 * (segment.audio_end_ms - segment.audio_start_ms)
    start = 24 * segment.audio_start_ms
    spoken = short_words[start : start + len(samples)].astype(float)
    # A sixth of a millisecond late at most: what lies above the telephone's band is lost.
    likeness = max(
        np.corrcoef(samples[lag:], spoken[: len(spoken) - lag])[0, 1] for lag in range(4)
    )
    assert likeness > 0.9


@CODECS
def test_the_size_of_appends_changes_nothing(
    call_with: Callable[..., Any], short_words: Samples, codec: Codec
) -> None:
    ends = []
    for chunk_ms in (20, 35, 2_000):
        call = tuned(call_with(), codec)
        speak(call, short_words, codec, chunk_ms)
        ends.append((call.segments[0].audio_start_ms, call.segments[0].audio_end_ms))
    assert len(set(ends)) == 1


def test_a_format_may_change_between_turns(call: Any, short_words: Samples) -> None:
    speak(call, short_words, PCM16)
    # Half a sample of the old format belongs to nothing in the new one.
    call.append(b"\x01")
    call.wait(3_000)
    tuned(call, PCMU)
    speak(call, short_words, PCMU)
    length_ms = len(short_words) / 24
    first, second = call.segments
    assert second.audio_end_ms - first.audio_end_ms == pytest.approx(length_ms, abs=60)

"""A microphone gives every sample of what was said, in its place, and never stops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audio.codec import PCM16
from bench.audio.microphone import (
    TONE_LOOP_MS,
    Microphone,
    chunks_of_speech,
    chunks_of_tone,
    room_tone,
)
from bench.audio.utterance import Utterance

CHUNK_SIZES = range(20, 101, 10)
chunk_sizes = st.sampled_from(CHUNK_SIZES)


def utterance(pcm: np.ndarray) -> Utterance:
    return Utterance(
        "u", "", "en", "command", pcm.astype(np.int16), 0, 1, (), trusted=True, sha256_pcm=""
    )


def noise(size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-20_000, 20_000, size).astype(np.int16)


@given(size=st.integers(1, 20_000), chunk_ms=chunk_sizes)
def test_chunks_partition_the_audio_exactly(size: int, chunk_ms: int) -> None:
    tone = room_tone(None)
    pcm = noise(size)
    chunks = chunks_of_speech(utterance(pcm), tone, PCM16, chunk_ms)
    assert {len(chunk) for chunk in chunks} == {PCM16.bytes_for(chunk_ms)}
    samples = PCM16.decode(b"".join(chunks))
    assert np.array_equal(samples[:size], pcm)
    assert not samples[size:].any()
    assert len(samples) - size < chunk_ms * 24


@given(size=st.integers(1, 60_000), chunk_ms=chunk_sizes)
def test_speech_lies_over_room_tone_that_goes_on_after_it(size: int, chunk_ms: int) -> None:
    tone = room_tone(-60.0)
    pcm = noise(size)
    chunks = chunks_of_speech(utterance(pcm), tone, PCM16, chunk_ms)
    samples = PCM16.decode(b"".join(chunks)).astype(np.int64)
    samples[:size] -= pcm
    assert np.array_equal(samples, np.resize(tone, len(samples)))


def test_loud_speech_is_clipped_not_wrapped() -> None:
    tone = np.array([100, -100] * 24_000, np.int16)
    pcm = np.array([32_767, -32_768] * 240, np.int16)
    samples = PCM16.decode(b"".join(chunks_of_speech(utterance(pcm), tone, PCM16, 20)))
    assert np.array_equal(samples, pcm)


@pytest.mark.parametrize("chunk_ms", CHUNK_SIZES)
def test_a_loop_of_tone_has_whole_chunks_only(chunk_ms: int) -> None:
    tone = room_tone(-65.0)
    chunks = chunks_of_tone(tone, PCM16, chunk_ms)
    assert len(chunks) == TONE_LOOP_MS // chunk_ms
    assert {len(chunk) for chunk in chunks} == {PCM16.bytes_for(chunk_ms)}
    samples = PCM16.decode(b"".join(chunks))
    assert np.array_equal(samples, tone[: len(samples)])


@pytest.mark.parametrize("level_dbfs", [-90.0, -80.0, -65.0, -50.0, -30.0, -20.0])
def test_room_tone_has_the_level_asked_for(level_dbfs: float) -> None:
    tone = room_tone(level_dbfs).astype(np.float64)
    rms = np.sqrt(np.mean(tone * tone))
    assert 20 * np.log10(rms / 32768) == pytest.approx(level_dbfs, abs=0.5)


def test_room_tone_is_the_same_every_time_and_has_no_offset() -> None:
    assert np.array_equal(room_tone(-65.0), room_tone(-65.0))
    assert abs(np.mean(room_tone(-65.0))) < 0.5


def test_room_tone_off_is_digital_silence() -> None:
    tone = room_tone(None)
    assert tone.dtype == np.int16
    assert len(tone) == TONE_LOOP_MS * 24
    assert not tone.any()


TONE = [b"t0", b"t1", b"t2"]


def test_tone_loops_without_gap() -> None:
    microphone = Microphone(TONE, 20)
    assert [microphone.capture() for _ in range(7)] == [*TONE, *TONE, b"t0"]
    assert microphone.index == 7


def test_an_utterance_begins_with_the_next_frame() -> None:
    microphone = Microphone(TONE, 20)
    microphone.capture()
    assert microphone.lay([b"a0", b"a1"]) == 1
    assert [microphone.capture() for _ in range(4)] == [b"a0", b"a1", b"t1", b"t2"]


def test_a_second_utterance_waits_for_the_first() -> None:
    microphone = Microphone(TONE, 20)
    assert microphone.lay([b"a0", b"a1", b"a2"]) == 0
    microphone.capture()
    assert microphone.lay([b"b0"]) == 3
    assert microphone.lay([b"c0", b"c1"]) == 4
    expected = [b"a1", b"a2", b"b0", b"c0", b"c1", b"t0"]
    assert [microphone.capture() for _ in range(6)] == expected


def test_an_empty_track_takes_no_frame() -> None:
    microphone = Microphone(TONE, 20)
    assert microphone.lay([]) == 0
    assert microphone.lay([b"a0"]) == 0
    assert [microphone.capture() for _ in range(2)] == [b"a0", b"t0"]


@given(st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=60))
def test_every_track_plays_whole_at_the_index_given_and_tone_fills_the_rest(
    steps: list[int | None],
) -> None:
    """A step captures one frame, or lays a track of so many frames."""
    microphone = Microphone(TONE, 20)
    expected: dict[int, bytes] = {}
    captured: list[bytes] = []
    for number, length in enumerate(steps):
        if length is None:
            captured.append(microphone.capture())
            continue
        track = [f"{number}.{position}".encode() for position in range(length)]
        first = microphone.lay(track)
        assert first >= len(captured)
        for position, frame in enumerate(track):
            assert first + position not in expected
            expected[first + position] = frame
    while len(captured) <= max(expected, default=0):
        captured.append(microphone.capture())
    assert {i: frame for i, frame in enumerate(captured) if frame not in TONE} == expected
    tone = [frame for frame in captured if frame in TONE]
    assert tone == [TONE[i % len(TONE)] for i in range(len(tone))]
    assert microphone.index == len(captured)

"""Samples survive the wire format, and chunks of it partition them exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.audio.codec import CODECS, PCM16
from bench.audio.microphone import chunks_of_speech, chunks_of_tone, room_tone
from bench.audio.resample import resample
from bench.audio.utterance import Utterance

CHUNKS_MS = range(20, 101, 10)
each_codec = pytest.mark.parametrize("name", sorted(CODECS))
samples_up_to = st.integers(0, 6_000).flatmap(
    lambda size: st.integers(0, 2**32 - 1).map(
        lambda seed: np.random.default_rng(seed).integers(-32768, 32768, size).astype(np.int16)
    )
)


def clip_of(pcm: np.ndarray) -> Utterance:
    return Utterance(
        id="clip",
        text=None,
        language="en",
        category="question",
        pcm=pcm,
        speech_start_ms=None,
        speech_end_ms=None,
        pauses=(),
        trusted=True,
        sha256_pcm="",
    )


@given(samples=arrays(np.int16, st.integers(0, 600)))
def test_pcm16_loses_nothing(samples: np.ndarray) -> None:
    data = PCM16.encode(samples)
    decoded = PCM16.decode(data)
    assert decoded.dtype == np.int16
    assert np.array_equal(decoded, samples)
    assert len(data) == len(samples) * 2


@each_codec
@given(samples=arrays(np.int16, st.integers(0, 600)))
def test_a_second_pass_loses_no_more(name: str, samples: np.ndarray) -> None:
    codec = CODECS[name]
    data = codec.encode(samples)
    assert len(data) == len(samples) * codec.sample_bytes
    decoded = codec.decode(data)
    assert decoded.dtype == np.int16
    assert np.array_equal(codec.decode(codec.encode(decoded)), decoded)


@given(data=st.binary(max_size=999))
def test_pcm16_decodes_any_bytes_and_leaves_half_a_sample_out(data: bytes) -> None:
    decoded = PCM16.decode(data)
    assert len(decoded) == len(data) // 2
    assert PCM16.encode(decoded) == data[: len(data) // 2 * 2]


def test_pcm16_is_little_endian() -> None:
    assert PCM16.encode(np.array([1, -2], np.int16)) == b"\x01\x00\xfe\xff"


@each_codec
@given(duration_ms=st.integers(0, 100_000))
def test_durations_and_sizes_agree(name: str, duration_ms: int) -> None:
    codec = CODECS[name]
    assert codec.duration_ms(codec.bytes_for(duration_ms)) == pytest.approx(duration_ms)


@pytest.mark.parametrize(
    ("name", "size"), [("pcm16", 960), ("pcm16_16k", 640), ("pcmu", 160), ("pcma", 160)]
)
def test_bytes_of_twenty_ms(name: str, size: int) -> None:
    assert CODECS[name].bytes_for(20) == size


@each_codec
def test_codecs_are_listed_under_their_own_names(name: str) -> None:
    assert CODECS[name].name == name


@each_codec
def test_silence_is_what_zero_is_encoded_as(name: str) -> None:
    codec = CODECS[name]
    assert codec.encode(np.zeros(3, np.int16)) == codec.silence * 3


@each_codec
@settings(deadline=None)
@given(samples=samples_up_to, chunk_ms=st.sampled_from(CHUNKS_MS))
def test_chunks_partition_the_audio_and_end_in_silence(
    name: str, samples: np.ndarray, chunk_ms: int
) -> None:
    codec = CODECS[name]
    chunks = codec.chunks(samples, chunk_ms)
    per_chunk = codec.rate_hz * chunk_ms // 1000
    assert {len(chunk) for chunk in chunks} <= {codec.bytes_for(chunk_ms)}
    assert len(chunks) == -(-len(samples) // per_chunk)
    whole = codec.encode(samples)
    joined = b"".join(chunks)
    assert joined[: len(whole)] == whole
    padding = joined[len(whole) :]
    assert padding == codec.silence * (len(padding) // codec.sample_bytes)
    assert len(padding) < codec.bytes_for(chunk_ms)


@each_codec
@settings(max_examples=25, deadline=None)
@given(samples=samples_up_to, chunk_ms=st.sampled_from(CHUNKS_MS))
def test_frames_of_a_clip_partition_it(name: str, samples: np.ndarray, chunk_ms: int) -> None:
    """Over digital silence, what is sent is the clip resampled as a whole, then silence."""
    codec = CODECS[name]
    chunks = chunks_of_speech(clip_of(samples), room_tone(None), codec, chunk_ms)
    per_chunk = 24 * chunk_ms
    assert len(chunks) == -(-len(samples) // per_chunk)
    assert {len(chunk) for chunk in chunks} <= {codec.bytes_for(chunk_ms)}
    padded = np.zeros(len(chunks) * per_chunk, np.int16)
    padded[: len(samples)] = samples
    assert b"".join(chunks) == codec.encode(resample(padded, 24_000, codec.rate_hz))


@each_codec
@pytest.mark.parametrize("chunk_ms", CHUNKS_MS)
def test_a_loop_of_tone_holds_whole_chunks_only(name: str, chunk_ms: int) -> None:
    codec = CODECS[name]
    chunks = chunks_of_tone(room_tone(-65.0), codec, chunk_ms)
    assert {len(chunk) for chunk in chunks} == {codec.bytes_for(chunk_ms)}
    assert len(chunks) == 2000 // chunk_ms

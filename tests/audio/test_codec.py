"""Samples survive the wire format bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.audio.codec import CODECS, PCM16


@pytest.mark.parametrize("name", sorted(CODECS))
@given(samples=arrays(np.int16, st.integers(0, 600)))
def test_decode_undoes_encode(name: str, samples: np.ndarray) -> None:
    codec = CODECS[name]
    data = codec.encode(samples)
    decoded = codec.decode(data)
    assert decoded.dtype == np.int16
    assert np.array_equal(decoded, samples)
    assert len(data) == len(samples) * codec.sample_bytes


@given(data=st.binary(max_size=999))
def test_pcm16_decodes_any_bytes_and_leaves_half_a_sample_out(data: bytes) -> None:
    decoded = PCM16.decode(data)
    assert len(decoded) == len(data) // 2
    assert PCM16.encode(decoded) == data[: len(data) // 2 * 2]


def test_pcm16_is_little_endian() -> None:
    assert PCM16.encode(np.array([1, -2], np.int16)) == b"\x01\x00\xfe\xff"


@given(st.integers(0, 100_000))
def test_durations_and_sizes_agree(duration_ms: int) -> None:
    assert PCM16.duration_ms(PCM16.bytes_for(duration_ms)) == pytest.approx(duration_ms)


def test_twenty_ms_are_960_bytes() -> None:
    assert PCM16.bytes_for(20) == 960


@pytest.mark.parametrize("name", sorted(CODECS))
def test_codecs_are_listed_under_their_own_names(name: str) -> None:
    assert CODECS[name].name == name

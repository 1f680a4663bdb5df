"""Turns samples into the bytes of a wire format and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.audio.g711 import (
    SILENCE_A_LAW,
    SILENCE_MU_LAW,
    decode_a_law,
    decode_mu_law,
    encode_a_law,
    encode_mu_law,
)
from bench.audio.utterance import SAMPLE_RATE_HZ

Samples = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Codec:
    """One wire format of audio.

    `encode` takes int16 samples of shape (n,) at `rate_hz`; `decode` gives them back.
    `silence` is the code of one silent sample: for G.711 it is not zero.
    """

    name: str
    rate_hz: int
    sample_bytes: int
    silence: bytes
    encode: Callable[[Samples], bytes]
    decode: Callable[[bytes], Samples]

    def chunks(self, samples: Samples, chunk_ms: int) -> list[bytes]:
        """`samples`, at `rate_hz`, as encoded chunks of `chunk_ms`; the last one is padded."""
        size = self.bytes_for(chunk_ms)
        data = self.encode(samples)
        data += self.silence * (-len(data) % size // self.sample_bytes)
        return [data[start : start + size] for start in range(0, len(data), size)]

    def bytes_for(self, duration_ms: float) -> int:
        """Bytes that carry `duration_ms` of audio."""
        return round(duration_ms * self.rate_hz / 1000) * self.sample_bytes

    def duration_ms(self, size_bytes: int) -> float:
        """Duration of `size_bytes` of audio."""
        return size_bytes / self.sample_bytes * 1000 / self.rate_hz


def _encode_pcm16(samples: Samples) -> bytes:
    return samples.astype("<i2", copy=False).tobytes()


def _decode_pcm16(data: bytes) -> Samples:
    # A delta cut inside a sample is legal on the wire; half a sample cannot be heard.
    return np.frombuffer(data, dtype="<i2", count=len(data) // 2).astype(np.int16, copy=False)


PCM16 = Codec("pcm16", SAMPLE_RATE_HZ, 2, b"\x00\x00", _encode_pcm16, _decode_pcm16)
PCM16_16K = Codec("pcm16_16k", 16_000, 2, b"\x00\x00", _encode_pcm16, _decode_pcm16)
PCMU = Codec("pcmu", 8_000, 1, bytes([SILENCE_MU_LAW]), encode_mu_law, decode_mu_law)
PCMA = Codec("pcma", 8_000, 1, bytes([SILENCE_A_LAW]), encode_a_law, decode_a_law)

CODECS: dict[str, Codec] = {codec.name: codec for codec in (PCM16, PCM16_16K, PCMU, PCMA)}

"""G.711 against the tables of the Recommendation, built here from their segments, and libsndfile.

ITU-T G.711 (11/88), tables 1a (A-law) and 2a (mu-law), positive input values: per segment the
number of intervals and their size. Decision values x(n) are the sums of them; the output value
of an interval is its middle, of mu-law's first one 0. Tables reach 4096 and 8159, which stand
for the whole range of 16 bits: 8 and 4 of its steps each.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import pytest
import soundfile

from bench.audio import g711

EVERY_SAMPLE = np.arange(-32768, 32768).astype(np.int16)
EVERY_CODE = bytes(range(256))
SIGN = 0x80
"""Bit that tells a negative value from the positive one of its magnitude."""


class Law(NamedTuple):
    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes], np.ndarray]
    subtype: str
    scale: int
    intervals: list[int]
    """Sizes of the 128 intervals of positive values, from 0 upwards."""
    code_of: Callable[[int], int]
    """Character signal of interval number n (from 0) of positive values."""


MU_LAW = Law(
    g711.encode_mu_law,
    g711.decode_mu_law,
    "ULAW",
    4,
    [1]
    + 15 * [2]
    + 16 * [4]
    + 16 * [8]
    + 16 * [16]
    + 16 * [32]
    + 16 * [64]
    + 16 * [128]
    + 16 * [256],
    lambda n: 0b1111_1111 - n,  # table 2a, column 6: 11111111 for the lowest, 10000000 the highest
)
A_LAW = Law(
    g711.encode_a_law,
    g711.decode_a_law,
    "ALAW",
    8,
    32 * [2] + 16 * [4] + 16 * [8] + 16 * [16] + 16 * [32] + 16 * [64] + 16 * [128],
    # Table 1a, column 6: 10000000 for the lowest to 11111111; note 2 then inverts even bits.
    lambda n: (0b1000_0000 + n) ^ 0b0101_0101,
)
LAWS = [pytest.param(law, id=law.subtype) for law in (MU_LAW, A_LAW)]


def decisions(law: Law) -> list[int]:
    """x(1) = 0 and upwards, 129 values: the ends of the intervals."""
    return [0, *accumulate(law.intervals)]


def outputs(law: Law) -> list[int]:
    """Output value of each interval, in 16-bit steps."""
    x = decisions(law)
    middles = [(low + high) * law.scale // 2 for low, high in pairwise(x)]
    return [0, *middles[1:]] if law is MU_LAW else middles


def test_the_tables_end_where_the_recommendation_says() -> None:
    assert decisions(MU_LAW)[-1] == 8159
    assert decisions(A_LAW)[-1] == 4096
    assert len(MU_LAW.intervals) == len(A_LAW.intervals) == 128
    # Segment end points, and the first and last output values, as printed.
    assert [decisions(MU_LAW)[n] for n in range(16, 129, 16)] == [
        *(31, 95, 223, 479, 991, 2015, 4063, 8159),
    ]
    assert [decisions(A_LAW)[n] for n in (32, *range(48, 129, 16))] == [
        *(64, 128, 256, 512, 1024, 2048, 4096),
    ]
    assert [y // 4 for y in outputs(MU_LAW)[:3]] == [0, 2, 4]
    assert [y // 4 for y in outputs(MU_LAW)[-1:]] == [8031]
    assert [y // 8 for y in outputs(A_LAW)[:3]] == [1, 3, 5]
    assert [y // 8 for y in outputs(A_LAW)[-1:]] == [4032]


@pytest.mark.parametrize("law", LAWS)
def test_every_sample_gets_the_code_of_its_interval(law: Law) -> None:
    codes = law.encode(EVERY_SAMPLE)
    x = np.array(decisions(law)) * law.scale
    for sample, code in zip(EVERY_SAMPLE.tolist(), codes, strict=True):
        interval = min(int(np.searchsorted(x, abs(sample), side="right")) - 1, 127)
        expected = law.code_of(interval) ^ (SIGN if sample < 0 else 0)
        assert code == expected, sample


@pytest.mark.parametrize("law", LAWS)
def test_every_code_gives_the_output_value_of_its_interval(law: Law) -> None:
    decoded = law.decode(EVERY_CODE)
    for interval, value in enumerate(outputs(law)):
        code = law.code_of(interval)
        assert decoded[code] == value
        assert decoded[code ^ SIGN] == -value


@pytest.mark.parametrize("law", LAWS)
def test_libsndfile_writes_the_same_codes(law: Law) -> None:
    stream = io.BytesIO()
    soundfile.write(stream, EVERY_SAMPLE, 8000, format="RAW", subtype=law.subtype)
    assert law.encode(EVERY_SAMPLE) == stream.getvalue()


@pytest.mark.parametrize("law", LAWS)
def test_libsndfile_reads_the_same_samples(law: Law) -> None:
    samples, _ = soundfile.read(
        io.BytesIO(EVERY_CODE),
        dtype="int16",
        samplerate=8000,
        channels=1,
        format="RAW",
        subtype=law.subtype,
    )
    assert np.array_equal(law.decode(EVERY_CODE), samples)


@pytest.mark.parametrize("law", LAWS)
def test_a_code_survives_decoding_and_encoding(law: Law) -> None:
    again = law.encode(law.decode(EVERY_CODE))
    assert [code for code in range(256) if again[code] != code] == (
        [0x7F] if law is MU_LAW else []  # minus zero comes back as zero
    )


def test_silence_is_the_code_of_zero() -> None:
    assert g711.encode_mu_law(np.zeros(1, np.int16)) == bytes([g711.SILENCE_MU_LAW]) == b"\xff"
    assert g711.encode_a_law(np.zeros(1, np.int16)) == bytes([g711.SILENCE_A_LAW]) == b"\xd5"


@pytest.mark.parametrize("law", LAWS)
def test_nothing_in_nothing_out(law: Law) -> None:
    assert law.encode(np.zeros(0, np.int16)) == b""
    assert law.decode(b"").tolist() == []
    assert law.decode(b"\x00").dtype == np.int16

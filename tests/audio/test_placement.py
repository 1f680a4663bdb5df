from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audio.codec import CODECS, PCM16, PCMU, Codec
from bench.audio.placement import Hush, Moment, Piece, Span, place, render

ZERO_NS = 5_000_000_000_000
MS = 1_000_000


def piece(at_ms: float, *samples: int, of: str | None = "r", codec: Codec = PCM16) -> Piece:
    return Piece(ZERO_NS + round(at_ms * MS), codec.encode(np.array(samples, np.int16)), of)


def sounds(spans: list[Span]) -> list[tuple[int, list[int]]]:
    return [(span.start, span.samples.tolist()) for span in spans]


def test_a_piece_sounds_when_it_has_come() -> None:
    assert sounds(place([piece(10, 1, 2, 3)], PCM16, ZERO_NS)) == [(240, [1, 2, 3])]


def test_what_comes_sooner_waits_for_the_one_before() -> None:
    assert sounds(place([piece(10, 1, 2, 3), piece(10.01, 4, 5)], PCM16, ZERO_NS)) == [
        (240, [1, 2, 3]),
        (243, [4, 5]),
    ]


def test_responses_wait_for_each_other() -> None:
    spans = place([piece(10, 1, 2, 3, of="a"), piece(10, 4, of="b")], PCM16, ZERO_NS)
    assert sounds(spans) == [(240, [1, 2, 3]), (243, [4])]


def test_what_began_before_the_zero_has_a_negative_start() -> None:
    assert place([piece(-10, 1)], PCM16, ZERO_NS)[0].start == -240


def test_half_a_sample_belongs_to_the_next_piece_of_the_same_response() -> None:
    first, other, rest = (
        Piece(ZERO_NS, b"\x01\x00\x02", "a"),
        Piece(ZERO_NS, b"\x09\x00", "b"),
        Piece(ZERO_NS, b"\x00\x03\x00", "a"),
    )
    spans = place([first, other, rest], PCM16, ZERO_NS)
    assert sounds(spans) == [(0, [1]), (1, [9]), (2, [2, 3])]


def test_a_hush_ends_what_sounds_and_mutes_what_still_comes_of_it() -> None:
    late = piece(3, 8, 8, of="old")
    answer = piece(4, 5, of="new")
    moments = [piece(0, *[7] * 100, of="old"), Hush(ZERO_NS + 2 * MS), late, answer]
    spans = place(moments, PCM16, ZERO_NS)
    assert sounds(spans) == [(0, [7] * 48), (96, [5])]


def test_a_hush_drops_half_a_sample() -> None:
    moments = [
        Piece(ZERO_NS, b"\x01\x00\x02", "a"),
        Hush(ZERO_NS),
        Piece(ZERO_NS, b"\x05\x00", "b"),
    ]
    assert sounds(place(moments, PCM16, ZERO_NS)) == [(0, [5])]


def test_responses_without_a_name_are_never_muted() -> None:
    moments = [piece(0, 1, of=None), Hush(ZERO_NS + MS), piece(2, 2, of=None)]
    assert sounds(place(moments, PCM16, ZERO_NS)) == [(0, [1]), (48, [2])]


def test_where_nothing_sounds_there_is_silence() -> None:
    heard = render([Span(-1, np.array([9, 1], np.int16)), Span(3, np.array([2, 9], np.int16))], 4)
    assert heard.tolist() == [1, 0, 0, 2]


@pytest.mark.parametrize("codec", CODECS.values(), ids=list(CODECS))
def test_each_codec_keeps_its_own_time(codec: Codec) -> None:
    samples = np.full(codec.rate_hz // 100, 1000, np.int16)
    spans = place([Piece(ZERO_NS + 250 * MS, codec.encode(samples), "r")], codec, ZERO_NS)
    assert (spans[0].start, spans[0].end) == (codec.rate_hz // 4, codec.rate_hz * 26 // 100)


@st.composite
def arrivals(draw: st.DrawFn) -> list[Piece]:
    """Pieces of one response, cut anywhere, whose samples are numbered from 1 on."""
    data = np.arange(1, draw(st.integers(1, 400)) + 1, dtype="<i2").tobytes()
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    at_ns = ZERO_NS + draw(st.integers(-20 * MS, 20 * MS))
    pieces = []
    for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
        pieces.append(Piece(at_ns, data[begin:end], "r"))
        at_ns += draw(st.integers(0, 8 * MS))
    return pieces


@given(arrivals())
def test_no_sample_is_lost_or_doubled_and_none_sounds_before_it_came(pieces: list[Piece]) -> None:
    spans = place(pieces, PCM16, ZERO_NS)
    samples = np.concatenate([span.samples for span in spans])
    assert samples.tolist() == list(range(1, len(samples) + 1))
    assert len(samples) == sum(len(piece.data) for piece in pieces) // 2
    assert all(before.end <= after.start for before, after in itertools.pairwise(spans))
    arrived, came = {}, 0
    for each in pieces:  # when the last byte of each sample came
        for number in range(came // 2, (came + len(each.data)) // 2):
            arrived[number + 1] = (each.at_ns - ZERO_NS) * 24 / MS
        came += len(each.data)
    for span in spans:
        assert all(span.start + i >= arrived[n] - 1 for i, n in enumerate(span.samples.tolist()))
        # Nobody waits without a reason: it begins as it comes, or right after the one before.
        assert abs(span.start - arrived[span.samples[0]]) <= 1 or span.start in {
            other.end for other in spans
        }


@given(arrivals(), st.integers(-30 * MS, 60 * MS))
def test_what_is_heard_is_what_would_have_been_up_to_a_hush(
    pieces: list[Piece], hush_ns: int
) -> None:
    at_ns = ZERO_NS + hush_ns
    before = [each for each in pieces if each.at_ns <= at_ns]
    after = [each for each in pieces if each.at_ns > at_ns]
    moments: list[Moment] = [*before, Hush(at_ns), *after] if before else [*after]
    stop = round(hush_ns * 24 / MS)
    size = 4800
    heard = render(place(moments, PCM16, ZERO_NS), size)
    untouched = render(place(before or after, PCM16, ZERO_NS), size)
    if before:
        untouched[max(stop, 0) :] = 0
        cut = [abs(int(a) - int(b)) for a, b in zip(heard, untouched, strict=True)]
        assert sum(difference > 0 for difference in cut) <= 1  # the sample at the very edge
    else:
        assert heard.tolist() == untouched.tolist()


@given(arrivals(), st.integers(0, 600))
def test_gaps_are_silent(pieces: list[Piece], size: int) -> None:
    spans = place(pieces, PCM16, ZERO_NS)
    heard = render(spans, size)
    sounding = np.zeros(size, bool)
    for span in spans:
        sounding[max(span.start, 0) : max(span.end, 0)] = True
    assert heard.shape == (size,)
    assert np.array_equal(heard != 0, sounding)


def test_silence_of_a_codec_is_no_sound() -> None:
    spans = place([Piece(ZERO_NS, PCMU.silence * 80, "r")], PCMU, ZERO_NS)
    assert not render(spans, 80).any()

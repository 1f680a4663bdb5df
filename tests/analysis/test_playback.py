"""How a small buffer plays what came: by hand, and for any arrivals."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.analysis.moments import Delta
from bench.analysis.playback import Playout, play_out, sounding


def came(*pieces):
    """Deltas that arrived at so many ms and last so many ms."""
    return [Delta(round(at_ms * 1e6), audio_ms, None) for at_ms, audio_ms in pieces]


def test_nothing_plays_nothing():
    assert play_out([]) == Playout(0, 0.0, 0.0)
    assert play_out([]).stalled_share is None
    assert play_out([Delta(5, None, None), Delta(6, 0.0, None)]) == Playout(0, 0.0, 0.0)


def test_a_burst_never_stalls():
    assert play_out(came((0, 40), (1, 40), (2, 400), (3, 100))) == Playout(0, 0.0, 580.0)


def test_a_short_reply_plays_though_it_never_fills_the_buffer():
    assert play_out(came((0, 40), (30, 40))) == Playout(0, 0.0, 80.0)


def test_a_gap_stalls_until_the_buffer_is_full_again():
    # Begins at 0, dry at 100; 60 ms come at 150, 60 more at 180: from then on it plays.
    heard = play_out(came((0, 100), (150, 60), (180, 60), (200, 100)))
    assert heard == Playout(1, 80.0, 320.0)
    assert heard.stalled_share == pytest.approx(0.2)


def test_the_last_audio_is_played_at_once():
    assert play_out(came((0, 100), (150, 60))) == Playout(1, 50.0, 160.0)


def test_audio_that_comes_as_the_last_sample_sounds_is_in_time():
    assert play_out(came((0, 100), (100, 50), (150, 50))).stalls == 0
    assert play_out(came((0, 100), (100.001, 50), (150.001, 50))).stalls == 1


def test_what_is_gathered_at_the_beginning_absorbs_a_later_gap():
    late = came((0, 60), (50, 60), (160, 60), (200, 60))  # begins at 50, lasts until 170
    assert play_out(late).stalls == 0
    assert play_out(late, prebuffer_ms=20).stalls == 1


@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1, max_size=30),
    st.integers(0, 500),
)
def test_whole_time_is_what_was_played_and_what_was_waited_for(pieces, prebuffer_ms):
    at_ms, arrivals = 0, []
    for pause_ms, audio_ms in pieces:
        at_ms += pause_ms
        arrivals.append((at_ms, audio_ms))
    heard = play_out(came(*arrivals), prebuffer_ms)
    assert heard.played_ms == sum(audio_ms for _, audio_ms in arrivals)
    assert (heard.stalls == 0) == (heard.stalled_ms == 0)
    assert heard.stalled_ms <= at_ms
    assert 0 <= (heard.stalled_share or 0) < 1


@given(
    st.lists(st.tuples(st.integers(-5, 400), st.integers(0, 300)), max_size=30),
    st.integers(0, 500),
)
def test_stalls_are_what_lies_between_the_spans_in_which_it_sounds(pieces, prebuffer_ms):
    at_ms, arrivals = 1_000, []
    for pause_ms, audio_ms in pieces:
        at_ms += pause_ms
        arrivals.append((at_ms, audio_ms))
    deltas = came(*arrivals)
    spans, heard = sounding(deltas, prebuffer_ms), play_out(deltas, prebuffer_ms)
    gaps = [begin - end for (_, end), (begin, _) in itertools.pairwise(spans)]
    assert len(gaps) == heard.stalls
    assert sum(gaps) == heard.stalled_ms * 1e6
    assert sum(end - begin for begin, end in spans) == heard.played_ms * 1e6


def test_without_a_buffer_audio_sounds_as_it_comes():
    spans = sounding(came((100, 50), (120, 100), (300, 40)), 0)
    assert spans == [(100_000_000, 250_000_000), (300_000_000, 340_000_000)]

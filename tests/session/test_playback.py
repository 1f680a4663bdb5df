"""What a listener has heard of audio that comes in bursts, with gaps, of one item and the next."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.session.playback import Cut, Playback

MS = 1_000_000


def test_nothing_is_heard_before_it_came() -> None:
    player = Playback(5 * MS)
    assert (player.began_ns, player.end_ns, player.heard_ms(99 * MS)) == (None, 5 * MS, 0)
    assert player.silence(99 * MS) == []


def test_a_burst_sounds_piece_after_piece() -> None:
    player = Playback(0)
    for n in range(10):
        player.take("a", (100 + n) * MS, 200)
    assert (player.began_ns, player.end_ns) == (100 * MS, 2_100 * MS)
    assert player.heard_ms(100 * MS) == 0
    assert player.heard_ms(350 * MS) == 250
    assert player.heard_ms(9_000 * MS) == 2_000


def test_a_gap_is_not_heard() -> None:
    player = Playback(0)
    player.take("a", 100 * MS, 50)
    player.take("a", 500 * MS, 100)
    assert player.heard_ms(300 * MS) == 50
    assert player.heard_ms(560 * MS) == 110
    assert player.silence(560 * MS) == [Cut("a", 110)]
    assert player.end_ns == 560 * MS
    assert player.heard_ms(9_000 * MS) == 110


def test_items_are_cut_where_each_stands() -> None:
    player = Playback(0)
    for item in ("a", "b", "c"):
        player.take(item, 0, 100)
    assert player.silence(130 * MS) == [Cut("b", 30), Cut("c", 0)]
    assert player.silence(131 * MS) == []


def test_an_item_that_was_heard_to_its_end_is_not_cut() -> None:
    player = Playback(0)
    player.take("a", 0, 100)
    assert player.silence(100 * MS) == []


def test_audio_without_an_item_is_silenced_and_not_told() -> None:
    player = Playback(0)
    player.take(None, 0, 100)
    assert player.silence(40 * MS) == []
    assert (player.end_ns, player.heard_ms(99 * MS)) == (40 * MS, 40)


def test_what_comes_after_silence_sounds_at_once() -> None:
    player = Playback(0)
    player.take("a", 0, 1_000)
    player.silence(100 * MS)
    player.take("b", 150 * MS, 50)
    assert player.end_ns == 200 * MS
    assert player.heard_ms(200 * MS) == 150


deltas = st.lists(
    st.tuples(st.integers(0, 500), st.sampled_from([None, "a", "b"]), st.integers(0, 400)),
    max_size=30,
)


@given(deltas=deltas, then_ms=st.integers(0, 3_000))
def test_heard_and_cut_are_what_a_player_that_plays_in_order_has_played(
    deltas: list[tuple[int, str | None, int]], then_ms: int
) -> None:
    player = Playback(0)
    now_ms, end_ms = 0, 0
    played: list[tuple[str | None, int, int]] = []
    for wait_ms, item, audio_ms in deltas:
        now_ms += wait_ms
        player.take(item, now_ms * MS, audio_ms)
        begin_ms = max(now_ms, end_ms)
        end_ms = begin_ms + audio_ms
        played.append((item, begin_ms, end_ms))
    stop_ms = now_ms + then_ms
    assert player.end_ns == end_ms * MS

    def heard(item: str | None) -> int:
        spans = [(a, b) for name, a, b in played if name == item]
        return sum(max(min(b, stop_ms) - a, 0) for a, b in spans)

    assert player.heard_ms(stop_ms * MS) == sum(heard(item) for item in (None, "a", "b"))
    cut = {name for name, a, b in played if b > stop_ms and b > a} - {None}
    assert dict(player.silence(stop_ms * MS)) == {item: heard(item) for item in cut}
    assert player.end_ns <= max(stop_ms, end_ms) * MS

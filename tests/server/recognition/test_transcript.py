from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.utterance import Pause, Utterance
from bench.server.recognition.transcript import CARRIER_CATEGORY, Heard, Piece, Script

CATALOGUE = Catalogue.open(default_directory())
SPOKEN = [name for name in CATALOGUE if CATALOGUE.entry(name).text is not None]


def clip(
    text: str | None,
    *,
    category: str = "statement",
    end_ms: int = 1_100,
    pauses: tuple[Pause, ...] = (),
) -> Utterance:
    """A clip whose speech lasts from 100 ms to `end_ms`."""
    pcm = np.zeros(24 * (end_ms + 100), np.int16)
    return Utterance("made", text, "en", category, pcm, 100, end_ms, pauses, True, "")


def heard(*clips: tuple[Utterance, float]) -> Heard:
    return Heard(
        tuple(Piece(one.id, at_ms, 1.0) for one, at_ms in clips),
        tuple(Script.of(one) for one, _ in clips),
    )


def introduced(*names: str) -> Heard:
    parts = [(clip("My name is", category=CARRIER_CATEGORY), 0.0)]
    parts += [(clip(name, category="name"), 1_200.0 * n) for n, name in enumerate(names, 1)]
    return heard(*parts)


@pytest.mark.parametrize("name", SPOKEN)
def test_a_whole_clip_says_exactly_its_text(name: str) -> None:
    utterance = CATALOGUE.get(name)
    said = heard((utterance, 5_000.0))

    assert said.text(5_000, 5_000 + utterance.duration_ms) == utterance.text
    assert said.text(0, 5_000 + utterance.speech_start_ms) == ""
    assert said.text(5_000 + utterance.speech_end_ms, 90_000) == ""


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("pause_300", ["I'd like to book a table for...", "four people on Saturday evening."]),
        ("mid_pause", ["I'd like to book a table for...", "four people on Saturday evening."]),
        (
            "pause_twice",
            ["Send a message to Anna...", "and say that...", "I will be ten minutes late."],
        ),
        (
            "hesitation",
            [
                "So, um...",
                "I was wondering, uh...",
                "if you could move my appointment to Friday.",
            ],
        ),
        ("digits", ["Five five five...", "zero one four two...", "nine nine eight."]),
    ],
)
def test_words_stay_on_their_side_of_a_marked_pause(name: str, parts: list[str]) -> None:
    utterance = CATALOGUE.get(name)
    said = heard((utterance, 0.0))
    for edge in ("start_ms", "end_ms"):
        cuts = [getattr(pause, edge) for pause in utterance.pauses if pause.kind == "inserted"]
        edges = [0, *cuts, utterance.duration_ms]

        spans = pairwise(edges)
        assert [said.text(start, end) for start, end in spans] == parts


def test_words_take_as_long_as_their_letters_and_none_fall_into_a_pause() -> None:
    pause = Pause(600, 1_100, "natural")
    words = Script.of(clip("aaaa bbbb cc", end_ms=1_600, pauses=(pause,))).words

    # 1,000 ms of speech for ten letters: 400 ms each for the first two, the pause within "bbbb".
    assert [(word.text, word.at_ms) for word in words] == [
        ("aaaa", 300.0),
        (" bbbb", pytest.approx(1_200.0)),
        (" cc", pytest.approx(1_500.0)),
    ]


def test_ellipses_that_do_not_match_the_pauses_are_only_letters() -> None:
    script = Script.of(clip("Well... so... yes.", pauses=(Pause(400, 700, "inserted"),)))

    assert "".join(word.text for word in script.words) == "Well... so... yes."


def test_japanese_is_cut_between_characters() -> None:
    utterance = CATALOGUE.get("lang_ja")
    said = heard((utterance, 0.0))
    middle_ms = (utterance.speech_start_ms + utterance.speech_end_ms) / 2

    first, second = said.text(0, middle_ms), said.text(middle_ms, 9_000)
    assert first
    assert second
    assert first + second == utterance.text


def test_a_clip_without_words_has_no_script() -> None:
    with pytest.raises(ValueError, match="made"):
        Script.of(clip(None))


def test_pieces_make_one_sentence() -> None:
    said = introduced("Anna", "Maria", "Brown")

    assert said.text(0, 9_000) == "My name is Anna Maria Brown."
    assert said.text(0, 2_400) == "My name is Anna"
    assert said.text(2_400, 9_000) == "Maria Brown."


def test_pieces_that_are_sentences_keep_their_marks() -> None:
    assert heard((clip("Stop."), 0.0), (clip("Right."), 1_200.0)).text(0, 9_000) == "Stop. Right."


def test_one_piece_alone_gets_no_full_stop() -> None:
    assert heard((clip("Anna", category="name"), 0.0)).text(0, 9_000) == "Anna"


def test_speech_is_complete_from_150_ms_before_its_labelled_end() -> None:
    said = heard((clip("Stop."), 2_000.0))

    assert not said.complete(2_949)
    assert said.complete(2_950)
    assert said.complete(9_000)


def test_speech_that_halts_at_a_pause_is_not_complete() -> None:
    utterance = CATALOGUE.get("pause_twice")
    said = heard((utterance, 0.0))

    assert [said.complete(pause.start_ms) for pause in utterance.pauses] == [False, False]
    assert said.complete(utterance.speech_end_ms)


def test_a_carrier_is_complete_when_something_followed() -> None:
    assert not introduced().complete(9_000)
    assert introduced("Anna").complete(9_000)
    assert not introduced("Anna").complete(1_200)


def test_a_text_without_a_final_mark_may_be_complete() -> None:
    assert heard((clip("Lights off"), 0.0)).complete(1_100)
    assert heard((clip("Here we are.", category=CARRIER_CATEGORY), 0.0)).complete(1_100)


@given(
    name=st.sampled_from(SPOKEN),
    cuts=st.lists(st.floats(-1_000, 32_000, allow_nan=False), max_size=8).map(sorted),
)
def test_adjacent_spans_say_every_word_once_and_in_order(name: str, cuts: list[float]) -> None:
    said = heard((CATALOGUE.get(name), 0.0))
    edges = [-2_000.0, *cuts, 60_000.0]

    parts = [said.text(a, b) for a, b in pairwise(edges)]
    assert squeezed("".join(parts)) == squeezed(CATALOGUE.get(name).text or "")


@given(
    names=st.lists(st.sampled_from(["Anna", "Maria", "Brown"]), max_size=3),
    start_ms=st.floats(-500, 6_000),
    wider_ms=st.floats(0, 3_000),
    length_ms=st.floats(0, 3_000),
)
def test_a_wider_span_says_no_less(
    names: list[str], start_ms: float, wider_ms: float, length_ms: float
) -> None:
    said = introduced(*names)
    narrow = said.text(start_ms, start_ms + length_ms)

    assert squeezed(narrow) in squeezed(said.text(start_ms - wider_ms, start_ms + length_ms))
    assert squeezed(narrow) in squeezed(said.text(start_ms, start_ms + length_ms + wider_ms))


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)

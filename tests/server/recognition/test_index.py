from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from bench.audio.catalogue import Catalogue, default_directory
from bench.audio.codec import CODECS
from bench.audio.microphone import room_tone
from bench.audio.pieces import PIECES_FOLDER, Pieces, caller_pieces, introduction
from bench.audio.resample import resample
from bench.audio.utterance import SAMPLE_RATE_HZ, Utterance
from bench.server.recognition.index import Recogniser
from bench.server.recognition.transcript import Heard

Samples = NDArray[np.int16]

CATALOGUE = Catalogue.open(default_directory())
PIECES = Pieces.open(default_directory() / PIECES_FOLDER)
CLIPS = [*(CATALOGUE.get(name) for name in CATALOGUE), *caller_pieces(PIECES)]
BY_ID = {clip.id: clip for clip in CLIPS}
SPOKEN = [clip.id for clip in CLIPS if clip.text]
RECOGNISER = Recogniser.of(CLIPS)

BEFORE = (0, 24 * 55 + 7, 24 * 303 + 13)
"""Samples of room tone before a clip: three places beside the grid of patches."""


def line(
    pcm: Samples, before: int = 7_001, *, codec: str = "pcm16", gain_db: float = 0.0
) -> Samples:
    """What arrives of `pcm` over room tone, 400 ms of it behind."""
    mixed = np.resize(room_tone(-65.0), before + len(pcm) + 9_600).astype(np.float64)
    mixed[before : before + len(pcm)] += pcm * 10 ** (gain_db / 20)
    sent = np.clip(np.round(mixed), -32768, 32767).astype(np.int16)
    if codec == "pcm16":
        return sent
    wire = CODECS[codec]
    narrow = resample(sent, SAMPLE_RATE_HZ, wire.rate_hz)
    return resample(wire.decode(wire.encode(narrow)), wire.rate_hz, SAMPLE_RATE_HZ)


def cut(name: str, start_ms: int, end_ms: int) -> Samples:
    return BY_ID[name].pcm[24 * start_ms : 24 * end_ms]


def words(heard: Heard | None) -> str | None:
    return None if heard is None else heard.text(-60_000, 60_000)


def without(clip: Utterance) -> Recogniser:
    """One that never heard these words, whoever says them."""
    return Recogniser.of(other for other in CLIPS if other.text != clip.text)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", SPOKEN)
def test_every_clip_is_known_through_every_codec_at_its_place(name: str, codec: str) -> None:
    for before, gain_db in zip(BEFORE, (-12.0, 0.0, 6.0), strict=True):
        heard = RECOGNISER.recognise(line(BY_ID[name].pcm, before, codec=codec, gain_db=gain_db))

        assert words(heard) == BY_ID[name].text
        assert heard is not None
        assert len(heard.pieces) == 1
        piece = heard.pieces[0]
        shift_ms = BY_ID[name].speech_start_ms - BY_ID[piece.clip_id].speech_start_ms
        assert piece.at_ms == pytest.approx(before / 24 + shift_ms, abs=1)


@pytest.mark.parametrize("name", SPOKEN)
def test_a_perfect_copy_is_known_by_its_own_name(name: str) -> None:
    heard = RECOGNISER.recognise(BY_ID[name].pcm)

    assert heard is not None
    same = {"question", "noise_pink_20", "noise_babble_20", "phone", "clipped", "quiet"}
    assert heard.pieces[0].clip_id in (same if name in same else {name})
    assert heard.pieces[0].score > 0.97


def test_places_are_on_the_audio_clock() -> None:
    heard = RECOGNISER.recognise(line(BY_ID["short"].pcm, 2_400), 60_000.0)

    assert heard is not None
    assert heard.pieces[0].at_ms == pytest.approx(60_100, abs=0.1)
    assert heard.text(60_000, 62_000) == "Lights off."
    assert heard.text(0, 60_000) == ""


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("number", range(3, 512, 51))
def test_names_put_together_of_pieces_are_all_heard(number: int, codec: str) -> None:
    caller = introduction(PIECES, number)
    heard = RECOGNISER.recognise(line(caller.pcm, codec=codec, gain_db=-6.0))

    assert words(heard) == caller.text
    assert heard is not None
    assert heard.complete(7_001 / 24 + caller.speech_end_ms)
    assert not heard.complete(7_001 / 24 + caller.speech_end_ms - 300)


def test_short_words_in_a_row_are_all_heard_in_their_places() -> None:
    names = ["backchannel_mmhm", "barge_in_word", "backchannel_uhhuh", "backchannel_right"]
    parts, starts_ms, at_ms = [], [], 100.0
    for name in names:
        clip = BY_ID[name]
        word = cut(name, clip.speech_start_ms - 10, clip.speech_end_ms + 10)
        starts_ms.append(at_ms - clip.speech_start_ms + 10)
        parts += [word, np.zeros(24 * 80, np.int16)]
        at_ms += len(word) / 24 + 80
    heard = RECOGNISER.recognise(line(np.concatenate(parts), 2_400, codec="pcmu"))

    assert heard is not None
    assert [piece.clip_id for piece in heard.pieces] == names
    assert [piece.at_ms for piece in heard.pieces] == pytest.approx(starts_ms, abs=1)
    assert words(heard) == "Mm-hmm. Stop. Uh-huh. Right."


@pytest.mark.parametrize("codec", ["pcm16", "pcmu"])
@pytest.mark.parametrize("name", [clip.id for clip in CLIPS if clip.text and clip.pauses])
def test_parts_between_pauses_are_known_in_their_places(name: str, codec: str) -> None:
    clip = BY_ID[name]
    whole = line(clip.pcm, 240, codec=codec)
    middles = [(pause.start_ms + pause.end_ms) // 2 for pause in clip.pauses]
    for start_ms, end_ms in pairwise([0, *middles, len(whole) // 24]):
        heard = RECOGNISER.recognise(whole[24 * start_ms : 24 * end_ms], start_ms)

        assert heard is not None
        assert len(heard.pieces) == 1
        piece = heard.pieces[0]
        other = BY_ID[piece.clip_id]
        assert other.text == clip.text
        # One recording with three lengths of pause: what follows the pause is in all of them.
        later_ms = (other.pauses[0].end_ms - clip.pauses[0].end_ms) * (start_ms > 0)
        assert piece.at_ms == pytest.approx(10 - later_ms, abs=1)
        said = heard.text(start_ms, end_ms)
        assert said
        assert said in clip.text


def test_a_lone_beginning_is_not_complete_and_a_whole_clip_is() -> None:
    pause = BY_ID["mid_pause"].pauses[0]
    begun = RECOGNISER.recognise(line(cut("mid_pause", 100, pause.start_ms + 200), 0))

    assert begun is not None
    assert begun.text(0, pause.start_ms + 100) == "I'd like to book a table for..."
    assert not begun.complete(pause.start_ms - 100)


@pytest.mark.parametrize("snr_db", [10, 5])
def test_speech_is_known_in_noise(snr_db: int) -> None:
    clip = BY_ID["question_male_fast"]
    speech = clip.pcm.astype(np.float64)
    noise = np.random.default_rng(1).standard_normal(len(speech))
    loud = speech + noise * speech.std() * 10 ** (-snr_db / 20)

    assert words(RECOGNISER.recognise(line(loud.astype(np.int16)))) == clip.text


def test_a_wave_upside_down_is_known() -> None:
    assert words(RECOGNISER.recognise(-BY_ID["short"].pcm)) == "Lights off."


@pytest.mark.parametrize("name", [clip.id for clip in CLIPS if not clip.text])
def test_sounds_and_beds_say_nothing(name: str) -> None:
    assert RECOGNISER.recognise(line(BY_ID[name].pcm)) is None


@pytest.mark.parametrize("name", SPOKEN)
def test_unknown_speech_is_never_taken_for_known(name: str) -> None:
    clip = BY_ID[name]

    assert without(clip).recognise(line(clip.pcm)) is None
    assert RECOGNISER.recognise(line(clip.pcm[::-1])) is None
    for speed in (0.94, 1.06):
        other = soxr.resample(clip.pcm.astype(np.float64), SAMPLE_RATE_HZ * speed, SAMPLE_RATE_HZ)
        assert RECOGNISER.recognise(line(np.clip(other, -32768, 32767).astype(np.int16))) is None


@pytest.mark.parametrize("level", [0, 30, 3_000, 30_000])
def test_silence_noise_and_tones_say_nothing(level: int) -> None:
    time_s = np.arange(3 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    white = np.random.default_rng(level).uniform(-level, level, len(time_s))
    hum = sum(np.sin(2 * np.pi * 50 * n * time_s) / n for n in range(1, 30)) * level / 2
    for sound in (white, np.cumsum(white) / 30, hum, level * np.sin(2 * np.pi * 440 * time_s)):
        heard = RECOGNISER.recognise(np.clip(sound, -32768, 32767).astype(np.int16))
        assert heard is None


def test_too_little_of_a_word_says_nothing() -> None:
    assert RECOGNISER.recognise(cut("question", 400, 500)) is None


@pytest.mark.parametrize("index_of", [list, lambda: [BY_ID["sound_knock"]]])
def test_an_index_without_words_knows_nothing(index_of: Callable[[], list[Utterance]]) -> None:
    assert Recogniser.of(index_of()).recognise(BY_ID["short"].pcm) is None


@settings(deadline=None, max_examples=60)
@given(samples=arrays(np.int16, st.integers(0, 9_000)), start_ms=st.floats(0, 1e7))
def test_any_samples_are_unknown_and_harmless(samples: Samples, start_ms: float) -> None:
    assert RECOGNISER.recognise(samples, start_ms) is None

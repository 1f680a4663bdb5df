from __future__ import annotations

import dataclasses
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.audio.audible import leading_silence_ms
from bench.audio.catalogue import Catalogue
from bench.audio.codec import CODECS, PCM16, PCMU
from bench.audio.pieces import PIECES_FOLDER, Pieces
from bench.problem import Problem
from bench.server.profiles.profile import Profile
from bench.server.profiles.tuning import tune
from bench.server.voices import Reply, Voices

TRAIN = "The last train to Boston leaves tonight at ten forty."


@pytest.fixture(scope="module")
def voices(catalogue: Catalogue) -> Voices:
    return Voices.prepare(catalogue, Profile())


def samples(reply: Reply, codec: str = "pcm16") -> np.ndarray:
    return CODECS[codec].decode(b"".join(b64decode(delta) for delta in reply.audio))


@pytest.mark.parametrize("lead_ms", [0, 40, 250])
@pytest.mark.parametrize("delta_ms", [20, 100])
def test_a_recorded_reply_is_its_speech_after_the_silence_asked_for(
    lead_ms: int, delta_ms: int, catalogue: Catalogue
) -> None:
    clip = catalogue.get("reply_train")
    profile = tune(Profile(), leading_silence_ms=lead_ms, delta_ms=delta_ms)
    reply = Voices([clip], None, profile).say(TRAIN, PCM16, 1.0)
    pcm = samples(reply)
    assert not pcm[: 24 * lead_ms].any()
    speech = slice(24 * clip.speech_start_ms, 24 * clip.speech_end_ms)
    assert np.array_equal(pcm[24 * lead_ms :], clip.pcm[speech])
    assert reply.duration_ms == lead_ms + clip.speech_end_ms - clip.speech_start_ms
    assert leading_silence_ms(pcm, 24_000) == pytest.approx(lead_ms, abs=60)


def test_deltas_are_of_one_length_but_the_last(voices: Voices) -> None:
    reply = voices.say("Okay, the lights are off.", PCM16, 1.0)
    sizes = [len(b64decode(delta)) for delta in reply.audio]
    assert set(sizes[:-1]) == {4_800}
    assert 0 < sizes[-1] <= 4_800
    assert reply.sent_ms(2) == 200
    assert reply.sent_ms(len(sizes)) == reply.duration_ms


@pytest.mark.parametrize(
    "text", [TRAIN, "Your name is Anna Maria Brown.", "It is -21.5, ok? \u00fc"]
)
def test_words_join_to_the_text_and_follow_the_speech(text: str, voices: Voices) -> None:
    reply = voices.say(text, PCM16, 1.0)
    assert "".join(reply.words) == reply.text == text
    spoken = [index for index, words in enumerate(reply.words) if words]
    assert spoken[0] == 0
    assert spoken[-1] > len(reply.words) * 0.5


def test_what_nobody_recorded_is_put_together_of_pieces(
    voices: Voices, catalogue: Catalogue
) -> None:
    pieces = Pieces.open(catalogue.directory / PIECES_FOLDER)
    said = samples(voices.say("Your name is Anna", PCM16, 1.0))[24 * 40 :]
    assert np.array_equal(said, pieces.speak("assistant", ["Your name is", "Anna"]).pcm)


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_telephone_formats_carry_the_same_speech(codec: str, voices: Voices) -> None:
    wide, narrow = voices.say(TRAIN, PCM16, 1.0), voices.say(TRAIN, CODECS[codec], 1.0)
    assert len(narrow.audio) == len(wide.audio)
    assert narrow.words == wide.words
    assert len(b64decode(narrow.audio[0])) == 800
    one, other = samples(wide)[::3].astype(float), samples(narrow, codec).astype(float)
    size = min(len(one), len(other))
    assert np.corrcoef(one[:size], other[:size])[0, 1] > 0.9


@pytest.mark.parametrize("speed", [0.25, 1.5])
def test_speed_shortens_the_speech(speed: float, voices: Voices) -> None:
    usual, fast = voices.say(TRAIN, PCM16, 1.0), voices.say(TRAIN, PCM16, speed)
    assert fast.duration_ms - 40 == pytest.approx((usual.duration_ms - 40) / speed, abs=2)
    assert "".join(fast.words) == TRAIN


def test_a_reply_is_encoded_once(voices: Voices) -> None:
    assert voices.say(TRAIN, PCMU, 1.0) is voices.say(TRAIN, PCMU, 1.0)


def test_a_catalogue_without_replies_is_a_problem(clip_folder: Callable[..., Path]) -> None:
    with pytest.raises(Problem, match="nothing to say"):
        Voices.prepare(Catalogue.open(clip_folder()), Profile())


@pytest.mark.parametrize("missing", ["text", "speech_start_ms", "speech_end_ms"])
def test_a_reply_without_text_or_speech_is_a_problem(missing: str, catalogue: Catalogue) -> None:
    clip = dataclasses.replace(catalogue.get("reply_train"), **{missing: None})
    with pytest.raises(Problem, match="clip 'reply_train': a reply needs a text and labelled"):
        Voices([clip], None, Profile())

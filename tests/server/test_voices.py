from __future__ import annotations

import dataclasses
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.audio.audible import leading_silence_ms
from bench.audio.catalogue import Catalogue
from bench.problem import Problem
from bench.server.profile import Profile
from bench.server.voices import Reply, Voices, encode_reply


def samples(reply: Reply) -> np.ndarray:
    return np.frombuffer(b"".join(b64decode(delta) for delta in reply.audio), "<i2")


@pytest.mark.parametrize("lead_ms", [0, 40, 250])
@pytest.mark.parametrize("delta_ms", [20, 100])
def test_a_reply_is_its_speech_after_the_silence_asked_for(
    lead_ms: int, delta_ms: int, catalogue: Catalogue
) -> None:
    clip = catalogue.get("reply_train")
    reply = encode_reply(clip, Profile(leading_silence_ms=lead_ms, delta_ms=delta_ms))
    pcm = samples(reply)
    assert not pcm[: 24 * lead_ms].any()
    speech = slice(24 * clip.speech_start_ms, 24 * clip.speech_end_ms)
    assert np.array_equal(pcm[24 * lead_ms :], clip.pcm[speech])
    assert reply.duration_ms == lead_ms + clip.speech_end_ms - clip.speech_start_ms
    assert leading_silence_ms(pcm, 24_000) == pytest.approx(lead_ms, abs=60)


def test_deltas_are_of_one_length_but_the_last(catalogue: Catalogue) -> None:
    reply = encode_reply(catalogue.get("reply_lights"), Profile())
    sizes = [len(b64decode(delta)) for delta in reply.audio]
    assert set(sizes[:-1]) == {4_800}
    assert 0 < sizes[-1] <= 4_800
    assert reply.sent_ms(2) == 200
    assert reply.sent_ms(len(sizes)) == reply.duration_ms


def test_words_join_to_the_text_and_follow_the_speech(catalogue: Catalogue) -> None:
    reply = encode_reply(catalogue.get("reply_train"), Profile())
    assert "".join(reply.words) == reply.text
    spoken = [index for index, words in enumerate(reply.words) if words]
    assert spoken[0] == 0
    assert len(spoken) > 5
    assert spoken[-1] > len(reply.words) * 0.7


def test_the_choice_reaches_every_reply(catalogue: Catalogue) -> None:
    voices = Voices.prepare(catalogue, Profile())
    chosen = {voices.choose(choice).id for choice in np.arange(0, 1, 0.01)}
    assert chosen == {"reply_train", "reply_lights", "reply_table", "reply_neutral"}
    assert voices.choose(0.0) is voices.choose(0.001)


def test_a_catalogue_without_replies_is_a_problem(clip_folder: Callable[..., Path]) -> None:
    with pytest.raises(Problem, match="nothing to say"):
        Voices.prepare(Catalogue.open(clip_folder()), Profile())


@pytest.mark.parametrize("missing", ["text", "speech_start_ms", "speech_end_ms"])
def test_a_reply_without_text_or_speech_is_a_problem(missing: str, catalogue: Catalogue) -> None:
    clip = dataclasses.replace(catalogue.get("reply_train"), **{missing: None})
    with pytest.raises(Problem, match="clip 'reply_train': a reply needs a text and labelled"):
        encode_reply(clip, Profile())

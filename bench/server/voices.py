"""Turns words into Base64 deltas of speech, from recorded replies or pieces, in any format."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from bench.audio.catalogue import Catalogue
from bench.audio.codec import Codec
from bench.audio.pieces import ASSISTANT, Pieces
from bench.audio.resample import resample
from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Utterance
from bench.problem import Problem
from bench.server.profiles.profile import Profile

REPLY_CATEGORY = "reply"

# 256 replies of three seconds are some 50 MB; 500 callers' names would not all fit, nor need to.
_KEPT_REPLIES = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """A spoken answer cut into deltas.

    `audio[k]` is the Base64 text of delta k, `words[k]` what is said in it ("" for none); the
    words joined are `text`. `delta_ms` is the length of all but the last, `duration_ms` of all.
    """

    text: str
    audio: tuple[str, ...]
    words: tuple[str, ...]
    delta_ms: int
    duration_ms: float

    def sent_ms(self, deltas: int) -> float:
        """Audio in the first `deltas` deltas."""
        return min(deltas * self.delta_ms, self.duration_ms)


Word = tuple[str, float]
"""A stretch of a text, and where in the speech it begins, in ms."""


class Voices:
    """What one process can say: `recorded` replies by id, and `pieces` for all else."""

    def __init__(
        self, recorded: Sequence[Utterance], pieces: Pieces | None, profile: Profile
    ) -> None:
        """Take over the clips.

        Raises:
            Problem: there is none, one has no text or no speech, or a piece cannot be read.
        """
        for clip in recorded:
            _check(clip)
        if pieces is not None:
            pieces.check(ASSISTANT)
        self.recorded: Mapping[str, str] = {clip.id: clip.text or "" for clip in recorded}
        self._clips = {clip.text: clip for clip in recorded}
        self._pieces = pieces
        self._profile = profile
        self.say = lru_cache(maxsize=_KEPT_REPLIES)(self._say)
        """`say(text, codec, speed)`: the reply that says `text`; the last ones are kept."""

    @classmethod
    def prepare(cls, catalogue: Catalogue, profile: Profile) -> Voices:
        """Every clip of category "reply", and the folder's pieces if it has any.

        Raises:
            Problem: the catalogue has no such clip, or one cannot be read.
        """
        clips = [
            catalogue.get(name)
            for name in catalogue
            if catalogue.entry(name).category == REPLY_CATEGORY
        ]
        if not clips:
            raise Problem(
                f"{catalogue.directory}: no clip of category {REPLY_CATEGORY!r}, "
                "so the server has nothing to say"
            )
        return cls(clips, catalogue.pieces, profile)

    def _say(self, text: str, codec: Codec, speed: float) -> Reply:
        speech, words = self._speech(text)
        if speed != 1.0:
            # As a tape would: the pitch rises with it.
            speech = resample(speech, round(SAMPLE_RATE_HZ * speed), SAMPLE_RATE_HZ)
            words = [(word, at_ms / speed) for word, at_ms in words]
        lead_ms = self._profile.delivery.leading_silence_ms
        pcm = np.concatenate((np.zeros(lead_ms * SAMPLES_PER_MS, np.int16), speech))
        chunk_ms = self._profile.delivery.delta_ms
        duration_ms = len(pcm) / SAMPLES_PER_MS
        data = codec.encode(resample(pcm, SAMPLE_RATE_HZ, codec.rate_hz))
        step = codec.bytes_for(chunk_ms)
        audio = tuple(
            b64encode(data[start : start + step]).decode("ascii")
            for start in range(0, len(data), step)
        )
        spread = [""] * len(audio)
        for word, at_ms in words:
            spread[min(int((lead_ms + at_ms) / chunk_ms), len(audio) - 1)] += word
        return Reply(text, audio, tuple(spread), chunk_ms, duration_ms)

    def _speech(self, text: str) -> tuple[NDArray[np.int16], list[Word]]:
        clip = self._clips.get(text)
        if clip is not None:
            start_ms, end_ms = clip.speech_start_ms or 0, clip.speech_end_ms or 0
            pcm = clip.pcm[start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]
            return pcm, _evenly(text, end_ms - start_ms)
        if self._pieces is None:
            # Another folder's voices: they have recorded what they have recorded.
            return self._speech(next(iter(self.recorded.values())))
        tokens = self._pieces.wording(ASSISTANT).tokens_of(text)
        spoken = self._pieces.speak(ASSISTANT, [piece for token in tokens for piece in token.said])
        starts = iter(spoken.spans)
        words: list[Word] = []
        at_ms = 0.0
        for token in tokens:
            spans = [next(starts) for _ in token.said]
            at_ms = spans[0].start_ms if spans else at_ms
            words.append((token.original, at_ms))
        return spoken.pcm, words


def _check(clip: Utterance) -> None:
    if clip.text is None or clip.speech_start_ms is None or clip.speech_end_ms is None:
        raise Problem(
            f"clip {clip.id!r}: a reply needs a text and labelled speech; "
            f"give it both, or a category other than {REPLY_CATEGORY!r}"
        )


def _evenly(text: str, duration_ms: float) -> list[Word]:
    """Words by where each begins, as if all letters took equally long."""
    words: list[Word] = []
    position = 0
    for word in text.split():
        begin = text.index(word, position)
        end = begin + len(word)
        words.append((text[position:end], begin / len(text) * duration_ms))
        position = end
    return words

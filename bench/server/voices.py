"""Turns the catalogue's replies into Base64 deltas, encoded once and shared by all sessions."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.audio.catalogue import Catalogue
from bench.audio.codec import PCM16
from bench.audio.utterance import SAMPLES_PER_MS, Utterance
from bench.problem import Problem
from bench.server.profile import Profile

REPLY_CATEGORY = "reply"


@dataclass(frozen=True, slots=True)
class Reply:
    """A spoken answer cut into deltas.

    `audio[k]` is the Base64 text of delta k, `words[k]` what is said in it ("" for none); the
    words joined are `text`. `delta_ms` is the length of all but the last, `duration_ms` of all.
    """

    id: str
    text: str
    audio: tuple[str, ...]
    words: tuple[str, ...]
    delta_ms: int
    duration_ms: float

    def sent_ms(self, deltas: int) -> float:
        """Audio in the first `deltas` deltas."""
        return min(deltas * self.delta_ms, self.duration_ms)


class Voices:
    """The replies of one process. Nothing is recognised: the turn's draw picks the answer."""

    def __init__(self, replies: Sequence[Reply]) -> None:
        self._replies = tuple(replies)

    @classmethod
    def prepare(cls, catalogue: Catalogue, profile: Profile) -> Voices:
        """Encode every clip of category "reply".

        Raises:
            Problem: the catalogue has no such clip, or one cannot be read.
        """
        clips = [catalogue.get(name) for name in catalogue]
        replies = [clip for clip in clips if clip.category == REPLY_CATEGORY]
        if not replies:
            raise Problem(
                f"{catalogue.directory}: no clip of category {REPLY_CATEGORY!r}, "
                "so the server has nothing to say"
            )
        return cls([encode_reply(clip, profile) for clip in replies])

    def choose(self, choice: float) -> Reply:
        """The reply that a draw 0 <= `choice` < 1 stands for."""
        return self._replies[int(choice * len(self._replies))]


def encode_reply(clip: Utterance, profile: Profile) -> Reply:
    """`clip` trimmed to its labelled speech, after the profile's leading silence, in deltas.

    Raises:
        Problem: the clip has no text, or no speech.
    """
    if clip.text is None or clip.speech_start_ms is None or clip.speech_end_ms is None:
        raise Problem(
            f"clip {clip.id!r}: a reply needs a text and labelled speech; "
            f"give it both, or a category other than {REPLY_CATEGORY!r}"
        )
    lead = np.zeros(profile.leading_silence_ms * SAMPLES_PER_MS, np.int16)
    speech = clip.pcm[clip.speech_start_ms * SAMPLES_PER_MS : clip.speech_end_ms * SAMPLES_PER_MS]
    pcm = np.concatenate((lead, speech))
    step = profile.delta_ms * SAMPLES_PER_MS
    audio = tuple(
        b64encode(PCM16.encode(pcm[start : start + step])).decode("ascii")
        for start in range(0, len(pcm), step)
    )
    duration_ms = len(pcm) / SAMPLES_PER_MS
    words = _spread(
        clip.text, len(audio), profile.leading_silence_ms, duration_ms, profile.delta_ms
    )
    return Reply(clip.id, clip.text, audio, words, profile.delta_ms, duration_ms)


def _spread(
    text: str, count: int, lead_ms: float, duration_ms: float, delta_ms: int
) -> tuple[str, ...]:
    """Words by the delta in which each begins, as if all letters took equally long."""
    spread = [""] * count
    position = 0
    for word in text.split():
        begin = text.index(word, position)
        at_ms = lead_ms + begin / len(text) * (duration_ms - lead_ms)
        position_end = begin + len(word)
        spread[min(int(at_ms / delta_ms), count - 1)] += text[position:position_end]
        position = position_end
    return tuple(spread)

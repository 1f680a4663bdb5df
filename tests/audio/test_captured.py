from __future__ import annotations

from functools import cache

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench.audio.captured import Laid, captured
from bench.audio.codec import CODECS
from bench.audio.microphone import Microphone, chunks_of_speech, chunks_of_tone, room_tone
from bench.audio.utterance import Utterance

CHUNKS_MS = (20, 50)
TONE = room_tone(-40.0, 310)  # no whole number of either chunk


@cache
def clip(name: str) -> Utterance:
    size = {"a": 1_300, "b": 480, "c": 2_900}[name]
    pcm = np.random.default_rng(size).integers(-9000, 9000, size).astype(np.int16)
    return Utterance(name, None, "en", "x", pcm, 0, 10, (), trusted=True, sha256_pcm="")


@given(
    lays=st.lists(st.tuples(st.integers(0, 30), st.sampled_from("abc")), max_size=6),
    begin=st.integers(0, 60),
    length=st.integers(0, 80),
    codec=st.sampled_from(list(CODECS.values())),
    chunk_ms=st.sampled_from(CHUNKS_MS),
)
def test_it_is_what_a_microphone_captured(
    lays: list[tuple[int, str]], begin: int, length: int, codec: object, chunk_ms: int
) -> None:
    microphone = Microphone(chunks_of_tone(TONE, codec, chunk_ms), chunk_ms)
    sent, laid, spoken = [], [], 0
    for pause, name in lays:
        sent += [microphone.capture() for _ in range(pause)]
        chunks = chunks_of_speech(clip(name), TONE, codec, chunk_ms)
        laid.append(Laid(microphone.lay(chunks), len(chunks), name, spoken))
        spoken += len(chunks)
    sent += [microphone.capture() for _ in range(begin + length)]
    window = range(begin, begin + length)
    overlapping = [each for each in laid if each.first < window.stop and each.end > begin]
    for clips in (laid, overlapping or laid):
        again = captured(clips, clip, window, tone=TONE, codec=codec, chunk_ms=chunk_ms)
        assert np.array_equal(again, codec.decode(b"".join(sent[begin : begin + length])))


def test_a_closed_microphone_sends_nothing_between_clips() -> None:
    codec = CODECS["pcmu"]
    again = captured(
        [Laid(3, 1, "b", 0)],
        clip,
        range(7),
        tone=TONE,
        codec=codec,
        chunk_ms=20,
        tone_is_sent=False,
    )
    levels = np.abs(again.astype(int)).reshape(7, 160).max(axis=1)
    assert [level > 0 for level in levels] == [False, False, False, True, False, False, False]

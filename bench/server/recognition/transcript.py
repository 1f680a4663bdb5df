"""Turns recordings found on a session's audio clock into the words said in any stretch of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from bench.audio.utterance import Utterance

CARRIER_CATEGORY = "name_carrier"
"""Clips that something must follow: "My name is" is no sentence yet."""

END_TOLERANCE_MS = 150

_FINAL = ".?!\u2026\u3002\uff1f\uff01"
# A word with the marks behind it, also those that French sets apart; Japanese has no spaces,
# so each of its characters is a word by itself.
_JAPANESE = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_JAPANESE}][^\w\s]*|[^\s{_JAPANESE}]+(?:\s[?!:;»]+)*")
_MARKED_PAUSE = re.compile(r"\.\.\.(?=\s+\S)")


@dataclass(frozen=True, slots=True)
class Word:
    """A word, the space before it included; `at_ms` is its middle, from the clip's start."""

    text: str
    at_ms: float


@dataclass(frozen=True, slots=True)
class Script:
    """The words of one clip in their places, and where its speech ends."""

    words: tuple[Word, ...]
    speech_start_ms: float
    speech_end_ms: float
    category: str

    @classmethod
    def of(cls, clip: Utterance) -> Script:
        """Spread the text's letters evenly over the labelled speech, its pauses left out.

        Where the text marks as many pauses by "..." as were inserted, the words before and
        after each stay on their side of it.

        Raises:
            ValueError: the clip has no text, or no speech.
        """
        if clip.text is None or clip.speech_start_ms is None or clip.speech_end_ms is None:
            raise ValueError(f"clip {clip.id!r} has no text or no speech")
        start_ms, end_ms = clip.speech_start_ms, clip.speech_end_ms
        inserted = [p for p in clip.pauses if p.kind == "inserted"]
        marks = [mark.end() for mark in _MARKED_PAUSE.finditer(clip.text)]
        if len(marks) != len(inserted):
            inserted, marks = [], []
        cuts = [0, *marks, len(clip.text)]
        edges = [(start_ms, start_ms), *((p.start_ms, p.end_ms) for p in inserted)]
        edges.append((end_ms, end_ms))
        words: list[Word] = []
        for (begin, finish), (before, after) in zip(pairwise(cuts), pairwise(edges), strict=True):
            sounding = _sounding(clip, before[1], after[0])
            words += _spread(clip.text[begin:finish], sounding)
        return cls(tuple(words), start_ms, end_ms, clip.category)


def _sounding(clip: Utterance, start_ms: float, end_ms: float) -> list[tuple[float, float]]:
    """Stretches of speech between two positions, without the labelled pauses."""
    stretches = []
    for pause in clip.pauses:
        if start_ms < pause.start_ms and pause.end_ms < end_ms:
            stretches.append((start_ms, float(pause.start_ms)))
            start_ms = pause.end_ms
    return [*stretches, (start_ms, end_ms)]


def _spread(text: str, sounding: list[tuple[float, float]]) -> list[Word]:
    """Each word of `text` at the middle of its letters' share of the sounding stretches."""
    matches = list(_WORD.finditer(text))
    total_ms = sum(end - start for start, end in sounding)
    letters = sum(len(match.group()) for match in matches)
    words: list[Word] = []
    passed, last = 0, 0
    for match in matches:
        heard_ms = (passed + len(match.group()) / 2) / letters * total_ms
        for start, end in sounding:
            if heard_ms <= end - start:
                break
            heard_ms -= end - start
        words.append(Word(text[last : match.end()], start + heard_ms))
        passed += len(match.group())
        last = match.end()
    return words


@dataclass(frozen=True, slots=True)
class Piece:
    """A clip that was heard: `at_ms` is its first sample on the session's audio clock.

    `score` is the normalised correlation of the waveforms, 1 for a perfect copy.
    """

    clip_id: str
    at_ms: float
    score: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What a caller said: one recording, or several one after the other, in order of time."""

    pieces: tuple[Piece, ...]
    scripts: tuple[Script, ...]

    def text(self, from_ms: float, to_ms: float) -> str:
        """The words whose middle lies in [from_ms, to_ms) of the audio clock; "" for none."""
        said = [
            "".join(
                word.text for word in words if from_ms <= piece.at_ms + word.at_ms < to_ms
            ).strip()
            for piece, words in zip(self.pieces, self._sentence(), strict=True)
        ]
        return " ".join(part for part in said if part)

    def complete(self, voice_end_ms: float) -> bool:
        """Whether the last recording was over, within 150 ms, when the voice ended there."""
        last = self.scripts[-1]
        unfinished = last.category == CARRIER_CATEGORY and not _is_final(last.words)
        over_ms = self.pieces[-1].at_ms + last.speech_end_ms - END_TOLERANCE_MS
        return not unfinished and voice_end_ms >= over_ms

    def _sentence(self) -> list[tuple[Word, ...]]:
        """The words of each piece; a sentence put together of pieces ends with a full stop."""
        parts = [script.words for script in self.scripts]
        last = parts[-1]
        open_end = self.scripts[-1].category == CARRIER_CATEGORY or _is_final(last)
        if len(parts) > 1 and last and not open_end:
            end = Word(last[-1].text.rstrip(",;:") + ".", last[-1].at_ms)
            parts[-1] = (*last[:-1], end)
        return parts


def _is_final(words: tuple[Word, ...]) -> bool:
    return bool(words) and words[-1].text.rstrip("\"'»” )")[-1:] in _FINAL

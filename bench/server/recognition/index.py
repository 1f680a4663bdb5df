"""Turns the catalogue into an index by sound, and heard samples into the clips they are copies of.

Two stages. Patches of the heard waveform are compared with the patches of all clips at once,
one matrix product; patches of one clip that agree on where it starts make a candidate. Then the
waveforms decide: a candidate is laid under what was heard, to a fraction of a sample, and must
correlate with it over all of its speech that could have been heard. Another voice, another word
or the same word said again does not correlate; a copy does through any codec and noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.audio.utterance import Utterance
from bench.server.recognition.band import HOP, PATCH_HOPS, RATE_HZ, Signal, patches, telephone_band
from bench.server.recognition.transcript import Heard, Piece, Script

ACCEPTED_SCORE = 0.67
"""Correlation from which on a clip was heard.

Measured over the catalogue and the callers' names in three codecs, at three levels and three
alignments: the right clip has 0.78 or more, without `quiet` and `clipped` 0.96. Other words and
takes, speech 3 and 6 % faster or slower, sounds, beds, noise and tones have 0.56 at most;
reversed speech 0.54 but for one name of an even vowel, 0.65. Noise as loud as the speech in
this band leaves 0.71.
"""

_PER_MS = RATE_HZ // 1000
_MARGIN_MS = 20
_ANCHOR_HOPS = 24
_ALIKE = 0.65
_CANDIDATES, _CANDIDATES_PER_S = 12, 2
_SAME_START_HOPS = 2
_LOOK_SAMPLES, _LOOK_LAG = 1_500, 3 * HOP
_LOOK_SCORE = 0.3
_LEAST_ENERGY = 1.0
_LEAST_OVERLAP = 240 * _PER_MS
_SHARED = 50 * _PER_MS
_PERFECT_SCORE = 0.98

# At whole samples a copy's highest frequencies may disagree, and its best whole sample may be a
# neighbour's by a swing of the wave. The correlation is as band-limited as the signals, so its
# samples give it in between.
_LAGS = np.arange(-10, 11)
_SHIFTS = np.arange(-32, 33) / 8
_AWAY = np.clip(_SHIFTS - _LAGS[:, None], -6, 6)
_BETWEEN = np.sinc(_AWAY) * np.cos(np.pi / 12 * _AWAY) ** 2


@dataclass(frozen=True, slots=True, eq=False)
class _Clip:
    """A clip's labelled speech as a waveform; sample 0 of it is sample `first` of the clip."""

    id: str
    script: Script
    speech: Signal
    first: int


@dataclass(frozen=True, slots=True)
class _Match:
    """A clip laid under what was heard: its speech starts at sample `at` and covers a span."""

    clip: _Clip
    at: float
    begin: int
    end: int
    score: float
    explained: float


class Recogniser:
    """Knows clips by their sound; made once, used by all sessions of a process."""

    def __init__(
        self, clips: list[_Clip], anchors: Signal, owner: NDArray[np.intp], hop: NDArray[np.intp]
    ) -> None:
        self._clips = clips
        self._anchors = anchors  # shape (features, anchors)
        self._owner = owner
        self._hop = hop

    @classmethod
    def of(cls, clips: Iterable[Utterance]) -> Recogniser:
        """Index the clips that have a text and labelled speech."""
        known: list[_Clip] = []
        anchors: list[Signal] = [
            np.empty((0, len(patches(np.zeros(0, np.float32)).T)), np.float32)
        ]
        owner: list[NDArray[np.intp]] = []
        hops: list[NDArray[np.intp]] = []
        for clip in clips:
            if clip.text is None or clip.speech_start_ms is None or clip.speech_end_ms is None:
                continue
            signal = telephone_band(clip.pcm)
            first = max(clip.speech_start_ms - _MARGIN_MS, 0) * _PER_MS
            last = (clip.speech_end_ms + _MARGIN_MS) * _PER_MS
            rows = patches(signal)
            if not len(rows):
                continue
            chosen = _spaced(first // HOP, min(last // HOP - PATCH_HOPS, len(rows) - 1))
            anchors.append(rows[chosen])
            owner.append(np.full(len(chosen), len(known)))
            hops.append(chosen)
            known.append(_Clip(clip.id, Script.of(clip), signal[first:last].copy(), first))
        empty = [np.empty(0, np.intp)]
        return cls(
            known,
            np.ascontiguousarray(np.concatenate(anchors).T),
            np.concatenate(owner or empty),
            np.concatenate(hops or empty),
        )

    def recognise(self, samples: NDArray[np.int16], start_ms: float = 0.0) -> Heard | None:
        """The clips that `samples`, int16 at 24 kHz of shape (n,), hold; None for none.

        `start_ms` is the position of the first sample on the session's audio clock.
        """
        signal = telephone_band(samples)
        matches = _disjoint(self._matches(signal))
        if not matches:
            return None
        pieces = tuple(
            Piece(m.clip.id, start_ms + (m.at - m.clip.first) / _PER_MS, m.score) for m in matches
        )
        return Heard(pieces, tuple(match.clip.script for match in matches))

    def _matches(self, signal: Signal) -> list[_Match]:
        """Candidates whose waveform is in the signal, each tried but once."""
        found: list[_Match] = []
        for owner, offset, row in self._candidates(signal):
            clip = self._clips[owner]
            at = offset * HOP + clip.first
            end = at + len(clip.speech)
            explained = any(
                m.score > _PERFECT_SCORE and m.begin - _SHARED < at and end < m.end + _SHARED
                for m in found
            )
            if not explained and (match := _lay(clip, at, row * HOP, signal)) is not None:
                found.append(match)
        return found

    def _candidates(self, signal: Signal) -> list[tuple[int, int, int]]:
        """Clip, hop at which it starts and hop of its most alike patch; the likeliest first."""
        heard = patches(signal)
        alike = heard @ self._anchors
        hits = np.flatnonzero(alike > _ALIKE)
        if not len(hits):
            return []
        row, anchor = np.divmod(hits, alike.shape[1])
        owner, offset = self._owner[anchor], row - self._hop[anchor]
        # One sort puts together the hits that agree on the clip and on where it starts.
        reach = len(heard) + int(self._hop.max()) + 2
        key = owner * (2 * reach) + offset + reach
        order = np.argsort(key)
        likeness = alike.ravel()[hits][order]
        starts = np.flatnonzero(np.diff(key[order], prepend=-1))
        votes = np.add.reduceat((likeness - _ALIKE) ** 2, starts)
        ends = np.append(starts[1:], len(order))
        ranked: list[tuple[int, int, int]] = []
        limit = _CANDIDATES + _CANDIDATES_PER_S * len(signal) // RATE_HZ
        for group in np.argsort(-votes)[: 4 * limit]:
            begin = starts[group]
            hit = order[begin + int(np.argmax(likeness[begin : ends[group]]))]
            candidate = int(owner[hit]), int(offset[hit]), int(row[hit])
            if not any(
                candidate[0] == other[0] and abs(candidate[1] - other[1]) <= _SAME_START_HOPS
                for other in ranked
            ):
                ranked.append(candidate)
                if len(ranked) == limit:
                    break
        return ranked


def _spaced(first: int, last: int) -> NDArray[np.intp]:
    """Hops from first to last, both included, about `_ANCHOR_HOPS` apart."""
    count = max(1 + -(-(last - first) // _ANCHOR_HOPS), 1)
    return np.linspace(first, max(first, last), count).astype(np.intp)


def _stretch(signal: Signal, begin: int, end: int) -> Signal:
    """Samples begin..end of the signal, with silence where it has none."""
    inner = signal[max(begin, 0) : max(end, 0)]
    if len(inner) == end - begin:
        return inner
    stretch = np.zeros(end - begin, np.float32)
    start = max(-begin, 0)
    stretch[start : start + len(inner)] = inner
    return stretch


def _lay(clip: _Clip, at: int, look: int, signal: Signal) -> _Match | None:
    """The clip's speech laid at about sample `at`; None if the waveforms disagree.

    The exact place is looked for with the patch at sample `look` alone, then all is compared;
    a line that turns the wave upside down does not matter.
    """
    begin = max(min(look - at, len(clip.speech) - _LOOK_SAMPLES), 0)
    part = clip.speech[begin : begin + _LOOK_SAMPLES]
    around = _stretch(signal, at + begin - _LOOK_LAG, at + begin + len(part) + _LOOK_LAG)
    # Beside a quiet end lies a loud middle: each place counts by its own loudness.
    sums = np.cumsum(np.concatenate(([0.0], around.astype(np.float64) ** 2)))
    beneath = np.sqrt(np.maximum(sums[len(part) :] - sums[: -len(part)], _LEAST_ENERGY))
    likeness = np.abs(np.correlate(around, part, "valid")) / beneath
    lag = int(np.argmax(likeness))
    if likeness[lag] <= _LOOK_SCORE * float(np.sqrt(part @ part)):
        return None
    at += lag - _LOOK_LAG
    begin, end = max(at, 0), min(at + len(clip.speech), len(signal))
    if end - begin < min(_LEAST_OVERLAP, len(clip.speech)):
        return None
    speech = clip.speech[begin - at : end - at]
    reach = int(_LAGS[-1])
    products = np.correlate(_stretch(signal, begin - reach, end + reach), speech, "valid")
    fine = np.abs(products @ _BETWEEN)
    peak = int(np.argmax(fine))
    score = float(fine[peak]) / _lengths(signal[begin:end], speech)
    if score < ACCEPTED_SCORE:
        return None
    explained = float(fine[peak]) ** 2 / float(speech @ speech)
    return _Match(clip, at + float(_SHIFTS[peak]), begin, end, min(score, 1.0), explained)


def _lengths(one: Signal, other: Signal) -> float:
    """Product of two signals' lengths as vectors, never zero."""
    return max(float(np.sqrt((one @ one) * (other @ other))), 1e-9)


def _disjoint(matches: list[_Match]) -> list[_Match]:
    """Those that explain most of what was heard, none over another, in order of time."""
    chosen: list[_Match] = []
    for match in sorted(matches, key=lambda match: -match.explained):
        if all(match.begin > m.end - _SHARED or match.end < m.begin + _SHARED for m in chosen):
            chosen.append(match)
    return sorted(chosen, key=lambda match: match.at)

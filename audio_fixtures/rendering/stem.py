"""Turns speech into a labelled stem: trimmed, at one level, with exact pauses, on the grid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench.audio.annotate import Labels, Span, find_edges
from bench.audio.manifest import PauseEntry
from bench.fixtures.annotator import annotate
from bench.fixtures.detectors import speech_regions
from bench.fixtures.verification import GRID_MS
from rendering.script import LEVEL_DBFS, REVIEWED_BY, REVIEWS, Review, Spoken
from rendering.voices import Speech

PER_MS = 24
BEFORE_MS, AFTER_MS = 40, 100
"""What is kept of the render around its speech, so that soft edges are not cut."""

AUDIBLE_DBFS, WINDOW_MS = -55.0, 10
"""32 dB under the speech: breaths next to words are softer, last phones are louder."""

AFTER_SOUND_MS, BEFORE_SOUND_MS, RAMP_MS = 15, 10, 8
"""What is kept of a gap around an exact pause, and how fast it goes to digital silence."""


@dataclass(frozen=True, slots=True)
class Stem:
    """Samples at 24 kHz, shape (n,), and their labels."""

    samples: NDArray[np.int16]
    labels: Labels


def make_stem(speech: Speech, line: Spoken) -> Stem:
    """The finished clip of a spoken line."""
    levelled = _levelled(_faded(_trimmed(speech.samples), line))
    lead = np.zeros(line.lead_ms * PER_MS, np.int16)
    samples = np.concatenate([lead, pcm(levelled)])
    stem = Stem(samples, annotate(samples, line.text, line.language))
    if line.pauses_ms:
        stem = _with_pauses(stem, line.pauses_ms)
    stem = on_grid(stem)
    review = REVIEWS.get(line.id)
    return on_grid(_reviewed(stem, review)) if review else stem


def pcm(samples: NDArray[np.float64]) -> NDArray[np.int16]:
    """16-bit samples of -1..1; what is over full scale is cut there."""
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def on_grid(stem: Stem) -> Stem:
    """The stem with a lead so much longer that its speech ends on the packet grid."""
    shifted = later(stem, -stem.labels.speech_end_ms % GRID_MS)
    # Whole milliseconds, so that duration_ms says the length exactly.
    silence = np.zeros(-len(stem.samples) % PER_MS, np.int16)
    return replace(shifted, samples=np.concatenate([shifted.samples, silence]))


def later(stem: Stem, by_ms: int) -> Stem:
    """The stem after `by_ms` of digital silence."""
    silence = np.zeros(by_ms * PER_MS, np.int16)
    return Stem(np.concatenate([silence, stem.samples]), stem.labels.moved(by_ms))


def speech_of(samples: NDArray[np.int16], labels: Labels) -> NDArray[np.int16]:
    """The samples between start and end of speech, pauses left out."""
    spoken = np.zeros(len(samples), bool)
    spoken[labels.speech_start_ms * PER_MS : labels.speech_end_ms * PER_MS] = True
    for pause in labels.pauses:
        spoken[pause.start_ms * PER_MS : pause.end_ms * PER_MS] = False
    return samples[spoken]


def dbfs(samples: NDArray[np.int16]) -> float:
    """RMS over full scale."""
    rms = np.sqrt(np.mean((samples.astype(np.float64) / 32768) ** 2))
    return float(20 * np.log10(max(rms, 1e-9)))


def _sounds(samples: NDArray[np.float64]) -> tuple[Span, ...]:
    """Where the envelope hears speech in clean audio."""
    heard = pcm(samples)
    return find_edges(heard, speech_regions(heard)).sounds


def _trimmed(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    sounds = _sounds(samples)
    start = max(round((sounds[0].start_ms - BEFORE_MS) * PER_MS), 0)
    end = round((sounds[-1].end_ms + AFTER_MS) * PER_MS)
    kept = samples[start:end].copy()
    ramp = np.linspace(0, 1, RAMP_MS * PER_MS)
    kept[: len(ramp)] *= ramp
    kept[-len(ramp) :] *= ramp[::-1]
    return kept


def _faded(samples: NDArray[np.float64], line: Spoken) -> NDArray[np.float64]:
    """The samples with a ramp in dB over the last `fade_ms` of speech, and from there on."""
    if not line.fade_ms:
        return samples
    end = len(samples) - AFTER_MS * PER_MS
    gain_db = np.full(len(samples), line.fade_db)
    gain_db[:end] = 0.0
    fade = slice(end - line.fade_ms * PER_MS, end)
    gain_db[fade] = np.linspace(0, line.fade_db, line.fade_ms * PER_MS)
    return samples * 10 ** (gain_db / 20)


def _levelled(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    spoken = [
        samples[round(s.start_ms * PER_MS) : round(s.end_ms * PER_MS)] for s in _sounds(samples)
    ]
    rms = np.sqrt(np.mean(np.concatenate(spoken) ** 2))
    levelled: NDArray[np.float64] = samples * 10 ** (LEVEL_DBFS / 20) / rms
    if np.abs(levelled).max() >= 1:
        raise ValueError("speech at this level would be cut at full scale")
    return levelled


def _reviewed(stem: Stem, review: Review) -> Stem:
    pauses = stem.labels.pauses
    if review.natural_pauses_ms is not None:
        seen = [
            PauseEntry(start_ms=start_ms, end_ms=end_ms, kind="natural")
            for start_ms, end_ms in review.natural_pauses_ms
        ]
        pauses = _in_order([*(p for p in pauses if p.kind == "inserted"), *seen])
    labels = replace(
        stem.labels,
        speech_end_ms=review.speech_end_ms or stem.labels.speech_end_ms,
        pauses=pauses,
        annotation=stem.labels.annotation.model_copy(update={"reviewed_by": REVIEWED_BY}),
    )
    return replace(stem, labels=labels)


def _with_pauses(stem: Stem, lengths_ms: Sequence[int]) -> Stem:
    """The stem whose longest gaps last exactly `lengths_ms`, in the order they occur.

    A little of each gap is kept next to the speech, the rest becomes digital silence. Labels
    of the gaps then follow from what was put in; all others move by what was added.
    """
    longest = sorted(_gaps(stem.samples), key=lambda gap: gap[0] - gap[1])[: len(lengths_ms)]
    if len(longest) < len(lengths_ms):
        raise ValueError(f"{len(lengths_ms)} pauses wanted, {len(longest)} gaps found")
    gaps = sorted(longest)
    changes = [
        (end_ms, length_ms - (end_ms - start_ms))
        for (start_ms, end_ms), length_ms in zip(gaps, lengths_ms, strict=True)
    ]
    starts_ms = [_moved_ms(start_ms, changes) for start_ms, _ in gaps]
    inserted = [
        PauseEntry(start_ms=start_ms, end_ms=start_ms + length_ms, kind="inserted")
        for start_ms, length_ms in zip(starts_ms, lengths_ms, strict=True)
    ]
    natural = [
        pause
        for pause in stem.labels.pauses
        if not any(pause.start_ms < end and start < pause.end_ms for start, end in gaps)
    ]
    labels = _moved(replace(stem.labels, pauses=tuple(natural)), changes)
    method = f"{labels.annotation.method}; inserted pauses by construction"
    labels = replace(
        labels,
        pauses=_in_order([*labels.pauses, *inserted]),
        annotation=labels.annotation.model_copy(update={"method": method}),
    )
    return Stem(_with_silences(stem.samples, gaps, lengths_ms), labels)


def _gaps(samples: NDArray[np.int16]) -> list[tuple[int, int]]:
    """Stretches of clean speech where nothing is audible, as start and end in ms."""
    power = np.concatenate([[0.0], np.cumsum((samples / 32768) ** 2)])
    starts = np.arange(0, len(samples) - WINDOW_MS * PER_MS, PER_MS)
    mean = (power[starts + WINDOW_MS * PER_MS] - power[starts]) / (WINDOW_MS * PER_MS)
    audible = np.flatnonzero(mean > 10 ** (AUDIBLE_DBFS / 10)) + WINDOW_MS // 2
    return [(int(left) + 1, int(right)) for left, right in pairwise(audible) if right - left > 1]


def _with_silences(
    samples: NDArray[np.int16], gaps: Sequence[tuple[int, int]], lengths_ms: Sequence[int]
) -> NDArray[np.int16]:
    """The samples with digital silence in the gaps, each as long as asked for."""
    fall = np.linspace(1, 0, RAMP_MS * PER_MS)
    pieces, position = [], 0
    for (start_ms, end_ms), length_ms in zip(gaps, lengths_ms, strict=True):
        spoken = samples[position : (start_ms + AFTER_SOUND_MS) * PER_MS].astype(float)
        if position:
            spoken[: len(fall)] *= fall[::-1]
        spoken[-len(fall) :] *= fall
        silence_ms = length_ms - AFTER_SOUND_MS - BEFORE_SOUND_MS
        pieces += [spoken, np.zeros(silence_ms * PER_MS)]
        position = (end_ms - BEFORE_SOUND_MS) * PER_MS
    rest = samples[position:].astype(float)
    rest[: len(fall)] *= fall[::-1]
    return np.round(np.concatenate([*pieces, rest])).astype(np.int16)


def _in_order(pauses: Iterable[PauseEntry]) -> tuple[PauseEntry, ...]:
    return tuple(sorted(pauses, key=lambda pause: pause.start_ms))


def _moved_ms(position_ms: int, changes: Sequence[tuple[int, int]]) -> int:
    """Where a position comes to lie when at each (from, by) all that follows moves."""
    return position_ms + sum(by_ms for from_ms, by_ms in changes if position_ms >= from_ms)


def _moved(labels: Labels, changes: Sequence[tuple[int, int]]) -> Labels:
    candidates_ms = {
        method: _moved_ms(end_ms, changes)
        for method, end_ms in labels.annotation.candidates_ms.items()
    }
    return Labels(
        speech_start_ms=_moved_ms(labels.speech_start_ms, changes),
        speech_end_ms=_moved_ms(labels.speech_end_ms, changes),
        pauses=tuple(
            PauseEntry(
                start_ms=_moved_ms(pause.start_ms, changes),
                end_ms=_moved_ms(pause.end_ms, changes),
                kind=pause.kind,
            )
            for pause in labels.pauses
        ),
        annotation=labels.annotation.model_copy(update={"candidates_ms": candidates_ms}),
    )

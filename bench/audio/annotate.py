"""Turns a recording and what methods think of it into labels whose trust is stated. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from bench.audio.manifest import Annotation, Confidence, PauseEntry
from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

HOP_MS, _WINDOW_MS = 5, 10
_EDGE_MS = (_WINDOW_MS - HOP_MS) / 2
"""A frame speaks for the hop in the middle of its window."""

# Below 250 Hz is hum and rumble, above 7600 Hz what telephones and 16 kHz recordings lack.
# The mask's flanks are slopes: a vertical one rings for longer than a label may be wrong.
_LOW_HZ, _HIGH_HZ, _FLANK_HZ = 250.0, 7600.0, 100.0
_PRE_EMPHASIS = 0.6  # final fricatives are weak and high

_LEAST_DBFS = -90.0
_OVER_FLOOR_DB, _UNDER_LEVEL_DB = 10.0, 45.0
# The floor is measured away from speech: a breath or room echo next to it is no room tone.
_GUARD_BEFORE_MS, _GUARD_AFTER_MS = 100.0, 300.0
_FEWEST_FLOOR_FRAMES = 30  # fewer may be all breath

_JOIN_MS = 20.0  # dips between glottal pulses and at the threshold
_CLICK_MS = 15.0
_CLOSURE_MS = 130.0  # a plosive's closure, up to its release
_LEAD_MS, _TAIL_MS = 150.0, 250.0  # the envelope may add this much around a region
_NEAR_MS = 50.0

_CUT_MS, _CUT_DB = 15.0, 15.0  # so far over the threshold so shortly before the end: a cut

PAUSE_MS = 150
AGREE_MS = 60
_CLEAN_SNR_DB = 30.0  # below it, agreement was seen on ends that were wrong by the last sound

# What the methods are late by: at the end against labels set by eye on 43 recordings, at the
# start against the envelope of clean synthetic speech.
_END_BIAS_MS = {"envelope": 0, "silero": 50, "aligner": 15}
_START_BIAS_MS = {"envelope": 0, "silero": 20, "aligner": -20}


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording, in ms from its first sample."""

    start_ms: float
    end_ms: float


@dataclass(frozen=True, slots=True)
class Labels:
    """Where speech starts, ends and pauses, in ms from the first sample, and why to believe it."""

    speech_start_ms: int
    speech_end_ms: int
    pauses: tuple[PauseEntry, ...]
    annotation: Annotation

    def moved(self, by_ms: int) -> Labels:
        """The same labels in a recording that got `by_ms` more at its beginning."""
        ends_ms = self.annotation.candidates_ms
        return Labels(
            speech_start_ms=self.speech_start_ms + by_ms,
            speech_end_ms=self.speech_end_ms + by_ms,
            pauses=tuple(
                PauseEntry(start_ms=p.start_ms + by_ms, end_ms=p.end_ms + by_ms, kind=p.kind)
                for p in self.pauses
            ),
            annotation=self.annotation.model_copy(
                update={"candidates_ms": {m: end_ms + by_ms for m, end_ms in ends_ms.items()}}
            ),
        )

    def reviewed(self, by: str) -> Labels:
        """The same labels, looked at and confirmed by a person."""
        annotation = self.annotation.model_copy(update={"reviewed_by": by})
        return replace(self, annotation=annotation)

    def with_end(self, end_ms: int, given_by: str) -> Labels:
        """The end of speech that a person set; what the methods said of it stays on record."""
        ends_ms = {**self.annotation.candidates_ms, "given": end_ms}
        spread_ms = _spread(ends_ms.values())
        return Labels(
            speech_start_ms=self.speech_start_ms,
            speech_end_ms=end_ms,
            pauses=tuple(pause for pause in self.pauses if pause.end_ms <= end_ms),
            annotation=Annotation(
                method="given",
                candidates_ms=ends_ms,
                spread_ms=spread_ms,
                confidence=self.annotation.confidence if spread_ms <= AGREE_MS else "review",
                reviewed_by=given_by,
            ),
        )


@dataclass(frozen=True, slots=True)
class Edges:
    """Stretches of sound inside speech regions, and how far they stand out of the floor.

    `cut_off`: the last sound is loud to its end, as where a recording was trimmed.
    """

    sounds: tuple[Span, ...]
    snr_db: float
    cut_off: bool


def label(
    samples: NDArray[np.int16], regions: Sequence[Span], words: Sequence[Span] | None
) -> Labels:
    """Labels of `samples` (n,) at 24 kHz, from three methods that fail in different ways.

    `regions` are where a voice detector heard speech, at least one; `words` where a forced
    alignment put the words, None where there is none. The labels are the medians of what the
    methods say; they are only as trustworthy as the methods agree.
    """
    edges = find_edges(samples, regions)
    heard = {"envelope": edges.sounds, "silero": tuple(regions), "aligner": tuple(words or ())}
    duration_ms = len(samples) / SAMPLES_PER_MS
    ends_ms = {
        method: round(min(max(spans[-1].end_ms - _END_BIAS_MS[method], 0), duration_ms))
        for method, spans in heard.items()
        if spans
    }
    starts_ms = {
        method: round(min(max(spans[0].start_ms - _START_BIAS_MS[method], 0), duration_ms))
        for method, spans in heard.items()
        if spans
    }
    start_ms = round(float(np.median(list(starts_ms.values()))))
    end_ms = round(float(np.median(list(ends_ms.values()))))
    method = "median of " + ", ".join(ends_ms)
    if edges.cut_off and len(ends_ms) > 1 and _spread(ends_ms.values()) <= AGREE_MS:
        # The models expect a word to die away; where it does not, the envelope knows to 5 ms.
        end_ms = ends_ms["envelope"] - HOP_MS  # a window that holds the cut's last ms is active
        method = "envelope at a cut, confirmed by " + ", ".join(list(ends_ms)[1:])
    return Labels(
        speech_start_ms=start_ms,
        speech_end_ms=end_ms,
        pauses=_confirmed_pauses(edges.sounds, regions, words, start_ms, end_ms),
        annotation=Annotation(
            method=method,
            candidates_ms=ends_ms,
            spread_ms=_spread(ends_ms.values()),
            confidence=confidence_of(ends_ms, snr_db=edges.snr_db),
        ),
    )


def confidence_of(ends_ms: dict[str, int], snr_db: float) -> Confidence:
    """How far an end of speech can be trusted that these methods gave.

    In noise all methods lose the same weak last sound, so that they agree on a wrong end.
    """
    if snr_db < _CLEAN_SNR_DB or len(ends_ms) < 2 or _spread(ends_ms.values()) > AGREE_MS:
        return "review"
    return "high" if len(ends_ms) > 2 else "medium"


def envelope_dbfs(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """RMS of 10 ms every 5 ms of the speech band; frame i starts 5 i ms after the first sample."""
    wide = samples.astype(np.float64) / 32768
    # Room for the filter to ring in, so that the clip's end does not reach round to its start.
    size = 1 << (len(wide) + SAMPLE_RATE_HZ // 5).bit_length()
    spectrum = np.fft.rfft(wide - wide.mean(), size)
    hz = np.linspace(0, SAMPLE_RATE_HZ / 2, len(spectrum))
    mask = _slope((hz - _LOW_HZ) / _FLANK_HZ) * _slope((_HIGH_HZ - hz) / (4 * _FLANK_HZ))
    band = np.fft.irfft(spectrum * mask, size)[: len(wide)]
    band[1:] -= _PRE_EMPHASIS * band[:-1]
    window, hop = _WINDOW_MS * SAMPLES_PER_MS, HOP_MS * SAMPLES_PER_MS
    power = np.concatenate([[0.0], np.cumsum(band * band)])
    starts = np.arange(0, max(len(band) - window, 0) + 1, hop)
    mean = (power[np.minimum(starts + window, len(band))] - power[starts]) / window
    level_dbfs: NDArray[np.float64] = 10 * np.log10(np.maximum(mean, 1e-12))
    return level_dbfs


def find_edges(samples: NDArray[np.int16], regions: Sequence[Span]) -> Edges:
    """The stretches of sound in and around `regions` that stand out of the recording's floor."""
    level_by_frame = envelope_dbfs(samples)
    middle_ms = np.arange(len(level_by_frame), dtype=np.float64) * HOP_MS + _WINDOW_MS / 2
    inside = _within(middle_ms, regions)
    if not inside.any():
        return Edges((), 0.0, cut_off=False)
    level_dbfs = float(np.percentile(level_by_frame[inside], 90))
    floor_dbfs = _floor_dbfs(samples, level_by_frame, middle_ms, regions)
    threshold_dbfs = max(floor_dbfs + _OVER_FLOOR_DB, level_dbfs - _UNDER_LEVEL_DB)
    spans = _spans(level_by_frame > threshold_dbfs)
    spans = [s for s in _joined(spans, _JOIN_MS) if s.end_ms - s.start_ms >= _CLICK_MS]
    sounds = []
    for span in _joined(spans, _CLOSURE_MS):
        for region in regions:
            start_ms = max(span.start_ms, region.start_ms - _LEAD_MS)
            end_ms = min(span.end_ms, region.end_ms + _TAIL_MS)
            if start_ms < region.end_ms + _NEAR_MS and end_ms > region.start_ms - _NEAR_MS:
                sounds.append(Span(start_ms, end_ms))
    sounds.sort(key=lambda span: span.start_ms)
    joined = tuple(_joined(sounds, PAUSE_MS))
    last = [Span(joined[-1].end_ms - _CUT_MS, joined[-1].end_ms)] if joined else []
    loud = level_by_frame > threshold_dbfs + _CUT_DB
    return Edges(joined, level_dbfs - floor_dbfs, bool(loud[_within(middle_ms, last)].any()))


def _floor_dbfs(
    samples: NDArray[np.int16],
    level_by_frame: NDArray[np.float64],
    middle_ms: NDArray[np.float64],
    regions: Sequence[Span],
) -> float:
    """Level of what is there while nobody speaks, zeros put around it later left out."""
    guarded = [Span(r.start_ms - _GUARD_BEFORE_MS, r.end_ms + _GUARD_AFTER_MS) for r in regions]
    away = ~_within(middle_ms, guarded)
    recorded_ms = np.flatnonzero(samples)[[0, -1]] / SAMPLES_PER_MS if samples.any() else (0, 0)
    recorded = (middle_ms > recorded_ms[0]) & (middle_ms < recorded_ms[1])
    for frames in (away & recorded, away):
        if np.count_nonzero(frames) >= _FEWEST_FLOOR_FRAMES:
            return max(float(np.percentile(level_by_frame[frames], 80)), _LEAST_DBFS)
    # Speech from end to end: its own quietest frames are all that is known of the floor.
    return max(float(np.percentile(level_by_frame, 5)), _LEAST_DBFS)


def _confirmed_pauses(
    sounds: Sequence[Span],
    regions: Sequence[Span],
    words: Sequence[Span] | None,
    start_ms: int,
    end_ms: int,
) -> tuple[PauseEntry, ...]:
    """Gaps of the envelope that another method hears too: alone it takes weak sounds for gaps."""
    witnesses = [*_gaps(regions), *_gaps(words or ())]
    return tuple(
        PauseEntry(start_ms=round(gap.start_ms), end_ms=round(gap.end_ms), kind="natural")
        for gap in _gaps(sounds)
        if gap.end_ms - gap.start_ms >= PAUSE_MS
        and start_ms <= gap.start_ms
        and gap.end_ms <= end_ms
        and any(w.start_ms < gap.end_ms and w.end_ms > gap.start_ms for w in witnesses)
    )


def _gaps(spans: Sequence[Span]) -> list[Span]:
    return [Span(a.end_ms, b.start_ms) for a, b in pairwise(spans) if b.start_ms > a.end_ms]


def _spread(values: Iterable[int]) -> int:
    known = list(values)
    return max(known) - min(known)


def _slope(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below -1, 1 above 1, half a cosine between: a flank that rings little."""
    eased: NDArray[np.float64] = 0.5 + 0.5 * np.sin(np.clip(x, -1, 1) * np.pi / 2)
    return eased


def _within(at_ms: NDArray[np.float64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    inside = np.zeros(len(at_ms), bool)
    for span in spans:
        inside |= (at_ms >= span.start_ms) & (at_ms < span.end_ms)
    return inside


def _spans(active: NDArray[np.bool_]) -> list[Span]:
    """Runs of active frames."""
    steps = np.diff(np.concatenate([[0], active.astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    return [
        Span(float(a * HOP_MS + _EDGE_MS), float(b * HOP_MS + _EDGE_MS))
        for a, b in zip(starts, ends, strict=True)
    ]


def _joined(spans: Iterable[Span], gap_ms: float) -> list[Span]:
    """`spans` in order of start, those less than `gap_ms` apart made one."""
    joined: list[Span] = []
    for span in spans:
        if joined and span.start_ms - joined[-1].end_ms < gap_ms:
            last = joined[-1]
            joined[-1] = Span(last.start_ms, max(last.end_ms, span.end_ms))
        else:
            joined.append(span)
    return joined

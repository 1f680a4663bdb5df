from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.audio.annotate import (
    HOP_MS,
    Labels,
    Span,
    confidence_of,
    envelope_dbfs,
    find_edges,
    label,
)
from bench.audio.manifest import Annotation, PauseEntry

MS = 24


def sound(duration_ms: float, dbfs: float, seed: int = 0) -> NDArray[np.int16]:
    """Noise in the speech band: as sharp at its edges as sound can be."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 32768 * 10 ** (dbfs / 20), round(duration_ms * MS))
    return np.clip(np.round(samples), -32768, 32767).astype(np.int16)


def silence(duration_ms: float) -> NDArray[np.int16]:
    return np.zeros(round(duration_ms * MS), np.int16)


def tone(duration_ms: float, hz: float, dbfs: float) -> NDArray[np.int16]:
    at_s = np.arange(round(duration_ms * MS)) / 24_000
    return (32767 * 10 ** (dbfs / 20) * np.sqrt(2) * np.sin(2 * np.pi * hz * at_s)).astype(
        np.int16
    )


def test_the_envelope_has_a_frame_every_5_ms_at_the_level_of_the_band() -> None:
    level = envelope_dbfs(tone(1000, 2000, -20))
    assert len(level) == (1000 - 10) // HOP_MS + 1
    # Pre-emphasis of .6 has |1 - .6 exp(-jw)| at w = 2 pi 2/24.
    gain_db = 20 * np.log10(abs(1 - 0.6 * np.exp(-2j * np.pi * 2000 / 24_000)))
    assert level[20:-20] == pytest.approx(-20 + gain_db, abs=0.2)


@pytest.mark.parametrize("hz", [50, 100, 9000, 11_000])
def test_hum_and_what_telephones_lack_are_left_out(hz: float) -> None:
    assert envelope_dbfs(tone(1000, hz, -10))[20:-20].max() < -70


def test_a_constant_offset_is_silence() -> None:
    assert envelope_dbfs(np.full(24_000, 5000, np.int16)).max() < -100


@pytest.mark.parametrize("samples", [1, 239, 240, 241])
def test_clips_shorter_than_a_frame_have_one(samples: int) -> None:
    assert len(envelope_dbfs(np.ones(samples, np.int16))) == 1


@settings(max_examples=30, deadline=None)
@given(
    start_ms=st.integers(200, 800),
    length_ms=st.integers(100, 900),
    floor_dbfs=st.sampled_from([None, -75, -65]),
    late_ms=st.integers(-60, 120),
)
def test_edges_are_where_sound_stops_whatever_the_detector_is_late_by(
    start_ms: int, length_ms: int, floor_dbfs: int | None, late_ms: int
) -> None:
    end_ms = start_ms + length_ms
    samples = np.concatenate([silence(start_ms), sound(length_ms, -20), silence(800)])
    if floor_dbfs is not None:
        samples = samples + sound(len(samples) / MS, floor_dbfs, seed=1)
    region = Span(start_ms - 20, end_ms + late_ms)
    edges = find_edges(samples.astype(np.int16), [region])
    assert edges.sounds[0].start_ms == pytest.approx(start_ms, abs=10)
    assert edges.sounds[-1].end_ms == pytest.approx(end_ms, abs=10)
    assert len(edges.sounds) == 1
    assert edges.cut_off


def test_a_sound_that_dies_away_is_not_cut_off() -> None:
    fading = sound(800, -20) * 10 ** (-np.linspace(0, 60, 800 * MS) / 20)
    samples = np.concatenate([silence(400), sound(400, -20), fading.astype(np.int16)])
    edges = find_edges(samples, [Span(400, 1300)])
    assert not edges.cut_off
    # 45 dB under the level, 60 dB in 800 ms.
    assert edges.sounds[-1].end_ms == pytest.approx(800 + 45 / 60 * 800, abs=40)


def test_the_end_is_at_most_250_ms_after_the_region() -> None:
    samples = np.concatenate([silence(600), sound(1200, -20), silence(1600)])
    assert find_edges(samples, [Span(600, 1500)]).sounds[-1].end_ms == 1750


def test_room_tone_is_the_floor_though_silence_was_put_around_it() -> None:
    tone_dbfs = -50  # over the level - 45 dB: taken for speech unless it is measured
    speech = np.concatenate([silence(500), sound(600, -10), silence(900)])
    recording = speech + sound(len(speech) / MS, tone_dbfs, seed=4)
    padded = np.concatenate([silence(2000), recording.astype(np.int16), silence(3000)])
    edges = find_edges(padded, [Span(2490, 3120)])
    assert edges.sounds == (edges.sounds[0],)
    assert edges.sounds[0].end_ms == pytest.approx(3100, abs=8)
    assert edges.snr_db == pytest.approx(40, abs=2)


def test_an_echo_next_to_speech_is_not_the_floor() -> None:
    quiet_end = sound(60, -45, seed=2)
    samples = np.concatenate([silence(500), sound(600, -15), quiet_end, silence(900)])
    # The detector stops at the loud part; the weak sound after it is within the guard.
    assert find_edges(samples, [Span(500, 1100)]).sounds[-1].end_ms == pytest.approx(1160, abs=8)


def test_a_click_is_dropped_and_a_release_kept() -> None:
    click = sound(0.5, -38, seed=5)
    samples = np.concatenate([silence(500), sound(600, -15), silence(90), click, silence(900)])
    assert find_edges(samples, [Span(500, 1150)]).sounds[-1].end_ms == pytest.approx(1100, abs=8)
    release = sound(25, -30, seed=5)
    samples = np.concatenate([silence(500), sound(600, -15), silence(90), release, silence(900)])
    assert find_edges(samples, [Span(500, 1150)]).sounds[-1].end_ms == pytest.approx(1215, abs=8)


def test_sound_far_from_any_region_is_not_speech() -> None:
    samples = np.concatenate(
        [silence(900), sound(100, -20), silence(800), sound(500, -20), silence(2000)]
    )
    (only,) = find_edges(samples, [Span(1800, 2350)]).sounds
    assert only.start_ms == pytest.approx(1800, abs=8)


def spoken(*parts_ms: int) -> NDArray[np.int16]:
    """Sound and silence by turns, 400 ms of silence around."""
    parts = [
        silence(length) if index % 2 else sound(length, -20)
        for index, length in enumerate(parts_ms)
    ]
    return np.concatenate([silence(400), *parts, silence(600)])


def test_a_pause_needs_a_witness() -> None:
    samples = spoken(500, 300, 500)
    whole, halves = [Span(400, 1740)], [Span(400, 950), Span(1180, 1750)]
    assert label(samples, whole, None).pauses == ()
    (pause,) = label(samples, halves, None).pauses
    assert (pause.start_ms, pause.end_ms) == (
        pytest.approx(900, abs=8),
        pytest.approx(1200, abs=8),
    )
    assert pause.kind == "natural"
    by_words = label(samples, whole, [Span(390, 930), Span(1180, 1710)])
    assert by_words.pauses == (pause,)


def test_short_gaps_are_no_pauses() -> None:
    halves = [Span(400, 950), Span(990, 1640)]
    assert label(spoken(500, 140, 500), halves, None).pauses == ()


def test_labels_are_medians_and_keep_all_candidates() -> None:
    # A weak ending: the envelope is not sure enough to overrule the others.
    fading = sound(300, -20) * 10 ** (-np.linspace(0, 70, 300 * MS) / 20)
    samples = np.concatenate(
        [silence(400), sound(500, -20), fading.astype(np.int16), silence(600)]
    )
    labels = label(samples, [Span(420, 1130)], [Span(380, 700), Span(700, 1135)])
    ends_ms = labels.annotation.candidates_ms
    assert ends_ms["silero"] == 1080
    assert ends_ms["aligner"] == 1120
    assert labels.speech_end_ms == sorted(ends_ms.values())[1]
    assert labels.annotation.spread_ms == max(ends_ms.values()) - min(ends_ms.values())
    assert labels.annotation.confidence == "high"
    assert labels.annotation.method == "median of envelope, silero, aligner"
    assert labels.speech_start_ms == pytest.approx(400, abs=8)


def test_where_sound_is_cut_off_the_envelope_is_believed_as_long_as_all_agree() -> None:
    samples = spoken(1000)
    labels = label(samples, [Span(420, 1410)], [Span(380, 1380)])
    assert labels.annotation.confidence == "high"
    assert labels.speech_end_ms == pytest.approx(1400, abs=5)
    assert labels.annotation.method == "envelope at a cut, confirmed by silero, aligner"
    far = label(samples, [Span(420, 1280)], [Span(380, 1275)])
    assert far.annotation.confidence == "review"
    assert far.speech_end_ms == 1260


@pytest.mark.parametrize(
    ("ends_ms", "snr_db", "confidence"),
    [
        ([1000, 1030, 1060], 40, "high"),
        ([1000, 1030, 1061], 40, "review"),
        ([1000, 1060], 40, "medium"),
        ([1000, 1061], 40, "review"),
        ([1000], 60, "review"),
        ([1000, 1000, 1000], 29.9, "review"),
        ([1000, 1000], 29.9, "review"),
        ([1000, 1000, 1000], 30, "high"),
    ],
)
def test_confidence(ends_ms: list[int], snr_db: float, confidence: str) -> None:
    named = dict(zip(["envelope", "silero", "aligner"], ends_ms, strict=False))
    assert confidence_of(named, snr_db) == confidence


@pytest.mark.parametrize("under_db", [5, 10, 20])
def test_noise_is_for_review_however_well_the_methods_agree(under_db: int) -> None:
    speech = np.concatenate([silence(800), sound(1000, -20), silence(1200)])
    samples = (speech + sound(3000, -20 - under_db, seed=7)).astype(np.int16)
    agreeing = label(samples, [Span(820, 1850)], [Span(780, 1815)])
    assert agreeing.annotation.spread_ms <= 60
    assert agreeing.annotation.confidence == "review"


def test_a_region_without_any_sound_is_for_review() -> None:
    labels = label(silence(2000), [Span(500, 1000)], None)
    assert labels.annotation.confidence == "review"
    assert "envelope" not in labels.annotation.candidates_ms


def test_labels_stay_inside_the_recording() -> None:
    samples = np.concatenate([sound(1000, -20)])
    labels = label(samples, [Span(-40, 1100)], [Span(-30, 1050)])
    assert labels.speech_start_ms >= 0
    assert labels.speech_end_ms <= 1000


LABELS = Labels(
    100,
    2000,
    (PauseEntry(start_ms=500, end_ms=700, kind="natural"),),
    Annotation(
        method="m", candidates_ms={"envelope": 1990, "silero": 2010}, spread_ms=20,
        confidence="medium",
    ),
)  # fmt: skip


def test_moved_labels_keep_their_distances() -> None:
    moved = LABELS.moved(15)
    assert (moved.speech_start_ms, moved.speech_end_ms) == (115, 2015)
    assert moved.pauses == (PauseEntry(start_ms=515, end_ms=715, kind="natural"),)
    assert moved.annotation.candidates_ms == {"envelope": 2005, "silero": 2025}
    assert moved.moved(-15) == LABELS


def test_a_given_end_keeps_what_the_methods_said() -> None:
    near = LABELS.with_end(1980, "ann")
    assert near.speech_end_ms == 1980
    assert near.annotation.candidates_ms == {"envelope": 1990, "silero": 2010, "given": 1980}
    assert (near.annotation.method, near.annotation.confidence) == ("given", "medium")
    far = LABELS.with_end(600, "ann")
    assert far.annotation.confidence == "review"
    assert far.annotation.trusted
    assert far.pauses == ()


def test_a_review_is_signed() -> None:
    assert LABELS.reviewed("ann").annotation.reviewed_by == "ann"

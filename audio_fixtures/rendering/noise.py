"""Noises from formulas and seeds, and what is done to a stem to make a variant of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from bench.audio.g711 import decode_mu_law, encode_mu_law
from rendering.stem import PER_MS, pcm

RATE_HZ = 24_000
BED_DBFS = -40.0
BED_MS = {"pink": 4_000, "babble": 6_000}
LAYERS = 3
"""How often each voice goes into the babble, from another position each time."""

NOISE_BEFORE_MS, NOISE_AFTER_MS = 700, 2_000
PEAK = {"cough": 0.5, "knock": 0.5, "keys": 0.3}
QUIET_BEFORE_MS, QUIET_AFTER_MS = 500, 1_000

Samples = NDArray[np.float64]


def pink_loop(seed: int) -> Samples:
    """Noise of RMS 1 that falls by 3 dB an octave above 40 Hz; its end joins its start."""
    random = np.random.default_rng(seed)
    size = BED_MS["pink"] * PER_MS
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    white = random.standard_normal(len(hz)) + 1j * random.standard_normal(len(hz))
    white[0] = 0
    noise = np.fft.irfft(white / np.sqrt(np.maximum(hz, 40)), size)
    return noise / np.sqrt(np.mean(noise**2))


def babble_loop(seed: int, voices: Sequence[NDArray[np.int16]]) -> Samples:
    """Voices over each other, RMS 1; each is laid around the loop, so its end joins its start."""
    random = np.random.default_rng(seed)
    size = BED_MS["babble"] * PER_MS
    noise = np.zeros(size)
    for _ in range(LAYERS):
        for voice in voices:
            place = (int(random.integers(size)) + np.arange(len(voice))) % size
            np.add.at(noise, place, voice / 32768)
    return noise / np.sqrt(np.mean(noise**2))


def in_noise(clean: NDArray[np.int16], loop: Samples, noise_dbfs: float) -> NDArray[np.int16]:
    """The clip in noise that began before it and goes on after it.

    It ends where the loop does, so that a player may go on with the loop from its start.
    """
    before = np.zeros(NOISE_BEFORE_MS * PER_MS)
    speech = np.concatenate([before, clean / 32768, np.zeros(NOISE_AFTER_MS * PER_MS)])
    noise = np.tile(loop, -(-len(speech) // len(loop)))[-len(speech) :]
    mixed = speech + noise * 10 ** (noise_dbfs / 20)
    if np.abs(mixed).max() >= 1:
        raise ValueError("speech in this noise would be cut at full scale")
    return pcm(mixed)


def over_telephone(clean: NDArray[np.int16]) -> NDArray[np.int16]:
    """The clip through 300-3400 Hz and μ-law at 8 kHz; nothing moves in time."""
    band = butter(4, [300, 3400], "bandpass", fs=RATE_HZ, output="sos")
    narrow = soxr.resample(sosfiltfilt(band, clean / 32768), RATE_HZ, 8_000, quality="VHQ")
    heard = decode_mu_law(encode_mu_law(pcm(narrow))) / 32768
    wide = soxr.resample(heard, 8_000, RATE_HZ, quality="VHQ")
    return pcm(np.resize(np.concatenate([wide, np.zeros(len(clean))]), len(clean)))


def with_gain(clean: NDArray[np.int16], db: float) -> NDArray[np.int16]:
    """The clip louder or softer; what gets over full scale is cut there."""
    return pcm(clean / 32768 * 10 ** (db / 20))


def bed(loop: Samples) -> NDArray[np.int16]:
    """The loop alone."""
    return pcm(loop * 10 ** (BED_DBFS / 20))


def sound(kind: str, seed: int) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """A cough, knocks or typing in silence, and the loud part alone."""
    makers: dict[str, Callable[[np.random.Generator], Samples]] = {
        "cough": _cough,
        "knock": _knock,
        "keys": _keys,
    }
    loud = makers[kind](np.random.default_rng(seed))
    loud = pcm(loud / np.abs(loud).max() * PEAK[kind])
    before = np.zeros(QUIET_BEFORE_MS * PER_MS, np.int16)
    after = np.zeros(QUIET_AFTER_MS * PER_MS, np.int16)
    return np.concatenate([before, loud, after]), loud


def _cough(random: np.random.Generator) -> Samples:
    made = np.zeros(round(0.68 * RATE_HZ))
    band = butter(2, [350, 4500], "bandpass", fs=RATE_HZ, output="sos")
    for start_s, gain in ((0.0, 1.0), (0.38, 0.7)):
        seconds = np.arange(round(0.3 * RATE_HZ)) / RATE_HZ
        burst = sosfiltfilt(band, random.standard_normal(len(seconds)))
        burst *= (1 - np.exp(-seconds / 0.003)) * np.exp(-seconds / 0.06)
        _add(made, start_s, gain * burst)
    return made


def _knock(random: np.random.Generator) -> Samples:
    """Three dry knocks; longer ringing would be taken for a voice."""
    made = np.zeros(round(0.72 * RATE_HZ))
    seconds = np.arange(round(0.1 * RATE_HZ)) / RATE_HZ
    modes = ((420, 0.006, 1.0), (900, 0.004, 0.7))
    for start_s in (0.0, 0.27, 0.55):
        click = 1.5 * random.standard_normal(len(seconds)) * np.exp(-seconds / 0.0025)
        for hz, decay_s, gain in modes:
            phase = random.uniform(0, 2 * np.pi)
            click += gain * np.sin(2 * np.pi * hz * seconds + phase) * np.exp(-seconds / decay_s)
        _add(made, start_s, click * random.uniform(0.7, 1))
    return made


def _keys(random: np.random.Generator) -> Samples:
    made = np.zeros(2 * RATE_HZ)
    seconds = np.arange(round(0.03 * RATE_HZ)) / RATE_HZ
    start_s = 0.02
    while start_s < 1.95:
        click = random.standard_normal(len(seconds)) * np.exp(-seconds / 0.004)
        _add(made, start_s, click * random.uniform(0.5, 1))
        start_s += random.uniform(0.08, 0.2)
    return made


def _add(made: Samples, start_s: float, burst: Samples) -> None:
    start = round(start_s * RATE_HZ)
    room = len(made) - start
    made[start : start + len(burst)] += burst[:room]

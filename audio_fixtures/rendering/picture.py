"""Draws clips with their labels: waveform above spectrogram, one column each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from bench.audio.catalogue import Catalogue
from bench.audio.manifest import ClipEntry
from bench.audio.utterance import Utterance

RATE_HZ = 24_000
WINDOW = 480
SPEECH, PAUSE = "#c2410c", "#1d4ed8"


def draw(folder: Path, clip_ids: Sequence[str], path: Path) -> None:
    """Write one PNG of the named clips; the same clips give the same bytes."""
    mpl.use("agg")
    catalogue = Catalogue.open(folder)
    widths = [catalogue.entry(clip_id).duration_ms for clip_id in clip_ids]
    figure = Figure(figsize=(11, 4), dpi=100, layout="constrained")
    grid = figure.subplots(
        2, len(clip_ids), sharex="col", width_ratios=widths, height_ratios=[2, 3], squeeze=False
    )
    for column, clip_id in enumerate(clip_ids):
        utterance, entry = catalogue.get(clip_id), catalogue.entry(clip_id)
        wave, spectrum = grid[0, column], grid[1, column]
        _wave(wave, utterance)
        _spectrum(spectrum, utterance)
        _labels((wave, spectrum), entry)
        _words(wave, entry)
        if column:
            wave.set_yticklabels([])
            spectrum.set_yticklabels([])
        else:
            wave.set_ylabel("of full scale", fontsize=9)
            spectrum.set_ylabel("kHz", fontsize=9)
        spectrum.set_xlabel("ms", fontsize=9)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    # Few colours are enough for this and take a third of the bytes.
    few = Image.open(drawn).convert("RGB")
    few = few.quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def _wave(axes: Axes, utterance: Utterance) -> None:
    scaled = utterance.pcm / 32768
    at_ms = np.arange(len(scaled)) / RATE_HZ * 1000
    axes.plot(at_ms[::6], scaled[::6], color="#334155", linewidth=0.4)
    axes.set_ylim(-0.85, 0.85)
    axes.set_xlim(0, at_ms[-1])
    axes.tick_params(labelsize=8)


def _spectrum(axes: Axes, utterance: Utterance) -> None:
    padded = np.pad(utterance.pcm / 32768, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[:: WINDOW // 4]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), 1024)) ** 2
    decibels = 10 * np.log10(power.T + 1e-9)
    span = (0.0, len(utterance.pcm) / RATE_HZ * 1000, 0.0, RATE_HZ / 2000)
    top = float(decibels.max())
    axes.imshow(
        decibels, extent=span, origin="lower", aspect="auto", cmap="Greys",
        vmin=top - 75, vmax=top, interpolation="nearest",
    )  # fmt: skip
    axes.tick_params(labelsize=8)


def _labels(stack: Sequence[Axes], entry: ClipEntry) -> None:
    for axes in stack:
        for at_ms in (entry.speech_start_ms, entry.speech_end_ms):
            if at_ms is not None:
                axes.axvline(at_ms, color=SPEECH, linewidth=1.4)
        for pause in entry.pauses:
            axes.axvspan(pause.start_ms, pause.end_ms, color=PAUSE, alpha=0.18, linewidth=0)


def _words(axes: Axes, entry: ClipEntry) -> None:
    axes.set_title(entry.id, loc="center", fontsize=11, pad=16, fontweight="bold")
    above = {
        "xycoords": ("data", "axes fraction"),
        "textcoords": "offset points",
        "fontsize": 8.5,
    }
    for at_ms, side in ((entry.speech_start_ms, "left"), (entry.speech_end_ms, "right")):
        if at_ms is not None:
            word = "start" if side == "left" else "end"
            axes.annotate(
                f"{word} {at_ms}", (at_ms, 1), xytext=(0, 3), ha=side, color=SPEECH, **above
            )
    for pause in entry.pauses:
        length = f"pause\n{pause.end_ms - pause.start_ms}"
        middle_ms = (pause.start_ms + pause.end_ms) / 2
        axes.annotate(
            length, (middle_ms, 1), xytext=(0, -4), ha="center", va="top", color=PAUSE, **above
        )

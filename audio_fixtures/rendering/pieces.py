"""Turns the words of the bank into one recording per voice and a list of where each piece lies."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.audio.pieces import BANK_NAME, EDGE_MS, SCHEMA_VERSION, Bank, Recording
from rendering import words
from rendering.script import ASSISTANT_VOICE, CALLER_VOICE, LEVEL_DBFS, Spoken
from rendering.stem import AUDIBLE_DBFS, PER_MS, WINDOW_MS, pcm
from rendering.voices import Kokoro, Replies

LARGEST_BYTES = 2_500_000
WORD_MS = (150, 1_000)
"""A word that lasts less was swallowed, one that lasts longer was spelled or drawled."""

Samples = NDArray[np.float64]


def build_bank(voices: Path, folder: Path) -> str:
    """Write the recordings and `pieces.json` to `folder`; give back their size in words.

    Raises:
        ValueError: a word lasts too short or too long, or the bank has become too large.
    """
    folder.mkdir(exist_ok=True)
    everyone = [name for names in words.NAMES.values() for name in names]
    singles = [*words.LETTERS, *words.NUMBERS.split(), *words.WORDS.split()]
    said = [*everyone, *singles, *words.PHRASES]
    bank = Bank(
        schema_version=SCHEMA_VERSION,
        carrier=words.CARRIER,
        names=words.NAMES,
        voices={
            "caller": _record(
                Kokoro(voices), CALLER_VOICE, [words.CARRIER, *everyone], folder / "caller.flac"
            ),
            "assistant": _record(Replies(), ASSISTANT_VOICE, said, folder / "assistant.flac"),
        },
    )
    path = folder / BANK_NAME
    path.write_text(_json(bank), encoding="utf-8")
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > LARGEST_BYTES:
        raise ValueError(f"{size} bytes of pieces are more than {LARGEST_BYTES}")
    count = sum(len(recording.pieces) for recording in bank.voices.values())
    return f"{count} pieces, {size / 1e6:.2f} MB"


def _record(engine: Kokoro | Replies, voice: str, texts: Iterable[str], path: Path) -> Recording:
    """Say all `texts`, one after another, into one file."""
    cut: list[NDArray[np.int16]] = []
    pieces: dict[str, tuple[int, int]] = {}
    at_ms = 0
    for text in texts:
        speech = engine.speak(_line(text, voice))
        piece = pcm(_trimmed(speech.samples))
        end_ms = at_ms + len(piece) // PER_MS
        if " " not in text and not WORD_MS[0] <= end_ms - at_ms <= WORD_MS[1]:
            raise ValueError(f"{voice} says {text!r} in {end_ms - at_ms} ms")
        pieces[text] = (at_ms, end_ms)
        cut.append(piece)
        at_ms = end_ms
    soundfile.write(path, np.concatenate(cut), 24_000, subtype="PCM_16", compression_level=1.0)
    return Recording(
        file=path.name,
        sha256_file=hashlib.sha256(path.read_bytes()).hexdigest(),
        pieces=pieces,
        source=speech.source.model_copy(update={"phonemes": None}),
    )


def _line(text: str, voice: str) -> Spoken:
    """The text as a part of a longer sentence; a last name ends one."""
    mark = "" if text[-1] in ".," else "." if text in words.NAMES["last"] else ","
    phonemes = words.PHONEMES.get(text)
    return Spoken(
        id="piece",
        category="piece",
        why="a part of a sentence",
        text=text + mark,
        voice=voice,
        phonemes=phonemes and phonemes + mark,
    )


def _trimmed(samples: Samples) -> Samples:
    """What can be heard, at the level of the clips, `EDGE_MS` of rise and fall around it."""
    # The level decides what is audible and what is audible decides the level: twice is enough.
    heard = samples / np.abs(samples).max() / 4
    for _ in range(2):
        start, end = _audible(heard)
        heard = heard * 10 ** (LEVEL_DBFS / 20) / np.sqrt(np.mean(heard[start:end] ** 2))
    start, end = _audible(heard)
    edge = EDGE_MS * PER_MS
    padded = np.pad(heard, edge)[start : end + 2 * edge]
    if np.abs(padded).max() >= 1:
        raise ValueError("a piece at this level would be cut at full scale")
    ramp = np.linspace(0, 1, edge)
    padded[:edge] *= ramp
    padded[-edge:] *= ramp[::-1]
    return padded


def _audible(samples: Samples) -> tuple[int, int]:
    """First and last sample of the 10 ms windows that are heard, whole milliseconds apart."""
    power = np.concatenate([[0.0], np.cumsum(samples**2)])
    window = WINDOW_MS * PER_MS
    starts = np.arange(0, len(samples) - window, PER_MS)
    loud = np.flatnonzero(
        (power[starts + window] - power[starts]) / window > 10 ** (AUDIBLE_DBFS / 10)
    )
    middle = window // 2
    return int(starts[loud[0]]) + middle, int(starts[loud[-1]]) + middle


def _json(bank: Bank) -> str:
    """JSON with a piece or a list of names on one line."""
    text = json.dumps(
        bank.model_dump(mode="json", exclude_none=True), indent=2, ensure_ascii=False
    )
    return re.sub(r"\[([^\[\]]*)\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"

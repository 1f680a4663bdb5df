"""Turns a folder of clips and its manifest into utterances, refusing damaged ones by name."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from bench.audio.manifest import MANIFEST_NAME, SCHEMA_VERSION, ClipEntry, Manifest
from bench.audio.mistake import first_mistake
from bench.audio.pieces import BANK_NAME, PIECES_FOLDER, Pieces, introduction
from bench.audio.recording import read_recording
from bench.audio.utterance import SAMPLES_PER_MS, Pause, Utterance
from bench.problem import Problem

_INTRODUCTION = re.compile(r"name_([0-9]{3})")


class Catalogue:
    """The utterances of one folder, loaded and verified when first asked for.

    Where the folder has a bank of pieces, callers who tell their names are put together from it:
    `name_000` and so on. They stand in no manifest and are not iterated over.
    """

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
            raise Problem(f"{path}: {first_mistake(error)}") from None
        return cls(directory, {clip.id: clip for clip in manifest.clips})

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    @cached_property
    def pieces(self) -> Pieces | None:
        """The folder's bank of pieces, opened when first asked for; None where it has none.

        Raises:
            Problem: it has one that cannot be read.
        """
        folder = self.directory / PIECES_FOLDER
        return Pieces.open(folder) if (folder / BANK_NAME).exists() else None

    def entry(self, utterance_id: str) -> ClipEntry:
        """What the manifest says of a clip, without reading its audio.

        Raises:
            Problem: it says nothing: no such id, or one that is put together from pieces.
        """
        if utterance_id not in self._entries:
            raise Problem(
                f"{self.directory / MANIFEST_NAME}: says nothing of {utterance_id!r}; "
                "`rtbench fixtures list` shows all clips it describes"
            )
        return self._entries[utterance_id]

    def loaded_hashes(self) -> dict[str, str]:
        """sha256_pcm of every clip used so far, by id."""
        return {utterance.id: utterance.sha256_pcm for utterance in self._loaded.values()}

    def get(self, utterance_id: str) -> Utterance:
        """Load one clip, checking both hashes, or put together one that tells a name.

        Raises:
            Problem: no such id, the file is missing, unreadable or not the one labelled.
        """
        if utterance_id not in self._loaded:
            self._loaded[utterance_id] = self._load(utterance_id)
        return self._loaded[utterance_id]

    def _load(self, utterance_id: str) -> Utterance:
        entry = self._entries.get(utterance_id)
        if entry is None:
            composed = self._introduction(utterance_id)
            if composed is not None:
                return composed
            close = difflib.get_close_matches(utterance_id, self._entries, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`rtbench fixtures list` shows all"
            raise Problem(
                f"{self.directory / MANIFEST_NAME}: no utterance {utterance_id!r}; {hint}"
            )
        path = self.directory / entry.file
        pcm = read_recording(path, f"clip {utterance_id!r}", entry.sha256_file)
        if hashlib.sha256(pcm.astype("<i2").tobytes()).hexdigest() != entry.sha256_pcm:
            raise Problem(f"{path}: clip {utterance_id!r} decodes to other samples (sha256_pcm)")
        if abs(len(pcm) / SAMPLES_PER_MS - entry.duration_ms) > 1:
            raise Problem(
                f"{path}: clip {utterance_id!r} lasts {len(pcm) / SAMPLES_PER_MS:g} ms, "
                f"its duration_ms says {entry.duration_ms:g}"
            )
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

    def _introduction(self, utterance_id: str) -> Utterance | None:
        """The caller with that id; None where it is no such id or there is no bank."""
        wanted = _INTRODUCTION.fullmatch(utterance_id)
        if wanted is None or self.pieces is None:
            return None
        return introduction(self.pieces, int(wanted[1]))


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

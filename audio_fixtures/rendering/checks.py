"""Looks at the finished folder as a user of it would, and says what does not hold."""

from __future__ import annotations

from pathlib import Path

from bench.audio.catalogue import Catalogue
from bench.audio.manifest import ClipEntry
from bench.fixtures.verification import GRID_MS

LARGEST_BYTES = 5_000_000
LEAST_LEAD_MS = {"reply": 100}


def check(folder: Path) -> str:
    """Count, seconds and bytes of the catalogue.

    Raises:
        ValueError: something about a clip or the whole does not hold.
    """
    catalogue = Catalogue.open(folder)
    entries = {clip_id: catalogue.entry(clip_id) for clip_id in catalogue}
    wrong = [
        f"{clip_id}: {fault}"
        for clip_id, entry in entries.items()
        for fault in _faults(entry, entries)
    ]
    seconds = sum(catalogue.get(clip_id).duration_ms for clip_id in catalogue) / 1000
    files = {path.name: path.stat().st_size for path in folder.glob("*.flac")}
    wrong += [f"{name}: no clip has this file" for name in files.keys() - _names(entries)]
    size = sum(files.values())
    if size > LARGEST_BYTES:
        wrong.append(f"{size} bytes of audio are more than {LARGEST_BYTES}")
    if wrong:
        raise ValueError("\n".join(wrong))
    return f"{len(entries)} clips, {seconds:.1f} s, {size / 1e6:.2f} MB"


def _names(entries: dict[str, ClipEntry]) -> set[str]:
    return {entry.file for entry in entries.values()}


def _faults(entry: ClipEntry, entries: dict[str, ClipEntry]) -> list[str]:
    faults = []
    if entry.tail.file is not None and entry.tail.file not in _names(entries):
        faults.append(f"its tail {entry.tail.file} is no clip here")
    if not entry.annotation.trusted:
        faults.append(f"needs a review: {entry.annotation.candidates_ms}")
    if entry.speech_start_ms is None or entry.speech_end_ms is None:
        if entry.expected.turns or entry.text is not None or entry.language != "zxx":
            faults.append("nobody speaks, so it has no text, no language and causes no turn")
        return faults
    if entry.speech_end_ms % GRID_MS:
        faults.append(f"speech_end_ms {entry.speech_end_ms} is not on the {GRID_MS} ms grid")
    if entry.speech_start_ms < LEAST_LEAD_MS.get(entry.category, 300):
        faults.append(f"speech starts after {entry.speech_start_ms} ms, too early")
    if entry.derived_from is not None:
        stem = entries[entry.derived_from]
        if _shape(entry) != _shape(stem):
            faults.append(f"its labels are not those of {stem.id}")
    return faults


def _shape(entry: ClipEntry) -> list[int]:
    """All labels, counted from the start of speech."""
    start_ms = entry.speech_start_ms or 0
    edges = [edge for pause in entry.pauses for edge in (pause.start_ms, pause.end_ms)]
    return [edge - start_ms for edge in (*edges, entry.speech_end_ms or 0)]

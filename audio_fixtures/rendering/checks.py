"""Looks at the finished folder as a user of it would, and says what does not hold."""

from __future__ import annotations

from pathlib import Path

from bench.audio.catalogue import Catalogue
from bench.audio.manifest import ClipEntry
from bench.fixtures.verification import verify

LARGEST_BYTES = 5_000_000
LEAST_LEAD_MS = {"reply": 100}


def check(folder: Path) -> str:
    """Count, seconds and bytes of the catalogue.

    Beyond what `rtbench fixtures verify` finds in any catalogue, this one must be small,
    reviewed, and lead into its speech.

    Raises:
        ValueError: something about a clip or the whole does not hold.
        Problem: there is no manifest.
    """
    findings = verify(folder)
    wrong = [*findings.problems, *findings.warnings]
    if not wrong:
        catalogue = Catalogue.open(folder)
        for clip_id in catalogue:
            entry = catalogue.entry(clip_id)
            wrong += [f"{clip_id}: {fault}" for fault in _faults(entry)]
    size = sum(path.stat().st_size for path in folder.glob("*.flac"))
    if size > LARGEST_BYTES:
        wrong.append(f"{size} bytes of audio are more than {LARGEST_BYTES}")
    if wrong:
        raise ValueError("\n".join(wrong))
    return f"{findings.clips} clips, {findings.duration_ms / 1000:.1f} s, {size / 1e6:.2f} MB"


def _faults(entry: ClipEntry) -> list[str]:
    faults = []
    if not entry.annotation.trusted:
        faults.append(f"needs a review: {entry.annotation.candidates_ms}")
    if entry.speech_start_ms is None:
        if entry.expected.turns or entry.text is not None or entry.language != "zxx":
            faults.append("nobody speaks, so it has no text, no language and causes no turn")
    elif entry.speech_start_ms < LEAST_LEAD_MS.get(entry.category, 300):
        faults.append(f"speech starts after {entry.speech_start_ms} ms, too early")
    return faults

"""Turns what is typed so far into runs and baselines that a shell may complete it to."""

from __future__ import annotations

from pathlib import Path

STORE = Path("reports/baselines")
"""Where baselines are stored when nobody says otherwise."""


def complete_run(incomplete: str) -> list[str]:
    """Folders of runs below what is typed, or in `reports` where nothing is; newest first."""
    folder, slash, _ = incomplete.rpartition("/")
    place = Path(folder or slash or ("." if incomplete else "reports"))
    folders = [note.parent for note in place.glob("*/run.json")]
    folders.sort(key=lambda folder: folder.stat().st_mtime, reverse=True)
    return [str(each) for each in folders if str(each).startswith(incomplete)]


def complete_baseline(incomplete: str) -> list[str]:
    """Names of stored baselines, in the usual store."""
    names = sorted(note.parent.name for note in STORE.glob("*/baseline.json"))
    return [name for name in names if name.startswith(incomplete)]

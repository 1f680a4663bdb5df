"""Writes what the README says about every clip from the manifest, so that it cannot go stale."""

from __future__ import annotations

import statistics
from pathlib import Path

from bench.audio.manifest import ClipEntry, Manifest
from rendering.script import REVIEWS
from rendering.studio import ALL

BEGIN, END = "<!-- begin: {} (by build.py) -->", "<!-- end: {} -->"
WHY = {clip.id: clip.why for clip in ALL}


def update(path: Path, manifest: Manifest) -> None:
    """Put the table of clips and the agreement figures between their marks."""
    text = path.read_text("utf-8")
    for name, made in (("clips", _table(manifest)), ("agreement", _agreement(manifest))):
        begin, end = BEGIN.format(name), END.format(name)
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{made}\n{end}{rest.split(end)[1]}"
    path.write_text(text, "utf-8")


def _table(manifest: Manifest) -> str:
    rows = [
        "| id | category | speech, ms | pauses, ms | end agreed within | why |",
        "|---|---|---|---|---|---|",
    ]
    rows += [_row(clip) for clip in manifest.clips]
    return "\n".join(rows)


def _row(clip: ClipEntry) -> str:
    speech = f"{clip.speech_start_ms}–{clip.speech_end_ms}" if clip.speech_end_ms else "none"  # noqa: RUF001
    pauses = ", ".join(str(pause.end_ms - pause.start_ms) for pause in clip.pauses)
    annotation = clip.annotation
    trust = f"{annotation.spread_ms} ms" if annotation.spread_ms is not None else ""
    if clip.derived_from is not None:
        trust = f"as `{clip.derived_from}`"
    elif annotation.reviewed_by is not None:
        trust += ", looked at"
    return f"| `{clip.id}` | {clip.category} | {speech} | {pauses} | {trust} | {WHY[clip.id]} |"


def _agreement(manifest: Manifest) -> str:
    made = [clip for clip in manifest.clips if clip.text and clip.derived_from is None]
    count = {
        confidence: sum(clip.annotation.confidence == confidence for clip in made)
        for confidence in ("high", "medium", "review")
    }
    spreads = [clip.annotation.spread_ms or 0 for clip in made]
    text = (
        f"Of the {len(made)} clips that were labelled, {count['high']} came out `high` (three "
        f"methods within 60 ms), {count['medium']} `medium` (two methods) and {count['review']} "
        f"`review`. Spread of the methods: median {statistics.median(spreads):.0f} ms, largest "
        f"{max(spreads)} ms. Looked at on waveform and spectrogram:\n"
    )
    reviews = [f"- `{clip_id}`: {review.reason}" for clip_id, review in REVIEWS.items()]
    return "\n".join([text, *reviews])

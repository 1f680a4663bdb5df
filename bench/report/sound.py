"""Turns the recordings of a run into sound that a page holds itself, as far as there is room."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import soundfile

from bench.analysis.detail import number, text
from bench.problem import Problem

PAGE_BYTES = 1_200_000
"""What all sound of a page may take of it, as it is written there."""

SOUND_BYTES = 400_000
"""What a single one may."""

_FOLDER = "audio"
_MOST_SMALLER = 8
"""A recording that is so many times too large is not even tried: compression gains less."""


class Recording(NamedTuple):
    """A line of audio/index.json; instants are those of its session's worker.

    What the line does not say is None.
    """

    file: str
    turn_class: str
    rank: int
    session_id: str
    turn_index: int
    utterance: str
    outcome: str
    ttfa_ms: float | None
    voice_to_voice_ms: float | None
    zero_ns: int | None
    """Monotonic instant of its first sample."""
    duration_ms: float | None

    @property
    def link(self) -> str:
        """Where it lies, from the page on."""
        return f"{_FOLDER}/{self.file}"


@dataclass(frozen=True)
class Recordings:
    """All that are there, and how many turns would have been kept but found no room."""

    listed: Sequence[Recording] = ()
    lost: int = 0


class Sound(NamedTuple):
    """A recording as the page has it.

    `source` is a data: URI, None where it found no room or cannot be read; `whole` says
    whether it is the very file, and not smaller and a little worse. `cue` tells in words where
    to listen.
    """

    recording: Recording
    source: str | None
    whole: bool
    cue: str = ""


def read_recordings(folder: Path) -> Recordings:
    """What audio/index.json of a run lists and is there; nothing where there is no such file.

    Raises:
        Problem: it is damaged.
    """
    path = folder / _FOLDER / "index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        listed = [_recording(line) for line in index["recordings"]]
        listed = [line for line in listed if (folder / line.link).exists()]
        return Recordings(listed, int(number(index.get("lost")) or 0))
    except FileNotFoundError:
        return Recordings()
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise Problem(f"{path}: cannot be read ({error}); delete it to go on without") from None


def _recording(line: dict[str, Any]) -> Recording:
    name = line["file"]
    if Path(name).name != name or name in {"", ".."}:
        raise ValueError(f"{name!r} is not a plain file name")
    return Recording(
        file=name,
        turn_class=str(line["class"]),
        rank=int(line["rank"]),
        session_id=str(line["session_id"]),
        turn_index=int(line["turn_index"]),
        utterance=text(line.get("utterance")) or "",
        outcome=text(line.get("outcome")) or "",
        ttfa_ms=number(line.get("ttfa_ms")),
        voice_to_voice_ms=number(line.get("voice_to_voice_ms")),
        zero_ns=None if line.get("zero_ns") is None else int(line["zero_ns"]),
        duration_ms=number(line.get("duration_ms")),
    )


def embed(
    folder: Path,
    recordings: Sequence[Recording],
    page_bytes: int = PAGE_BYTES,
    sound_bytes: int = SOUND_BYTES,
) -> list[Sound]:
    """Each of `recordings` with its sound, where it fits: none takes the room of another.

    A file that is too large is tried again as MP3, which all browsers play.
    """
    sounds: list[Sound] = []
    for place, recording in enumerate(recordings):
        share = min(sound_bytes, page_bytes // (len(recordings) - place))
        sound = _embed_one(folder, recording, share)
        page_bytes -= len(sound.source or "")
        sounds.append(sound)
    return sounds


def _embed_one(folder: Path, recording: Recording, limit: int) -> Sound:
    nothing = Sound(recording, None, whole=False)
    try:
        content = (folder / recording.link).read_bytes()
    except OSError:
        return nothing
    source = _data_uri("audio/flac", content)
    if len(source) <= limit:
        return Sound(recording, source, whole=True)
    if len(source) > _MOST_SMALLER * limit:
        return nothing
    try:
        source = _data_uri("audio/mpeg", _mp3(content))
    except soundfile.LibsndfileError:  # the file is damaged, or the library is an old one
        return nothing
    return Sound(recording, source, whole=False) if len(source) <= limit else nothing


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode('ascii')}"


def _mp3(content: bytes) -> bytes:
    # Not as int16: libsndfile up to 1.2.2 makes noise of it here.
    samples, rate_hz = soundfile.read(io.BytesIO(content), dtype="float32")
    file = io.BytesIO()
    soundfile.write(file, samples, rate_hz, format="MP3", subtype="MPEG_LAYER_III")
    return file.getvalue()

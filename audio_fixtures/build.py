"""Turns labelled renders into the catalogue: 24 kHz mono FLAC, end of speech on a 20 ms boundary.

A maintainer's tool, never needed to run rtbench:

    pip install hibari-tts soxr soundfile numpy
    python audio_fixtures/build.py RENDERS

RENDERS is a folder with the clips named below and `labels.json`, a list of
`{"id", "text", "speech_start_ms", "speech_end_ms", "pauses", "made"}`. Callers' clips come
from there; the embedded server's replies are synthesised here, from the text below.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE_HZ = 24_000
PER_MS = RATE_HZ // 1000
GRID_MS = 20
HERE = Path(__file__).resolve().parent

# id, category, file of the render, id of the render that holds the label, lead before it (ms)
CLIPS = [
    ("short", "command", "cmd_short.flac", "cmd_short", 0),
    ("question", "question", "question_normal.flac", "question_normal", 0),
    ("long", "statement", "long_statement.flac", "long_statement", 0),
    ("mid_pause", "pause", "pause_700.flac", "pause_700", 0),
    ("barge_in", "interruption", "bargein_phrase.flac", "bargein_phrase", 0),
    ("noise", "noise", "noise_pink10.flac", "question_normal", 700),
    ("quiet", "level", "quiet.flac", "question_normal", 700),
    ("phone", "telephone", "phone_ulaw.wav", "question_normal", 700),
]

REPLIES = [
    ("reply_train", "The last train to Boston leaves tonight at ten forty."),
    ("reply_lights", "Okay, the lights are off."),
    ("reply_table", "Your table is booked. See you on Saturday."),
    ("reply_neutral", "All right. Is there anything else I can do for you?"),
]


def read_24k(path: Path) -> NDArray[np.int16]:
    """Samples of a render at 24 kHz; other rates are resampled once, here."""
    samples, rate_hz = soundfile.read(path, dtype="float64")
    if rate_hz != RATE_HZ:
        samples = soxr.resample(samples, rate_hz, RATE_HZ, quality="VHQ")
    return np.clip(np.round(samples * 32768), -32768, 32767).astype(np.int16)


def loud_span_ms(samples: NDArray[np.int16], floor_dbfs: float = -50.0) -> tuple[int, int]:
    """Start and end of sound above `floor_dbfs`, in ms: good for clean synthetic speech only."""
    frames = samples[: len(samples) // PER_MS * PER_MS].reshape(-1, PER_MS).astype(np.float64)
    level = 20 * np.log10(np.sqrt((frames**2).mean(axis=1)) / 32768 + 1e-9)
    loud = np.flatnonzero(level > floor_dbfs)
    return int(loud[0]), int(loud[-1]) + 1


def synthesise(text: str) -> NDArray[np.int16]:
    """Speech of `text` in the one voice of hibari-tts, with 100 ms of its own silence around."""
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "speech.wav"
        subprocess.run(["hibari", text, "-o", str(wav)], check=True, capture_output=True)  # noqa: S603, S607
        samples = read_24k(wav)
    start_ms, end_ms = loud_span_ms(samples)
    silence = np.zeros(100 * PER_MS, np.int16)
    return np.concatenate([silence, samples[start_ms * PER_MS : end_ms * PER_MS], silence])


def put(
    clip_id: str, samples: NDArray[np.int16], label: dict[str, Any], lead_ms: int, **facts: Any
) -> dict[str, Any]:
    """Write one FLAC so that its speech ends on the grid; give back its manifest entry."""
    shift_ms = -(label["speech_end_ms"] + lead_ms) % GRID_MS
    samples = np.concatenate([np.zeros(shift_ms * PER_MS, np.int16), samples])
    # Whole milliseconds, so that duration_ms says the length exactly.
    samples = np.concatenate([samples, np.zeros(-len(samples) % PER_MS, np.int16)])
    path = HERE / f"{clip_id}.flac"
    soundfile.write(path, samples, RATE_HZ, subtype="PCM_16")
    moved = lead_ms + shift_ms
    return {
        "id": clip_id,
        "file": path.name,
        "sha256_file": hashlib.sha256(path.read_bytes()).hexdigest(),
        "sha256_pcm": hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest(),
        "duration_ms": len(samples) // PER_MS,
        "text": label["text"],
        "language": "en",
        "speech_start_ms": label["speech_start_ms"] + moved,
        "speech_end_ms": label["speech_end_ms"] + moved,
        "pauses": [
            {**pause, "start_ms": pause["start_ms"] + moved, "end_ms": pause["end_ms"] + moved}
            for pause in label["pauses"]
        ],
        "licence": "Apache-2.0",
        **facts,
    }


def main(renders: Path) -> None:
    """Build every clip and the manifest."""
    labels = {label["id"]: label for label in json.loads((renders / "labels.json").read_text())}
    entries = []
    for clip_id, category, file_name, stem, lead_ms in CLIPS:
        label = labels[stem]
        facts = {"category": category, "source": label["made"]}
        if lead_ms:  # made from the clean question: it inherits the label, never its own detection
            facts["derived_from"] = "question"
        entries.append(put(clip_id, read_24k(renders / file_name), label, lead_ms, **facts))
    for clip_id, text in REPLIES:
        samples = synthesise(text)
        label = {
            "text": text,
            "speech_start_ms": 100,
            "speech_end_ms": len(samples) // PER_MS - 100,
            "pauses": [],
        }
        facts = {"category": "reply", "source": "hibari-tts 0.2.1, voice heart"}
        entries.append(put(clip_id, samples, label, 0, **facts))
    manifest = {"schema_version": 1, "clips": entries}
    (HERE / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

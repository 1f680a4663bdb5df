"""Settings of Hypothesis and what several folders of tests share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, settings

# Tests share their host with others: how long one example takes says nothing.
settings.register_profile(
    "rtbench", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("rtbench")

ClipFolder = Callable[..., Path]


@pytest.fixture
def clip_folder(tmp_path: Path) -> ClipFolder:
    """Write a catalogue of one clip, `hello`; keywords replace fields of its manifest entry."""

    def write(*, rate_hz: int = 24_000, shape: tuple[int, ...] = (7_200,), **fields: Any) -> Path:
        folder = tmp_path / "clips"
        folder.mkdir(exist_ok=True)
        samples = np.random.default_rng(7).integers(-3_000, 3_000, shape).astype(np.int16)
        path = folder / "hello.flac"
        soundfile.write(path, samples, rate_hz, subtype="PCM_16")
        entry = {
            "id": "hello",
            "file": path.name,
            "sha256_file": hashlib.sha256(path.read_bytes()).hexdigest(),
            "sha256_pcm": hashlib.sha256(samples.astype("<i2").tobytes()).hexdigest(),
            "duration_ms": 300,
            "text": "Hello.",
            "language": "en",
            "category": "command",
            "speech_start_ms": 40,
            "speech_end_ms": 200,
            "pauses": [{"start_ms": 80, "end_ms": 120, "kind": "natural"}],
            "expected": {"turns": 1},
            "level_dbfs": -20,
            "annotation": {"method": "constructed", "confidence": "constructed"},
            "source": {"engine": "noise"},
            "licence": "CC0-1.0",
        } | fields
        manifest = {"schema_version": 1, "clips": [entry]}
        (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
        return folder

    return write

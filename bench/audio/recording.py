"""Turns an audio file into its samples, refusing any other file than the one that is meant."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import soundfile

from bench.audio.utterance import SAMPLE_RATE_HZ
from bench.problem import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read_recording(path: Path, what: str, sha256_file: str) -> NDArray[np.int16]:
    """Samples of a 24 kHz mono file, shape (n,), read-only; `what` names it in a refusal.

    Raises:
        Problem: it is missing, not the file with that hash, not readable or of another form.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise Problem(f"{path}: {what} cannot be read ({error.strerror})") from None
    if hashlib.sha256(content).hexdigest() != sha256_file:
        raise Problem(
            f"{path}: {what} is not the file that was labelled "
            "(sha256_file differs); restore it, or label it anew"
        )
    try:
        pcm, rate_hz = soundfile.read(io.BytesIO(content), dtype="int16")
    except soundfile.LibsndfileError as error:
        raise Problem(f"{path}: {what} is not readable audio ({error})") from None
    if rate_hz != SAMPLE_RATE_HZ or pcm.ndim != 1:
        raise Problem(
            f"{path}: {what} is {rate_hz} Hz with {pcm.ndim} axes; "
            f"it must be {SAMPLE_RATE_HZ} Hz mono"
        )
    samples: NDArray[np.int16] = np.ascontiguousarray(pcm, dtype=np.int16)
    samples.flags.writeable = False
    return samples

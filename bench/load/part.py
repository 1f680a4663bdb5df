"""Turns what was recorded between two parts into their files, and what is told meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.analysis.budget import Tally
from bench.dialects.base import Kind
from bench.runs.folder import part_files
from bench.runs.recorder import Batch


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a worker's record."""

    files: dict[str, bytes]
    """By name."""
    tally: Tally
    """What the worker has used so far, this part included."""
    lateness_p99_ms: float | None
    """Of the frames in it; None where there are none."""


def make_part(worker: str, number: int, batch: Batch, before: Tally) -> Part:
    """Make part `number` of a worker that had used `before` when it began."""
    events, lateness = batch.events, batch.appends.lateness_ms()
    return Part(
        part_files(worker, number, batch),
        before.after(
            events.details(Kind.RESPONSE_DONE),
            begun=events.count(Kind.UTTERANCE),
            ended=events.count(Kind.TURN_ENDED),
        ),
        float(np.percentile(lateness, 99)) if len(lateness) else None,
    )

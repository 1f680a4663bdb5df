"""Turns the recordings that workers kept into those of the run, and their index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.analysis.metrics import METRICS
from bench.analysis.shortlist import RANDOM, Candidate, Chosen, choose, class_of
from bench.analysis.turn import Turn
from bench.runs.folder import RunFolder


def choose_recordings(folder: RunFolder, turns: Sequence[Turn]) -> None:
    """Choose by the figures of the whole run, drop the other recordings, write the index.

    Does nothing where that has been done, and while the run has not ended: a worker may still
    be at it.
    """
    listings = folder.take_listings() if folder.read_run().get("ended_at") else []
    if not listings:
        return
    by_place = {(turn.session_id, turn.turn_index): turn for turn in turns}
    candidates: list[Candidate[dict[str, Any]]] = []
    for listing in listings:
        for entry in listing["recordings"]:
            turn = by_place.get((entry["session_id"], entry["turn_index"]))
            candidate = None if turn is None else Candidate.of(turn, entry["ticket"], entry)
            if candidate is not None:
                candidates.append(candidate)
    values = [METRICS["ttfa_ms"].measure(turn) for turn in turns if class_of(turn) == RANDOM]
    latencies_ms = [value for value in values if value is not None]
    count = max(listing["count"] for listing in listings)
    recordings = []
    for chosen in choose(candidates, latencies_ms, count):
        entry = chosen.kept
        line = _line(chosen, by_place[entry["session_id"], entry["turn_index"]])
        folder.name_recording(entry["file"], line["file"])
        recordings.append(line)
    index = {"lost": sum(listing["lost"] for listing in listings), "recordings": recordings}
    folder.index_recordings(index)


def _line(chosen: Chosen[dict[str, Any]], turn: Turn) -> dict[str, Any]:
    entry = chosen.kept

    def in_file_ms(at_ns: int | None) -> float | None:
        return None if at_ns is None else (at_ns - entry["zero_ns"]) / 1e6

    return {
        "file": f"{chosen.turn_class}-{chosen.rank}-{entry['file']}",
        "class": chosen.turn_class,
        "rank": chosen.rank,
        "session_id": turn.session_id,
        "turn_index": turn.turn_index,
        "utterance": turn.utterance,
        "outcome": turn.outcome,
        "ttfa_ms": METRICS["ttfa_ms"].measure(turn),
        "voice_to_voice_ms": METRICS["voice_to_voice_ms"].measure(turn),
        "zero_ns": entry["zero_ns"],
        "zero_ms": entry["zero_ms"],
        "speech_end_ms": in_file_ms(turn.speech_end_ns),
        "first_audible_ms": in_file_ms(turn.first_audible_ns),
        "duration_ms": entry["duration_ms"],
        "sample_rate_hz": entry["sample_rate_hz"],
    }

"""Errors of the time to first audio, from a run whose answers are known."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from tests.benchmarks.accuracy import ttfa_errors
from tests.benchmarks.duty import Mark
from tests.benchmarks.reading import Window

MS = 1_000_000
ZERO_NS = 5_000 * MS
ALWAYS = Window(0, 10**15)


def errors(
    *,
    first_audio_ms: float | None = 1_000.25,
    true_ms: float = 1_000,
    late_ms: float | None = 0.5,
    response_id: str | None = "resp_00003",
    number: int = 7,
    window: Window = ALWAYS,
) -> list[float]:
    """Of one turn: its speech ends at 410 ms of the audio, in frame 20."""
    turn: dict[str, Any] = {
        "session_id": "w0-1",
        "response_id": response_id,
        "speech_end_ns": ZERO_NS + 410 * MS,
        "first_audio_ns": None if first_audio_ms is None else ZERO_NS + round(first_audio_ms * MS),
    }
    due_ns = [ZERO_NS + (k + 1) * 20 * MS for k in range(30)]
    sent_ns: list[int | None] = [due + 9 * MS for due in due_ns]
    sent_ns[20] = None if late_ms is None else due_ns[20] + round(late_ms * MS)
    ids = pa.array(["w0-1"] * 30).dictionary_encode()
    appends = pa.table(
        {"session_id": ids, "index": list(range(30)), "due_ns": due_ns, "sent_ns": sent_ns}
    )
    marks = [Mark.SPEECH_STARTED, Mark.FIRST_AUDIO, Mark.LAST_AUDIO]
    true_ns = ZERO_NS + round(true_ms * MS)
    truth = pa.table(
        {
            "session": [7] * 3,
            "turn": [3] * 3,
            "mark": [int(mark) for mark in marks],
            "sent_ns": [1, true_ns, 2],
        }
    )
    return ttfa_errors(
        pa.Table.from_pylist([turn], pa.schema(_TURN_FIELDS)),
        appends,
        truth,
        audio_starts_ns={"w0-1": ZERO_NS},
        numbers={"w0-1": number},
        window=window,
    )


_TURN_FIELDS = {
    "session_id": pa.string(),
    "response_id": pa.string(),
    "speech_end_ns": pa.int64(),
    "first_audio_ns": pa.int64(),
}


def test_error_is_the_arrival_s_and_that_of_the_frame_in_which_speech_ends() -> None:
    assert errors() == [pytest.approx(0.75)]
    assert errors(first_audio_ms=999.9, late_ms=0) == [pytest.approx(-0.1)]


def test_turns_that_cannot_be_compared_are_left_out() -> None:
    assert errors(first_audio_ms=None) == []
    assert errors(response_id=None) == []
    assert errors(response_id="resp_00004") == []
    assert errors(number=8) == []
    assert errors(late_ms=None) == []


def test_truth_outside_the_window_does_not_count() -> None:
    true_ns = ZERO_NS + 1_000 * MS
    assert errors(window=Window(true_ns, true_ns + 1)) == [pytest.approx(0.75)]
    assert errors(window=Window(true_ns + 1, true_ns + 2)) == []

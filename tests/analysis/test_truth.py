"""The error of the instrument, from turns and the server's log of the same turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from bench.analysis.truth import latency_errors

MS = 1_000_000
ZERO_NS = 5_000 * MS
SEGMENT = {
    "kind": "segment",
    "item_id": "item_1",
    "speech_started_ns": 6_200 * MS,
    "speech_stopped_ns": 8_600 * MS,
    # Speech starts at 1,000 and ends at 3,000 ms of the audio clock; each append of 20 ms.
    "onset_arrivals": [[980.0, 5_981 * MS], [1_000.0, 6_001 * MS], [1_020.0, 6_021 * MS]],
    "arrivals": [[2_990.0, 7_992 * MS], [3_010.0, 8_012 * MS]],
}
RESPONSE = {
    "kind": "response",
    "response_id": "resp_1",
    "response_created_ns": 8_610 * MS,
    "first_audio_ns": 9_000 * MS,
}


def turn(**changed: Any) -> Any:
    """A turn whose every arrival was stamped 0.5 ms after the server wrote it."""
    fields: dict[str, Any] = {
        "session_id": "w0-1",
        "item_id": "item_1",
        "response_id": "resp_1",
        "speech_start_ns": ZERO_NS + 1_000 * MS,
        "speech_end_ns": ZERO_NS + 3_000 * MS,
        "speech_started_ns": 6_200 * MS + MS // 2,
        "speech_stopped_ns": 8_600 * MS + MS // 2,
        "response_created_ns": 8_610 * MS + MS // 2,
        "first_audio_ns": 9_000 * MS + MS // 2,
    }
    return SimpleNamespace(**fields | changed)


def test_errors_are_measured_less_true() -> None:
    errors = latency_errors([turn()], [SEGMENT, RESPONSE], {"w0-1": ZERO_NS})
    assert errors == {
        # The audio up to 1,000 ms came 1 ms late: the server had less time than we measured.
        "onset_delay_ms": [pytest.approx(1.5)],
        # 3,000 ms is half-way into the append that came at 3,012 ms of the clock.
        "endpointing_delay_ms": [pytest.approx(2.5)],
        "response_latency_ms": [pytest.approx(0.0)],
        "model_latency_ms": [pytest.approx(0.0)],
        "ttfa_ms": [pytest.approx(2.5)],
    }


@pytest.mark.parametrize(
    ("changed", "truth", "starts", "missing"),
    [
        ({"first_audio_ns": None}, [SEGMENT, RESPONSE], {"w0-1": ZERO_NS}, {"ttfa_ms"}),
        ({}, [RESPONSE], {"w0-1": ZERO_NS}, {"ttfa_ms", "onset_delay_ms"}),
        ({}, [SEGMENT], {"w0-1": ZERO_NS}, {"ttfa_ms", "model_latency_ms"}),
        ({}, [SEGMENT, RESPONSE], {}, {"ttfa_ms", "onset_delay_ms", "endpointing_delay_ms"}),
        ({"item_id": "other"}, [SEGMENT, RESPONSE], {"w0-1": ZERO_NS}, {"ttfa_ms"}),
        ({"speech_end_ns": 99_000 * MS}, [SEGMENT, RESPONSE], {"w0-1": ZERO_NS}, {"ttfa_ms"}),
    ],
)
def test_what_is_unknown_on_either_side_has_no_error(
    changed: dict[str, Any], truth: list[Any], starts: dict[str, int], missing: set[str]
) -> None:
    errors = latency_errors([turn(**changed)], truth, starts)
    assert missing <= {name for name, values in errors.items() if not values}

"""What a run's own files change of its figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bench.problem import Problem
from bench.report.build import build_report, load_record
from bench.runs.event import APPEND_SCHEMA, EVENT_SCHEMA, SCHEMA_VERSION
from bench.runs.folder import RunFolder

ZERO_NS = 5_000_000_000
USAGE = {
    "input_tokens": 30,
    "output_tokens": 10,
    "input_token_details": {"text_tokens": 10, "audio_tokens": 20},
    "output_token_details": {"text_tokens": 4, "audio_tokens": 6},
}
ROWS: list[tuple[float, str, str, str | None, dict[str, Any] | None]] = [
    (
        0,
        "note",
        "utterance",
        None,
        {"turn": 0, "kind": "text", "speech_start_ms": 0, "speech_end_ms": 0},
    ),
    (1, "out", "response_create", None, None),
    (20, "in", "response_created", "resp", None),
    (400, "in", "response_done", "resp", {"status": "completed", "usage": USAGE}),
    (401, "note", "turn_ended", None, {"turn": 0, "reason": "done"}),
]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = {"schema_version": SCHEMA_VERSION, "run_id": "run", "model": "gpt-realtime-2"}
    folder = RunFolder.create(tmp_path / "run", run)
    rows = [
        {
            **dict.fromkeys(EVENT_SCHEMA.names),
            "session_id": "w0-00000",
            "seq": seq,
            "direction": direction,
            "kind": kind,
            "type": kind,
            "at_ns": ZERO_NS + round(ms * 1e6),
            "response_id": response_id,
            "detail": None if detail is None else json.dumps(detail),
        }
        for seq, (ms, direction, kind, response_id, detail) in enumerate(ROWS)
    ]
    for name, table in (
        ("events", pa.Table.from_pylist(rows, EVENT_SCHEMA)),
        ("appends", APPEND_SCHEMA.empty_table()),
    ):
        pq.write_table(table, tmp_path / "run" / "parts" / f"w0-000000.{name}.parquet")
    return folder


def test_a_turn_costs_what_the_list_says(folder: RunFolder) -> None:
    _, summary, _ = build_report(folder.events_path.parent)
    usage = summary["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (30, 10)
    dollars = 10 * 4 + 20 * 32 + 4 * 24 + 6 * 64
    assert usage["cost_usd"] == pytest.approx(dollars / 1e6)
    assert usage["prices"]["source"].endswith("/gpt-realtime-2")
    stored = pq.read_table(folder.turns_path)
    assert stored["cost_usd"].to_pylist() == [usage["cost_usd"]]
    assert stored["input_tokens"].to_pylist() == [30]


def test_prices_of_the_runs_own_take_their_place(folder: RunFolder) -> None:
    folder.prices_path.write_text(
        '["gpt-realtime-2"]\ntext_in = 0\ntext_out = 0\naudio_in = 1\naudio_out = 2\n'
    )
    (turn,) = load_record(folder).turns
    assert turn.cost_usd == pytest.approx((20 * 1 + 6 * 2) / 1e6)


@pytest.mark.parametrize("content", [b"[x", b"\xff\xfe"])
def test_prices_that_will_not_do_are_named(folder: RunFolder, content: bytes) -> None:
    folder.prices_path.write_bytes(content)
    with pytest.raises(Problem, match=r"prices\.toml: "):
        load_record(folder)

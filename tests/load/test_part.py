"""A part says what it holds: its files, what was used, how late its frames were."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import pyarrow.parquet as pq

from bench.analysis.budget import Tally
from bench.load.part import make_part
from bench.runs.recorder import Batch, Recorder

_MS = 1_000_000


def _batch(frames: int = 100) -> Batch:
    recorder = Recorder("w0")
    session = recorder.begin_session()
    for index in range(frames):
        due_ns = (index + 1) * 20 * _MS
        session.append(index, due_ns, due_ns + (5 * _MS if index == 99 else _MS))
    session.event("note", "utterance", 0)
    usage = {"total_tokens": 30, "input_tokens": 10, "output_tokens": 20}
    session.event("in", "response_done", 1, detail={"status": "completed", "usage": usage})
    return recorder.take()


def test_files_hold_every_row() -> None:
    files = make_part("w0", 7, _batch(), Tally()).files
    rows = {name: pq.read_table(io.BytesIO(data)).num_rows for name, data in files.items()}
    assert rows == {"w0-00007.events.parquet": 2, "w0-00007.appends.parquet": 100}


def test_what_was_used_is_added_to_what_was_used_before() -> None:
    once = make_part("w0", 0, _batch(), Tally()).tally
    assert (once.responses, once.open_turns) == (1, 1)
    twice = make_part("w0", 1, _batch(), once).tally
    assert (twice.responses, twice.open_turns) == (2, 2)
    assert twice.usage == once.usage + once.usage


def test_lateness_is_that_of_its_frames() -> None:
    late_ms = make_part("w0", 0, _batch(), Tally()).lateness_p99_ms
    assert late_ms is not None
    assert 1.0 < late_ms < 5.0


def test_nothing_recorded_is_no_lateness() -> None:
    assert make_part("w0", 0, Recorder("w0").take(), Tally()).lateness_p99_ms is None


def test_a_batch_may_be_sent_to_another_process() -> None:
    sent = pickle.loads(pickle.dumps(_batch(), 5))
    assert make_part("w0", 0, sent, Tally()) == make_part("w0", 0, _batch(), Tally())


def test_columns_are_lent_to_the_other_process_and_not_copied() -> None:
    """A copy of megabytes would keep the interpreter from the engine."""
    lent: list[pickle.PickleBuffer] = []
    body = pickle.dumps(_batch(frames=20_000), 5, buffer_callback=lent.append)
    assert len(body) < 10_000
    assert sum(len(column.raw()) for column in lent) >= 20_000 * 8 * 3
    whole, sent = _batch(frames=20_000), pickle.loads(body, buffers=lent)
    assert make_part("w0", 0, sent, Tally()) == make_part("w0", 0, whole, Tally())


def test_it_needs_no_gevent() -> None:
    """It is made in a process that must not be patched."""
    code = "import sys, bench.load.part, bench.load.scribe; sys.exit('gevent' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0

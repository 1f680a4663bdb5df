"""A worker's record reaches the folder whole; in a process of its own, which Locust patches."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_SCRIPT = r"""
import gc, json, sys, time
from pathlib import Path
from types import SimpleNamespace as Simple

import bench.load.worker as worker
import configargparse
import gevent
import pyarrow.parquet as pq
from bench.load.arguments import add_arguments
from gevent import monkey

folder = Path(sys.argv[1])
(folder / "parts").mkdir()
parser = configargparse.ArgumentParser()
add_arguments(parser)
environment = Simple(
    parsed_options=parser.parse_args([]), host="ws://127.0.0.1:1", runner=Simple(client_id="c")
)
collector = gc.get_threshold(), gc.get_freeze_count(), list(gc.callbacks)
told = {}
made = worker.RunWorker(environment, "w0", folder, told.__setitem__)
apply = made._scribe.apply
writing = []


def slowly(*arguments):
    writing.append(True)
    monkey.get_original("time", "sleep")(0.3)
    return apply(*arguments)


made._scribe.apply = slowly
pen = made._recorder.begin_session()
pen.event("note", "connected", 1)
pen.event("note", "utterance", 2)
usage = {"input_tokens": 7, "input_token_details": {"audio_tokens": 7}}
pen.event("in", "response_done", 3, detail={"usage": usage})
while not writing:
    gevent.sleep(0.01)
made.watch.note_lateness(7.5)
made.watch.note_lateness(2.5)
strains = [made.watch.take_strain(), made.watch.take_strain()]
made.close()
rows = [pq.read_table(path).num_rows for path in (folder / "parts").glob("*.events.parquet")]
as_before = collector == (gc.get_threshold(), gc.get_freeze_count(), list(gc.callbacks))
print(json.dumps({"rows": rows, "told": told, "as before": as_before, "strains": strains}))
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from gevent import monkey; monkey.patch_all()\n" + _SCRIPT,
            str(tmp_path_factory.mktemp("run")),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_part_that_is_being_written_at_the_end_is_not_lost(ran: dict[str, Any]) -> None:
    assert ran["rows"] == [3]


def test_a_worker_tells_what_was_used(ran: dict[str, Any]) -> None:
    tally = ran["told"]["closed"]["tally"]
    assert (tally["responses"], tally["silent"], tally["open_turns"]) == (1, 0, 1)
    assert sum(tally["usage"]) == 7 + 7


def test_a_worker_tells_what_the_run_took_of_its_process(ran: dict[str, Any]) -> None:
    opened, closed = ran["told"]["opened"], ran["told"]["closed"]
    assert {*opened, "tally"} == closed.keys()
    assert closed["process"]["cpu_user_s"] > 0
    assert closed["process"]["sending_s"] == 0  # a session that never opened
    assert closed["max_rss_bytes"] == closed["process"]["rss_max_bytes"] > 10 * 2**20
    assert closed["stalls"]["count"] == 0
    assert len(closed["collector"]["generations"]) == 3


def test_a_run_leaves_the_garbage_collector_as_it_was(ran: dict[str, Any]) -> None:
    assert ran["as before"]


def test_the_worst_lateness_is_told_once(ran: dict[str, Any]) -> None:
    (_, first_ms, *_), (_, second_ms, *_) = ran["strains"]
    assert (first_ms, second_ms) == (7.5, None)

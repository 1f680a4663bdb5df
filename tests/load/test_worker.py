"""A worker's record reaches the folder whole; in a process of its own, which Locust patches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_SCRIPT = r"""
import sys, time
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
made = worker.RunWorker(environment, "w0", folder, lambda name, data: None)
part_files = worker.part_files
writing = []


def slowly(*arguments):
    writing.append(True)
    monkey.get_original("time", "sleep")(0.3)
    return part_files(*arguments)


worker.part_files = slowly
made._recorder.begin_session().event("note", "connected", 1)
while not writing:
    gevent.sleep(0.01)
made.close()
print(sum(pq.read_table(path).num_rows for path in (folder / "parts").glob("*.events.parquet")))
"""


def test_a_part_that_is_being_written_at_the_end_is_not_lost(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from gevent import monkey; monkey.patch_all()\n" + _SCRIPT,
            str(tmp_path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1"]

"""What `rtbench report` costs on a large run: seconds, memory, bytes.

The command runs in a process of its own, on parts as workers leave them behind; then the page
alone is rendered once more in another. Reported, not asserted:

    python -m tests.benchmarks.report_scale [--turns 100000] [--appends 10000000] [--deltas 20]

Prints one row of a table, and the same as JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from tests.benchmarks.large_run import Size, write_run

MIB = 2**20
IMPORTS = "from pathlib import Path; from bench.report import data, page; "
RENDER = IMPORTS + "page.render_page(data.ReportData.load(Path({!r})))"


class Cost(NamedTuple):
    """What one process took."""

    wall_s: float
    cpu_s: float
    peak_mib: float


def cost_of(command: list[str]) -> Cost:
    """Run a command to its end.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    begin_s = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall_s = time.perf_counter() - begin_s
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def measure(folder: Path, size: Size) -> dict[str, float]:
    """Write a run into `folder` and report on it; figures by name."""
    # Elsewhere: a child's peak begins with what its parent ever held.
    writer = multiprocessing.get_context("spawn").Process(target=write_run, args=(folder, size))
    writer.start()
    writer.join()
    report = cost_of([sys.executable, "-m", "bench.cli", "report", str(folder)])
    page = cost_of([sys.executable, "-c", RENDER.format(str(folder))])
    nothing = cost_of([sys.executable, "-c", IMPORTS])
    return {
        "turns": size.turns,
        "events": pq.read_metadata(folder / "events.parquet").num_rows,
        "appends": pq.read_metadata(folder / "appends.parquet").num_rows,
        "report_s": round(report.wall_s, 1),
        "report_cpu_s": round(report.cpu_s, 1),
        "report_peak_mib": round(report.peak_mib),
        "page_s": round(page.wall_s - nothing.wall_s, 1),
        "page_peak_mib": round(page.peak_mib),
        "imports_mib": round(nothing.peak_mib),
        "page_mib": round((folder / "report.html").stat().st_size / MIB, 2),
        "events_mib": round((folder / "events.parquet").stat().st_size / MIB, 1),
        "appends_mib": round((folder / "appends.parquet").stat().st_size / MIB, 1),
    }


def main() -> None:
    """Print a row and the same as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=100_000)
    parser.add_argument("--appends", type=int, default=10_000_000)
    parser.add_argument(
        "--deltas", type=int, default=20, help="pairs of audio and text in each reply"
    )
    parser.add_argument("--folder", type=Path, help="where to keep the run; else it is forgotten")
    chosen = parser.parse_args()
    size = Size(chosen.turns, chosen.appends, chosen.deltas)
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(chosen.folder or Path(scratch) / "large", size)
    print("turns    events     appends     report s   MiB    page s   MiB    report.html MiB")
    print(
        f"{figures['turns']:<8} {figures['events']:<10} {figures['appends']:<11} "
        f"{figures['report_s']:<10} {figures['report_peak_mib']:<6} {figures['page_s']:<8} "
        f"{figures['page_peak_mib']:<6} {figures['page_mib']}"
    )
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

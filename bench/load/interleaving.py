"""Runs two targets by turns in one job, a short Locust run per block, and judges the second."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.dialects.base import Endpoint
from bench.gate.interleaved import AB_NAME, AB_VERSION, block_name, judge_ab
from bench.gate.outputs import Outputs, tell
from bench.gate.reading import read_run
from bench.load.command import (
    EXIT_INTERRUPTED,
    WITH_A_RECORD,
    find_scenario,
    locust_command,
)
from bench.problem import Problem

LONGEST_BLOCK_S = 3600.0
GRACE_S = 120.0
"""For a block to start, let its last turns end and write its report; then it is ended."""

_TIME = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


@dataclass(frozen=True, slots=True)
class Interleaving:
    """What an A/B consists of; `rest` goes to Locust as it is.

    Raises:
        Problem: the number of blocks is odd, or the time of one cannot be read or is too long.
    """

    url_a: str
    url_b: str
    scenario: str
    blocks: int
    block_time: str
    users: int
    rest: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.blocks % 2:
            raise Problem(f"--blocks {self.blocks}: must be even; each pair is a block of either")
        if not 0 < self.block_s <= LONGEST_BLOCK_S:
            raise Problem(
                f"--block-time {self.block_time!r}: write a time such as 30s or 2m, "
                "an hour at most"
            )

    @property
    def block_s(self) -> float:
        """Seconds of a block; 0 where `block_time` is no time."""
        match = _TIME.fullmatch(self.block_time.strip())
        hours, minutes, seconds = (
            (int(part or 0) for part in match.groups()) if match else (0,) * 3
        )
        return float(hours * 3600 + minutes * 60 + seconds)


def run_ab(job: Interleaving, runs_dir: Path, names: list[str], outputs: Outputs) -> int:
    """Run all blocks, tell the decision; its exit code, 130 when interrupted.

    Raises:
        Problem: a target cannot be used, or a block left no record.
    """
    scenario = find_scenario(job.scenario)
    folder = runs_dir / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-ab"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Problem(f"{folder}: cannot be made ({error.strerror})") from None
    shown = [Endpoint(url, ()).redacted_url for url in (job.url_a, job.url_b)]
    facts = {"schema_version": AB_VERSION, "a": shown[0], "b": shown[1], "blocks": job.blocks}
    (folder / AB_NAME).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    for number in range(job.blocks):
        try:
            _run_block(job, scenario, folder, number)
        except KeyboardInterrupt:
            say = f"interrupted; `rtbench compare {folder}` judges the blocks that are whole"
            print(f"\nrtbench: {say}", file=sys.stderr)  # noqa: T201
            return EXIT_INTERRUPTED
    code = tell(judge_ab(folder, names), outputs)
    print(f"\nBlocks: {folder.absolute()}")  # noqa: T201
    return code


def _run_block(job: Interleaving, scenario: Path, folder: Path, number: int) -> None:
    name = block_name(number)
    command = locust_command(
        scenario,
        users=job.users,
        spawn_rate=job.users,
        run_time=job.block_time,
        host=job.url_a if name[-1] == "a" else job.url_b,
    )
    command += [*job.rest, "--runs-dir", str(folder), "--run-id", name]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)  # noqa: S603 - ours
        try:
            code = process.wait(job.block_s + GRACE_S)
        except subprocess.TimeoutExpired:
            raise Problem(
                f"block {name}: not over {GRACE_S:g} s after its time; {log} says why"
            ) from None
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    if code not in WITH_A_RECORD:
        raise Problem(_last_words(log, name))
    print(_progress(folder / name, number, job.blocks), flush=True)  # noqa: T201


def _progress(folder: Path, number: int, blocks: int) -> str:
    run = read_run(folder)
    ttfa = (run.summary.get("metrics") or {}).get("ttfa_ms") or {}
    median = (ttfa.get("p50") or {}).get("value")
    told = (
        "no turns measured" if median is None else f"{ttfa['n']} turns, ttfa p50 {median:.0f} ms"
    )
    text = f"block {number + 1} of {blocks}, {folder.name[-1].upper()}: {told}"
    return f"{text}; INVALID: {run.invalid[0]}" if run.invalid else text


def _last_words(log: Path, name: str) -> str:
    """What a run that could not start said last; its own problems are one line each."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if line.startswith("rtbench: ")]
    if said:
        return f"block {name}: {said[-1].removeprefix('rtbench: ')}"
    return f"block {name}: left no record; {log} says why"

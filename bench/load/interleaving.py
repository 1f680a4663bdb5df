"""Runs two targets by turns in one job, a short Locust run per block, and judges the second."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import configargparse  # type: ignore[import-untyped] # Locust brings it

from bench.audio.catalogue import Catalogue, default_directory
from bench.dialects.base import Endpoint
from bench.gate.interleaved import AB_NAME, AB_VERSION, block_name, judge_ab
from bench.gate.outputs import Outputs, tell
from bench.gate.reading import ReadRun, read_run
from bench.load.arguments import add_arguments
from bench.load.checks import LEAST_USD
from bench.load.child import Ending, run_child
from bench.load.command import (
    EXIT_INTERRUPTED,
    EXIT_OVER_BUDGET,
    WITH_A_RECORD,
    find_scenario,
    locust_command,
)
from bench.load.consent import Consent
from bench.load.cost import foresee_cost, speech_of
from bench.problem import Problem
from bench.quiet import is_quiet
from bench.session.dialect_file import find_dialect

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
    """Run all blocks, tell the decision; its exit code, 130 when interrupted, 4 over --max-usd.

    Raises:
        Problem: a target cannot be used, the user does not agree to what it may cost, or a block
            left no record.
    """
    scenario = find_scenario(job.scenario)
    shown = [Endpoint(url, ()).redacted_url for url in (job.url_a, job.url_b)]
    max_usd = _agree(job, scenario, shown)
    folder = runs_dir / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-ab"
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise Problem(f"{folder}: cannot be made ({error.strerror})") from None
    facts = {"schema_version": AB_VERSION, "a": shown[0], "b": shown[1], "blocks": job.blocks}
    (folder / AB_NAME).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    try:
        stopped = _run_blocks(job, scenario, folder, max_usd)
    except KeyboardInterrupt:  # between two blocks
        stopped = EXIT_INTERRUPTED
    if stopped is not None:
        why = "interrupted" if stopped == EXIT_INTERRUPTED else f"--max-usd {max_usd:g} is spent"
        say = f"{why}; `rtbench compare {folder}` judges the blocks that are whole"
        print(f"\nrtbench: {say}", file=sys.stderr)  # noqa: T201
        return stopped
    code = tell(judge_ab(folder, names), outputs)
    print(f"\nBlocks: {folder.absolute()}")  # noqa: T201
    return code


def _agree(job: Interleaving, scenario: Path, targets: list[str]) -> float | None:
    """Ask once for all blocks, as none of them has a terminal; what may be spent on all."""
    parser = configargparse.ArgumentParser(prog="rtbench ab", allow_abbrev=False, add_help=False)
    add_arguments(parser)
    options, _ = parser.parse_known_args(list(job.rest))
    catalogue = Catalogue.open(Path(options.fixtures) if options.fixtures else default_directory())
    cost = foresee_cost(
        options,
        options.model or find_dialect(options.dialect).default_model,
        speech_of(catalogue, [scenario]),
        callers=job.users,
        seconds=job.block_s,
        runs=job.blocks,
    )
    Consent().obtain(targets, cost, given=options.yes)
    max_usd: float | None = options.max_usd
    return max_usd


def _run_blocks(
    job: Interleaving, scenario: Path, folder: Path, max_usd: float | None
) -> int | None:
    """Run one block after the other; None if all are whole, else the exit code."""
    spent_usd = 0.0
    for number in range(job.blocks):
        left_usd = None if max_usd is None else max_usd - spent_usd
        if left_usd is not None and left_usd < LEAST_USD:
            return EXIT_OVER_BUDGET
        ending = _run_block(job, scenario, folder, number, left_usd)
        name = block_name(number)
        if ending.asked:
            return EXIT_INTERRUPTED
        if ending.code not in WITH_A_RECORD:
            raise Problem(_last_words(folder / f"{name}.log", name))
        run = read_run(folder / name)
        if not is_quiet():
            print(_progress(run, number, job.blocks), flush=True)  # noqa: T201
        spent_usd += (run.run.get("spending") or {}).get("spent_usd") or 0.0
        if ending.code == EXIT_OVER_BUDGET:
            return EXIT_OVER_BUDGET
    return None


def _run_block(
    job: Interleaving, scenario: Path, folder: Path, number: int, left_usd: float | None
) -> Ending:
    name = block_name(number)
    command = locust_command(
        scenario,
        users=job.users,
        spawn_rate=job.users,
        run_time=job.block_time,
        host=job.url_a if name[-1] == "a" else job.url_b,
    )
    command += [*job.rest, "--yes", "--runs-dir", str(folder), "--run-id", name]
    command += [] if left_usd is None else ["--max-usd", f"{left_usd:.6f}"]
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        try:
            return run_child(command, output=output, timeout_s=job.block_s + GRACE_S)
        except subprocess.TimeoutExpired:
            raise Problem(
                f"block {name}: not over {GRACE_S:g} s after its time; {log} says why"
            ) from None


def _progress(run: ReadRun, number: int, blocks: int) -> str:
    ttfa = (run.summary.get("metrics") or {}).get("ttfa_ms") or {}
    median = (ttfa.get("p50") or {}).get("value")
    told = (
        "no turns measured" if median is None else f"{ttfa['n']} turns, ttfa p50 {median:.0f} ms"
    )
    text = f"block {number + 1} of {blocks}, {run.path.name[-1].upper()}: {told}"
    return f"{text}; INVALID: {run.invalid[0]}" if run.invalid else text


def _last_words(log: Path, name: str) -> str:
    """What a run that could not start said last; its own problems are one line each."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    said = [line for line in lines if line.startswith("rtbench: ")]
    if said:
        return f"block {name}: {said[-1].removeprefix('rtbench: ')}"
    return f"block {name}: left no record; {log} says why"

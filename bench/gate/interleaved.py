"""Turns the folder of an A/B, a run per block, into a decision about its second target."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.analysis.decision import Decision
from bench.analysis.gate import judge
from bench.analysis.measures import GATED
from bench.analysis.pairing import Block, comparisons_of_blocks
from bench.gate.comparing import refuse_unlike
from bench.gate.reading import ReadRun, read_run
from bench.problem import Problem

AB_NAME = "ab.json"
AB_VERSION = 1
MOST_LOST = 0.25
"""Share of the pairs of blocks that may be lost before the whole is invalid."""


def block_name(number: int) -> str:
    """Folder of a block, counted from 0: `01-a`, `02-b`, `03-b`, `04-a`, …: ABBA."""
    return f"{number + 1:02d}-{'abba'[number % 4]}"


def is_ab(path: Path) -> bool:
    """Whether a folder holds the blocks of an A/B."""
    return (path / AB_NAME).is_file()


def judge_ab(path: Path, names: Sequence[str] = GATED) -> Decision:
    """What the blocks of an A/B say of its target B.

    A pair counts if both its blocks are valid: the other build's half of it would see another
    hour. INVALID if more than MOST_LOST of the pairs are lost.

    Raises:
        Problem: it is no folder of an A/B, or its blocks are of unlike plans.
    """
    facts = _facts(path)
    pairs = int(facts["blocks"]) // 2
    kept: tuple[list[Block], list[Block]] = ([], [])
    lost: list[str] = []
    for pair in range(pairs):
        runs, reasons = _pair(path, pair)
        if reasons:
            lost.append(f"blocks {2 * pair + 1} and {2 * pair + 2}: {reasons[0]}")
            continue
        refuse_unlike(runs["a"], runs["b"])
        for side, name in zip(kept, "ab", strict=True):
            side.append(Block(pair, runs[name].tables))
    label, against = f"B {facts['b']}", f"A {facts['a']}"
    if not kept[0] or len(lost) > MOST_LOST * pairs:
        return Decision(label, against, tuple(lost))
    gate = judge(comparisons_of_blocks(kept, names))
    notes = [f"{len(kept[0])} pairs of interleaved blocks"]
    notes += [f"left out {reason}" for reason in lost]
    return Decision(label, against, gate=gate, notes=tuple(notes))


def _facts(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads((path / AB_NAME).read_text(encoding="utf-8"))
        if facts["schema_version"] != AB_VERSION:
            raise Problem(f"{path / AB_NAME}: is of another version of rtbench")
        return {"a": facts["a"], "b": facts["b"], "blocks": int(facts["blocks"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(f"{path / AB_NAME}: cannot be read ({error!r})") from None


def _pair(path: Path, pair: int) -> tuple[dict[str, ReadRun], list[str]]:
    """Both blocks of a pair by side, and why they do not count."""
    runs: dict[str, ReadRun] = {}
    reasons: list[str] = []
    for number in (2 * pair, 2 * pair + 1):
        name = block_name(number)
        try:
            run = read_run(path / name)
        except Problem as problem:
            reasons.append(str(problem))
            continue
        runs[name[-1]] = run
        reasons += run.invalid
    return runs, reasons

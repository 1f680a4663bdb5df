"""Turns tables into sections of scenarios/RESULTS.md, each replaced when measured anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.runs.environment import describe_host
from tests.benchmarks.results import describe_machine

PAGE = Path(__file__).resolve().parents[3] / "scenarios" / "RESULTS.md"
_FIRST_LINES = """\
# What the scenarios show against the embedded server

Written by `make scenarios WRITE=1`, with `FAULTS=1` and `WITHHELD=1`; not to be edited by hand.
"""


def markdown(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A section: a heading and a table."""
    lines = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads), *rows)]
    return f"## {title}\n\n" + "\n".join(lines) + "\n"


def put_section(page: str, section: str) -> str:
    """`page` with a section in place of the one whose heading begins with the same words."""
    key = " ".join(section.split()[1:3])
    parts = re.split(r"(?m)^(?=## )", page or _FIRST_LINES)
    kept = [part.rstrip() + "\n" for part in parts if " ".join(part.split()[1:3]) != key]
    return "\n".join([*kept, section])


def write_section(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Keep a table, and on which machine it was measured."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else ""
    section = markdown(title, heads, rows)
    section += f"\nMachine: {describe_machine(describe_host())}.\n"
    PAGE.write_text(put_section(page, section), encoding="utf-8")

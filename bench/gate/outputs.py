"""Writes a decision where it is wanted: terminal, Markdown, JUnit, JSON, the job's own page."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.decision import Decision
from bench.gate.junit import junit_xml
from bench.gate.markdown import markdown
from bench.gate.terminal import print_decision
from bench.problem import Problem

SUMMARY_VARIABLE = "GITHUB_STEP_SUMMARY"


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files to write, None for those not wanted; what is inconclusive fails if `strict`."""

    strict: bool = False
    junit: Path | None = None
    md: Path | None = None
    json: Path | None = None


def tell(decision: Decision, outputs: Outputs) -> int:
    """Print and write the decision; its exit code.

    Raises:
        Problem: a file cannot be written.
    """
    print_decision(decision)
    content = decision.to_json(strict=outputs.strict)
    summary = markdown(decision)
    if outputs.junit is not None:
        _write(outputs.junit, junit_xml(decision, strict=outputs.strict))
    if outputs.md is not None:
        _write(outputs.md, summary)
    if outputs.json is not None:
        _write(outputs.json, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    page = os.environ.get(SUMMARY_VARIABLE)
    if page:
        _write(Path(page), summary + "\n", append=True)
    return decision.exit_code(strict=outputs.strict)


def _write(path: Path, text: str, *, append: bool = False) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if append else "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Problem(f"{path}: cannot be written ({error.strerror})") from None

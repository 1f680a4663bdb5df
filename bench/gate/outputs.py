"""Writes a decision where it is wanted: terminal, Markdown, JUnit, JSON, the job's own page."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.analysis.decision import Decision
from bench.gate.junit import junit_xml
from bench.gate.markdown import markdown
from bench.gate.terminal import print_decision
from bench.report.delivery import STDOUT, deliver, deliver_json

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
    # What people read makes way for what a program reads from stdout.
    aside = STDOUT in {outputs.junit, outputs.md, outputs.json}
    print_decision(decision, Console(highlight=False, stderr=aside))
    summary = markdown(decision)
    if outputs.junit is not None:
        deliver(junit_xml(decision, strict=outputs.strict), outputs.junit)
    if outputs.md is not None:
        deliver(summary, outputs.md)
    if outputs.json is not None:
        deliver_json(decision.to_json(strict=outputs.strict), outputs.json)
    page = os.environ.get(SUMMARY_VARIABLE)
    if page:
        deliver(summary + "\n", Path(page), append=True)
    return decision.exit_code(strict=outputs.strict)

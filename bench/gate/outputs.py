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
from bench.report.delivery import deliver

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
        deliver(junit_xml(decision, strict=outputs.strict), outputs.junit)
    if outputs.md is not None:
        deliver(summary, outputs.md)
    if outputs.json is not None:
        deliver(json.dumps(content, indent=2, ensure_ascii=False) + "\n", outputs.json)
    page = os.environ.get(SUMMARY_VARIABLE)
    if page:
        deliver(summary + "\n", Path(page), append=True)
    return decision.exit_code(strict=outputs.strict)

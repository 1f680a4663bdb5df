"""Turns measured sections into RESULTS.json and RESULTS.md beside this file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.runs.environment import describe_host
from tests.benchmarks.duty import PERIOD_MS, Duty
from tests.benchmarks.table import Row, Section, markdown_table

JSON_PATH = Path(__file__).with_name("RESULTS.json")
PAGE_PATH = Path(__file__).with_name("RESULTS.md")

_FIRST_LINES = """\
# What the engine does on this machine

Written by `make bench WRITE=1` and `make soak WRITE=1`; not to be edited by hand.
"""


def read_results(path: Path = JSON_PATH) -> dict[str, Any]:
    """What was measured before; nothing where there is no file."""
    if not path.exists():
        return {"levels": {}, "steps": {}}
    results: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return results


def read_levels(path: Path = JSON_PATH) -> dict[str, int]:
    """Sessions that each client carried, to begin the next search from."""
    levels: dict[str, int] = read_results(path)["levels"]
    return levels


def add_results(
    results: dict[str, Any],
    steps: Mapping[str, Sequence[Section]],
    levels: Mapping[str, int | None],
) -> dict[str, Any]:
    """`results` with the steps measured now in the place of those of the same name."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    found = {name: level for name, level in levels.items() if level is not None}
    measured = {
        name: {"measured_at": now, "sections": [asdict(section) for section in sections]}
        for name, sections in steps.items()
    }
    return {
        "machine": describe_machine(describe_host()),
        "duty": describe_duty(),
        "levels": {**results["levels"], **found},
        "steps": {**results["steps"], **measured},
    }


def describe_machine(host: Mapping[str, Any]) -> str:
    """Host facts in a line, without its name."""
    packages = ", ".join(f"{name} {version}" for name, version in host["packages"].items())
    return (
        f"{host['cores']} cores of {host['cpu_model']}, {host['memory_bytes'] / 2**30:.0f} GiB, "
        f"{host['system']}, {host['implementation']} {host['python']}; {packages}"
    )


def describe_duty(duty: Duty | None = None) -> str:
    """What each session does all the time, in a line."""
    duty = duty or Duty()
    reply_s, period_s = duty.reply_ms / 1000, PERIOD_MS / 1000
    audio_kb_s = 24_000 * 2 * 4 / 3 / 1000
    return (
        f"each session sends 20 ms of audio 50 times a second ({audio_kb_s:.0f} kB/s of Base64) "
        f"and gets a spoken reply of {reply_s:g} s every {period_s:g} s, at {duty.speed:g} times "
        f"real time in deltas of {duty.delta_ms} ms ({audio_kb_s * reply_s / period_s:.0f} kB/s "
        f"on average, {audio_kb_s * duty.speed:.0f} kB/s while it lasts)"
    )


def page(results: Mapping[str, Any]) -> str:
    """RESULTS.md."""
    lines = [_FIRST_LINES, f"Machine: {results['machine']}.", "", f"Load: {results['duty']}."]
    for name, step in results["steps"].items():
        sections = [
            Section(each["title"], [Row(**row) for row in each["rows"]], each["figures"])
            for each in step["sections"]
        ]
        lines += ["", f"## {name}, {step['measured_at']}", "", markdown_table(sections)]
    return "\n".join(lines) + "\n"


def write_results(results: Mapping[str, Any]) -> None:
    """Replace both files."""
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    JSON_PATH.write_text(text, encoding="utf-8")
    PAGE_PATH.write_text(page(results), encoding="utf-8")

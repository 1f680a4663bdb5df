"""Turns what is typed so far into scenarios that a shell may complete it to."""

from __future__ import annotations

from bench.load.command import scenarios_directory


def complete_scenario(incomplete: str) -> list[str]:
    """Scenarios that come with rtbench; a shell adds the files there are by itself."""
    names = sorted(path.stem for path in scenarios_directory().glob("*.py"))
    return [name for name in names if name.startswith(incomplete)]

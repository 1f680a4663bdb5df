"""Prints what of the host and the target decides how far figures can be trusted."""

from __future__ import annotations

import json
from dataclasses import asdict

from rich.console import Console

from bench.dialects import DIALECTS
from bench.problem import Problem
from bench.quiet import is_quiet
from bench.session.probe import Check, check_host, probe_target
from bench.session.target import target_endpoint

TIMEOUT_S = 5.0


def examine(host: str, console: Console, *, as_json: bool = False) -> bool:
    """Print one line per check, or all as a JSON array; whether all are fine.

    Where quiet is asked for, only what is not fine is printed.

    Raises:
        Problem: `host` is no WebSocket URL, or the key must not be sent to it.
    """
    checks = [*check_host(), _reachability(host)]
    if as_json:
        text = json.dumps([asdict(check) for check in checks], indent=2, ensure_ascii=False)
        console.print(text, highlight=False, markup=False, soft_wrap=True)
    else:
        for check in checks:
            if not (check.fine and is_quiet()):
                _print(check, console)
    return all(check.fine for check in checks)


def _print(check: Check, console: Console) -> None:
    mark = "ok  " if check.fine else "warn"
    console.print(f"{mark} {check.name}: {check.found}", highlight=False, markup=False)
    if not check.fine and check.advice:
        console.print(f"     {check.advice}", highlight=False, markup=False)


def _reachability(host: str) -> Check:
    dialect = DIALECTS["openai"]
    endpoint = target_endpoint(dialect, host, "gpt-realtime")
    try:
        probe_target(endpoint, dialect, TIMEOUT_S)
    except Problem as problem:
        return Check("target", False, str(problem))
    return Check("target", True, f"{endpoint.redacted_url} accepts a session")

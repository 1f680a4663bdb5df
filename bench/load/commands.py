"""Turns `rtbench ab` into one call; what it needs is imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.gate import commands as gate

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Options that are not ours go to Locust."""


def ab(
    context: typer.Context,
    url_a: Annotated[str, typer.Argument(metavar="URL_A", help="The build there is.")],
    url_b: Annotated[str, typer.Argument(metavar="URL_B", help="The build to judge.")],
    scenario: Annotated[str, typer.Option(help="A locustfile, or the name of one.")] = "ask",
    blocks: Annotated[int, typer.Option(min=2, help="Runs in all, an even number.")] = 24,
    block_time: Annotated[str, typer.Option(help="How long each is, such as 30s.")] = "30s",
    users: Annotated[int, typer.Option("--users", "-u", min=1, help="Concurrent callers.")] = 10,
    runs_dir: Annotated[Path, typer.Option(help="Where its folder is made.")] = Path("reports"),
    metric: gate.Metrics = None,
    strict: gate.Strict = False,
    junit: gate.Junit = None,
    md: gate.Md = None,
    json: gate.Json = None,
) -> None:
    """Judge two targets in one job, in short runs by turns: A B B A A B B A ...

    The most sensitive form: both see the same host and hour, so that nothing need
    be known of how runs differ by themselves. Every other option goes to Locust.

    Example: rtbench ab ws://127.0.0.1:8765 ws://127.0.0.1:8766 -u 20
    """
    from bench.gate.outputs import Outputs
    from bench.load.interleaving import Interleaving, run_ab

    job = Interleaving(url_a, url_b, scenario, blocks, block_time, users, tuple(context.args))
    outputs = Outputs(strict, junit, md, json)
    raise typer.Exit(run_ab(job, runs_dir, gate.measure_names(metric), outputs))

"""Turns `rtbench demo` and `ab` into one call each; what they need is imported when they run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from bench.gate import commands as gate
from bench.load.completion import complete_scenario
from bench.load.config_file import CONFIG_VARIABLE, NO_CONFIG
from bench.load.options import RunTime, Users, check_time
from bench.problem import Problem

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Options that are not ours go to Locust."""


def demo(
    users: Users = 20,
    run_time: RunTime = "30s",
    runs_dir: Annotated[Path, typer.Option(help="Where the run's folder is made.")] = Path(
        "reports"
    ),
) -> None:
    """Start the embedded server, run 20 callers against it for 30 s, write a report.

    Example: rtbench demo -u 5 -t 10s
    """
    from bench.load.demo import run_demo

    refuse_file(runs_dir)
    leave_config_out()
    raise typer.Exit(run_demo(users=users, run_time=run_time, runs_dir=runs_dir))


def refuse_file(runs_dir: Path) -> None:
    """See that runs can be put there, before a server is started for them.

    Raises:
        Problem: it is a file.
    """
    if runs_dir.exists() and not runs_dir.is_dir():
        raise Problem(f"--runs-dir {runs_dir}: is a file; choose another folder")


def leave_config_out() -> None:
    """Have the processes that we start go by our own options, whatever a file says of runs."""
    os.environ[CONFIG_VARIABLE] = NO_CONFIG


def ab(
    context: typer.Context,
    url_a: Annotated[str, typer.Argument(metavar="URL_A", help="The build there is.")],
    url_b: Annotated[str, typer.Argument(metavar="URL_B", help="The build to judge.")],
    scenario: Annotated[
        str,
        typer.Option(help="A locustfile, or the name of one.", autocompletion=complete_scenario),
    ] = "ask",
    blocks: Annotated[int, typer.Option(min=2, help="Runs in all, an even number.")] = 24,
    block_time: Annotated[
        str, typer.Option(help="How long each is, such as 30s.", callback=check_time)
    ] = "30s",
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

"""Turns the words of `rtbench report` into one call."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.gate.commands import Limits, Store
from bench.gate.completion import STORE, complete_baseline, complete_run

EXIT_CODES = (
    "Exit codes: 0 fine, 2 wrong usage, 130 interrupted; with --verdict also 1 regression or "
    "limit broken, 3 invalid run."
)


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN", help="Folder of a run.", autocompletion=complete_run),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="Tell changes from this: a stored baseline's name, or a run's folder.",
            autocompletion=complete_baseline,
        ),
    ] = None,
    limits: Limits = None,
    despite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD",
            help="A field in which a run's plan may differ from the baseline's; may be repeated.",
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Where the page goes. Default: report.html in the folder of the run, "
            "comparison.html beside the folder of the first of several.",
        ),
    ] = None,
    md: Annotated[
        Path | None,
        typer.Option("--md", metavar="FILE", help="Write a short summary in Markdown there."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write a row for each metric and run there."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all figures there.")
    ] = None,
    verdict: Annotated[
        bool,
        typer.Option("--verdict", help="Tell the verdict, or an invalid run, by the exit code."),
    ] = False,
    store: Store = STORE,
) -> None:
    """Make the page of a run anew from its events, or one page of several runs.

    With --baseline or --limits the page leads with the verdict that
    `rtbench check` comes to. Several runs stand side by side, each named by the
    options that set it apart: a sweep over an option becomes one page. A FILE
    of - is stdout.

    Example: rtbench report reports/RUN --baseline main --md summary.md

    Example: rtbench report reports/*-vad-silence-ms-* --html sweep.html
    """
    from bench.gate.judging import Yardstick
    from bench.gate.reports import Wanted, report_run, report_runs

    yardstick = Yardstick.of(store, baseline, limits, despite or ())
    wanted = Wanted(html, md, csv, json)
    if len(runs) == 1:
        code = report_run(runs[0], yardstick, wanted)
    else:
        code = report_runs(runs, yardstick, wanted)
    if verdict:
        raise typer.Exit(code)

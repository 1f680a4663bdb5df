"""Turns `rtbench baseline …` into one call each; what a command needs is imported when it runs."""

# ruff: noqa: PLC0415 - a command loads what it needs

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.gate.commands import EXIT_INVALID, STORE_CODES, Store
from bench.gate.completion import STORE, complete_baseline, complete_run

app = typer.Typer(
    help="Keep runs to compare with: promote one, list them, show one.",
    epilog=STORE_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("promote", epilog=STORE_CODES)
def promote_runs(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN",
            help="The run; earlier ones of the same build before.",
            autocompletion=complete_run,
        ),
    ],
    name: Annotated[str, typer.Option(help="What to call it.")] = "main",
    commit: Annotated[
        str | None, typer.Option(help="Commit of what was measured. Default: CI's, else git's.")
    ] = None,
    keep: Annotated[int, typer.Option(min=0, help="Past runs kept as history.")] = 9,
    store: Store = STORE,
) -> None:
    """Make a run the baseline; the one before it becomes history.

    History tells how much runs differ by themselves, so that a busy afternoon is
    no regression. Given several runs of one build, the last is the baseline.

    Example: rtbench baseline promote reports/RUN --name main
    """
    from bench.gate.baselines import promote
    from bench.gate.comparing import invalid_reasons, refuse_unlike
    from bench.gate.provenance import describe_baseline
    from bench.gate.reading import read_run

    read = [read_run(path) for path in runs]
    reasons = invalid_reasons(*read)
    if reasons:
        typer.echo("\n".join(f"INVALID: {reason}" for reason in reasons), err=True)
        raise typer.Exit(EXIT_INVALID)
    for run in read[:-1]:
        refuse_unlike(run, read[-1])
    facts = describe_baseline(read[-1], commit)
    stored, words = promote(store, name, read, facts=facts, keep=keep)
    typer.echo(f"{stored.path}: {read[-1].name}, {words}")


@app.command("list", epilog=STORE_CODES)
def list_stored(as_json: AsJson = False, store: Store = STORE) -> None:
    """List the stored baselines: run, commit, host, turns, past runs.

    Example: rtbench baseline list
    """
    from bench.gate.baselines import list_baselines
    from bench.report.delivery import STDOUT, deliver_json

    stored = list_baselines(store)
    if as_json:
        deliver_json([_facts(each.note, each.history) for each in stored], STDOUT)
        return
    if not stored:
        typer.echo(f"none in {store}; `rtbench baseline promote RUN` makes one")
    for each in stored:
        commit = str(each.note.get("commit") or "no commit")[:12]
        typer.echo(
            f"{each.name}: {each.note.get('run_id')}, {commit}, {each.note.get('host')}, "
            f"{each.note.get('turns')} turns, {len(each.history)} past runs"
        )


@app.command("show", epilog=STORE_CODES)
def show_stored(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="As `list` names it.", autocompletion=complete_baseline
        ),
    ] = "main",
    as_json: AsJson = False,
    store: Store = STORE,
) -> None:
    """Show what a baseline is known by, and its past runs.

    Example: rtbench baseline show main
    """
    from bench.gate.baselines import open_baseline
    from bench.report.delivery import STDOUT, deliver_json

    stored = open_baseline(store, name)
    if as_json:
        deliver_json(_facts(stored.note, stored.history), STDOUT)
        return
    for key, value in stored.note.items():
        typer.echo(f"{key:<14} {value if value is not None else '-'}")
    for path in stored.history:
        typer.echo(f"{'past run':<14} {path.name}")


def _facts(note: dict[str, object], history: tuple[Path, ...]) -> dict[str, object]:
    return {**note, "past_runs": [path.name for path in history]}

"""Turns `rtbench compare`, `check`, `plan` and `baseline …` into one call each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.problem import Problem, suggest

EXIT_CODES = (
    "Exit codes: 0 pass, 1 regression or limit broken, 2 wrong usage, 3 invalid run, "
    "5 inconclusive under --strict, 130 interrupted."
)
STORE_CODES = "Exit codes: 0 fine, 2 wrong usage, 3 invalid run, 130 interrupted."
EXIT_INVALID = 3

Strict = Annotated[
    bool, typer.Option("--strict", help="Exit with 5 when the verdict is INCONCLUSIVE.")
]
Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Compare this one instead of the usual six; may be repeated.",
    ),
]
Despite = Annotated[
    list[str] | None,
    typer.Option(metavar="FIELD", help="A field of the plan that may differ; may be repeated."),
]
Junit = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML there.")
]
Md = Annotated[
    Path | None, typer.Option("--md", metavar="FILE", help="Write a Markdown summary there.")
]
Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write JSON there.")]
Store = Annotated[Path, typer.Option("--store", metavar="DIR", help="Folder of stored baselines.")]
_STORE = Path("reports/baselines")

baseline_app = typer.Typer(
    help="Keep runs to compare with: promote one, list them, show one.",
    epilog=STORE_CODES,
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def compare(
    baseline: Annotated[
        Path, typer.Argument(metavar="A", help="Folder of a run, or of an rtbench ab.")
    ],
    candidate: Annotated[
        Path | None, typer.Argument(metavar="[B]", help="Folder of the run to judge.")
    ] = None,
    metric: Metrics = None,
    despite: Despite = None,
    strict: Strict = False,
    junit: Junit = None,
    md: Md = None,
    json: Json = None,
) -> None:
    """Compare run B with run A: effects with intervals, verdicts, what would show.

    Verdicts: PASS, REGRESSION, INCONCLUSIVE (with the turns that would tell) and
    INVALID. The runs must be of one plan. With one folder of `rtbench ab`, its
    blocks are judged anew.

    Example: rtbench compare reports/monday reports/tuesday --strict
    """
    from bench.gate.comparing import compare_read
    from bench.gate.interleaved import is_ab, judge_ab
    from bench.gate.outputs import Outputs, tell
    from bench.gate.reading import read_run

    names = measure_names(metric)
    if candidate is None:
        if not is_ab(baseline):
            raise Problem(f"{baseline}: compared with what? give a second run")
        decision = judge_ab(baseline, names)
    else:
        runs = read_run(baseline), read_run(candidate)
        decision = compare_read(*runs, names=names, despite=despite or ())
    raise typer.Exit(tell(decision, Outputs(strict, junit, md, json)))


def check(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of the run to judge.")],
    baseline: Annotated[
        str | None,
        typer.Option(metavar="B", help="A stored baseline's name, or the folder of a run."),
    ] = None,
    limits: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Limits such as: ttfa_ms p95 < 900")
    ] = None,
    metric: Metrics = None,
    despite: Despite = None,
    strict: Strict = False,
    junit: Junit = None,
    md: Md = None,
    json: Json = None,
    store: Store = _STORE,
) -> None:
    """Judge a run in CI: against absolute limits, against a baseline, or both.

    A limits file is a YAML list of sentences: `- ttfa_ms p95 < 900`,
    `- cut_off rate < 2%`. A limit is broken when the figure is beyond it, and
    holds when even the far end of its 95 % interval keeps it. Past runs of a
    stored baseline tell how much runs differ by themselves. The Markdown is also
    appended to $GITHUB_STEP_SUMMARY.

    Example: rtbench check reports/RUN --baseline main --limits limits.yaml
    """
    from bench.gate.baselines import find_baseline
    from bench.gate.comparing import check_limits, compare_read, read_history, read_limits
    from bench.gate.outputs import Outputs, tell
    from bench.gate.reading import read_run

    candidate = read_run(run)
    if candidate.invalid:
        decision = check_limits(candidate, ())
        raise typer.Exit(tell(decision, Outputs(strict, junit, md, json)))
    if baseline is None and limits is None:
        raise Problem("nothing to check the run against; give --baseline, --limits or both")
    held = read_limits(limits) if limits is not None else []
    if baseline is None:
        decision = check_limits(candidate, held)
    else:
        path, past = find_baseline(store, baseline)
        decision = compare_read(
            read_run(path),
            candidate,
            history=read_history(past),
            names=measure_names(metric),
            despite=despite or (),
            limits=held,
        )
    raise typer.Exit(tell(decision, Outputs(strict, junit, md, json)))


def plan(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a pilot run.")],
    detect: Annotated[
        str, typer.Option(metavar="SHARE", help="The slowdown to be found, such as 10%.")
    ] = "10%",
    baseline: Annotated[
        str | None, typer.Option(metavar="B", help="Whose past runs tell how runs differ.")
    ] = None,
    metric: Metrics = None,
    store: Store = _STORE,
) -> None:
    """Tell from a pilot run how many turns, minutes and dollars a gate would need.

    Example: rtbench plan reports/PILOT --detect 10%
    """
    from bench.gate.baselines import find_baseline
    from bench.gate.comparing import read_history
    from bench.gate.planning import parse_share, plan_efforts, print_plan
    from bench.gate.reading import read_run

    effect = parse_share(detect)
    pilot = read_run(run)
    if pilot.invalid:
        typer.echo(f"INVALID: {pilot.invalid[0]}", err=True)
        raise typer.Exit(EXIT_INVALID)
    found = find_baseline(store, baseline) if baseline else None
    past = read_history([found[0], *found[1]]) if found else []
    print_plan(pilot, effect, plan_efforts(pilot, past, effect, measure_names(metric)))


@baseline_app.command("promote", epilog=STORE_CODES)
def promote_runs(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="The run; earlier ones of the same build before."),
    ],
    name: Annotated[str, typer.Option(help="What to call it.")] = "main",
    commit: Annotated[
        str | None, typer.Option(help="Commit of what was measured. Default: CI's, else git's.")
    ] = None,
    keep: Annotated[int, typer.Option(min=0, help="Past runs kept as history.")] = 9,
    store: Store = _STORE,
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


@baseline_app.command("list", epilog=STORE_CODES)
def list_stored(store: Store = _STORE) -> None:
    """List the stored baselines: run, commit, host, turns, past runs."""
    from bench.gate.baselines import list_baselines

    stored = list_baselines(store)
    if not stored:
        typer.echo(f"none in {store}; `rtbench baseline promote RUN` makes one")
    for each in stored:
        commit = str(each.note.get("commit") or "no commit")[:12]
        typer.echo(
            f"{each.name}: {each.note.get('run_id')}, {commit}, {each.note.get('host')}, "
            f"{each.note.get('turns')} turns, {len(each.history)} past runs"
        )


@baseline_app.command("show", epilog=STORE_CODES)
def show_stored(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `list` names it.")] = "main",
    store: Store = _STORE,
) -> None:
    """Show what a baseline is known by, and its past runs."""
    from bench.gate.baselines import open_baseline

    stored = open_baseline(store, name)
    for key, value in stored.note.items():
        typer.echo(f"{key:<14} {value if value is not None else '-'}")
    for path in stored.history:
        typer.echo(f"{'past run':<14} {path.name}")


def measure_names(metrics: list[str] | None) -> list[str]:
    """What to compare: those named, else the usual ones.

    Raises:
        Problem: one is no metric of turns and no rate.
    """
    from bench.analysis.measures import GATED, RATES
    from bench.analysis.metrics import METRICS

    known = [name for name, metric in METRICS.items() if metric.scope == "turn"]
    known = [name for name in known if METRICS[name].better in {"lower", "higher"}] + [*RATES]
    for name in metrics or ():
        if name not in known:
            raise Problem(
                f"--metric {name!r}: is nothing that turns are compared by; {suggest(name, known)}"
            )
    return list(dict.fromkeys(metrics)) if metrics else list(GATED)

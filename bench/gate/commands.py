"""Turns `rtbench compare`, `check` and `plan` into one call each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.gate.completion import STORE, complete_baseline, complete_run
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
Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write JSON there; - is stdout.")
]
Limits = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Limits such as: ttfa_ms p95 < 900")
]
Store = Annotated[Path, typer.Option("--store", metavar="DIR", help="Folder of stored baselines.")]


def compare(
    baseline: Annotated[
        Path,
        typer.Argument(
            metavar="A",
            help="Folder of a run, or of an rtbench ab.",
            autocompletion=complete_run,
        ),
    ],
    candidate: Annotated[
        Path | None,
        typer.Argument(
            metavar="B", help="Folder of the run to judge.", autocompletion=complete_run
        ),
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
    run: Annotated[
        Path,
        typer.Argument(
            metavar="RUN", help="Folder of the run to judge.", autocompletion=complete_run
        ),
    ],
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="A stored baseline's name, or the folder of a run.",
            autocompletion=complete_baseline,
        ),
    ] = None,
    limits: Limits = None,
    confirm: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN2",
            help="A regression stands only if this fresh run repeats it.",
            autocompletion=complete_run,
        ),
    ] = None,
    metric: Metrics = None,
    despite: Despite = None,
    strict: Strict = False,
    junit: Junit = None,
    md: Md = None,
    json: Json = None,
    store: Store = STORE,
) -> None:
    """Judge a run in CI: against absolute limits, against a baseline, or both.

    A limits file is a YAML list of sentences: `- ttfa_ms p95 < 900`,
    `- cut_off rate < 2%`. A limit is broken when the figure is beyond it, and
    holds when even the far end of its 95 % interval keeps it. Past runs of a
    stored baseline tell how much runs differ by themselves. The Markdown is also
    appended to $GITHUB_STEP_SUMMARY.

    With --confirm a regression stands only if RUN2, a fresh run of the same
    build, gets worse in the same metric too. If it does not, that is INCONCLUSIVE
    and no PASS: the two runs contradict each other. Limits are held against RUN
    alone.

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
    if confirm is not None and baseline is None:
        raise Problem("--confirm repeats what --baseline compares; give --baseline too")
    held = read_limits(limits) if limits is not None else []
    if baseline is None:
        decision = check_limits(candidate, held)
    else:
        path, past = find_baseline(store, baseline)
        if confirm is not None and confirm.resolve() in {run.resolve(), path.resolve()}:
            raise Problem(f"--confirm {confirm}: is compared already; give a fresh run")
        decision = compare_read(
            read_run(path),
            candidate,
            fresh=None if confirm is None else read_run(confirm),
            history=read_history(past),
            names=measure_names(metric),
            despite=despite or (),
            limits=held,
        )
    raise typer.Exit(tell(decision, Outputs(strict, junit, md, json)))


def plan(
    run: Annotated[
        Path,
        typer.Argument(metavar="RUN", help="Folder of a pilot run.", autocompletion=complete_run),
    ],
    detect: Annotated[
        str, typer.Option(metavar="SHARE", help="The slowdown to be found, such as 10%.")
    ] = "10%",
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="B",
            help="Whose past runs tell how runs differ.",
            autocompletion=complete_baseline,
        ),
    ] = None,
    metric: Metrics = None,
    json: Json = None,
    store: Store = STORE,
) -> None:
    """Tell from a pilot run how many turns, minutes and dollars a gate would need.

    Example: rtbench plan reports/PILOT --detect 10%
    """
    from bench.gate.baselines import find_baseline
    from bench.gate.comparing import read_history
    from bench.gate.planning import parse_share, plan_efforts, plan_json, print_plan
    from bench.gate.reading import read_run
    from bench.report.delivery import STDOUT, deliver_json

    effect = parse_share(detect)
    pilot = read_run(run)
    if pilot.invalid:
        typer.echo(f"INVALID: {pilot.invalid[0]}", err=True)
        raise typer.Exit(EXIT_INVALID)
    found = find_baseline(store, baseline) if baseline else None
    past = read_history([found[0], *found[1]]) if found else []
    prospects = plan_efforts(pilot, past, effect, measure_names(metric))
    print_plan(pilot, effect, prospects, Console(highlight=False, stderr=json == STDOUT))
    if json is not None:
        deliver_json(plan_json(effect, prospects), json)


def measure_names(metrics: list[str] | None) -> list[str]:
    """What to compare: those named, else the usual ones.

    Raises:
        Problem: one is no metric of turns and no rate.
    """
    from bench.analysis.measures import GATED, RATES
    from bench.analysis.metrics import METRICS

    compared = {"lower", "higher"}
    known = [m.name for m in METRICS.values() if m.scope == "turn" and m.better in compared]
    known += RATES
    for name in metrics or ():
        if name not in known:
            raise Problem(
                f"--metric {name!r}: is nothing that turns are compared by; {suggest(name, known)}"
            )
    return list(dict.fromkeys(metrics)) if metrics else list(GATED)

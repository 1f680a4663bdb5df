"""Turns `rtbench report` into the page of a run, or of several side by side, and into files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.analysis.decision import EXIT_CODES, Decision
from bench.analysis.finding import INVALID
from bench.gate.comparing import check_limits
from bench.gate.judging import Yardstick
from bench.gate.lines import judgement_of, limit_line
from bench.gate.markdown import markdown
from bench.gate.reading import ReadRun, read_run
from bench.gate.terminal import print_decision
from bench.problem import Problem
from bench.quiet import is_quiet
from bench.report.build import rebuild, write_page
from bench.report.comparison import ComparedRun, Comparison, compare
from bench.report.comparison_page import render_comparison
from bench.report.delivery import STDOUT, deliver
from bench.report.exports import figures_csv, figures_json
from bench.report.markdown import comparison_markdown, run_markdown
from bench.report.text import print_comparison, print_summary

COMPARISON_NAME = "comparison.html"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the page and the other forms of it go; None where one is not wanted.

    Without `html` the page goes where it belongs.
    """

    html: Path | None = None
    md: Path | None = None
    csv: Path | None = None
    json: Path | None = None

    def console(self) -> Console:
        """What people read, out of the way of what a program reads from stdout.

        Raises:
            Problem: more than one of the files is stdout.
        """
        named = {"--html": self.html, "--md": self.md, "--csv": self.csv, "--json": self.json}
        asked = [option for option, target in named.items() if target == STDOUT]
        if len(asked) > 1:
            raise Problem(f"{' and '.join(asked)}: only one of them can go to stdout")
        return Console(highlight=False, stderr=bool(asked))


def report_run(path: Path, yardstick: Yardstick, wanted: Wanted) -> int:
    """Rebuild one run, judge it if there is something to hold it against, write and print.

    Gives the exit code that the verdict stands for.

    Raises:
        Problem: it is no run folder, it is its own baseline, or a file cannot be written.
    """
    console = wanted.console()
    if yardstick.baseline is not None and yardstick.baseline.resolve() == path.resolve():
        raise Problem(f"--baseline {yardstick.baseline}: is the run itself; give another")
    run, summary = rebuild(path)
    read = read_run(path)
    asked = yardstick.baseline is not None or yardstick.limits
    decision = yardstick.judge(read) if asked else None
    judgement = None if decision is None else judgement_of(decision)
    page = write_page(path, judgement, wanted.html)
    if is_quiet():
        # Of verdicts it leaves those that are none to be quiet about, invalid runs among them.
        print_decision(decision or check_limits(read, ()), Console(highlight=False, stderr=True))
        _tell_path(console, page)
    else:
        if decision is not None:
            print_decision(decision, console)
            console.print()
        print_summary(run, summary, None if page == STDOUT else page, console)
    if wanted.md is not None:
        judged = "" if decision is None else markdown(decision) + "\n"
        deliver(judged + run_markdown(run, summary), wanted.md)
    shown = compare([_compared(read)])
    _export(shown, wanted, decision)
    if decision is not None:
        return decision.exit_code()
    return 0 if summary["validity"]["valid"] else EXIT_CODES[INVALID]


def report_runs(paths: Sequence[Path], yardstick: Yardstick, wanted: Wanted) -> int:
    """Show several runs side by side; changes are told from the baseline, else from the first.

    Gives the worst exit code that validity and limits stand for.

    Raises:
        Problem: one is no run folder or is given twice, or a file cannot be written.
    """
    console = wanted.console()
    folders = list(paths)
    if yardstick.baseline is not None:
        others = [path for path in paths if path.resolve() != yardstick.baseline.resolve()]
        folders = [yardstick.baseline, *others]
    _refuse_twice(paths)
    runs = [read_run(path) for path in folders]
    decisions = [check_limits(run, yardstick.limits) for run in runs]
    shown = compare(
        [_compared(run, decision) for run, decision in zip(runs, decisions, strict=True)]
    )
    page = wanted.html or paths[0].parent / COMPARISON_NAME
    deliver(render_comparison(shown), page)
    if is_quiet():
        _tell_path(console, page)
    else:
        print_comparison(shown, None if page == STDOUT else page, console)
    if wanted.md is not None:
        deliver(comparison_markdown(shown), wanted.md)
    _export(shown, wanted, None)
    return max(decision.exit_code() for decision in decisions)


def _tell_path(console: Console, page: Path) -> None:
    if page != STDOUT:
        console.print(str(page), markup=False, soft_wrap=True)


def _refuse_twice(paths: Sequence[Path]) -> None:
    known: set[Path] = set()
    for path in paths:
        if path.resolve() in known:
            raise Problem(f"{path}: is given twice; name each run once")
        known.add(path.resolve())


def _compared(run: ReadRun, decision: Decision | None = None) -> ComparedRun:
    limits = () if decision is None else tuple(map(limit_line, decision.limits))
    return ComparedRun(run.path, run.run, run.summary, run.tables.turns, run.invalid, limits)


def _export(shown: Comparison, wanted: Wanted, decision: Decision | None) -> None:
    if wanted.csv is not None:
        deliver(figures_csv(shown.runs), wanted.csv)
    if wanted.json is not None:
        judged = None if decision is None else decision.to_json()
        deliver(figures_json(shown, judged), wanted.json)

"""Turns read runs into decisions: compared with each other, held against limits, or both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil
from pathlib import Path

import numpy as np

from bench.analysis.decision import Decision
from bench.analysis.drift import DRIFTING, find_drift
from bench.analysis.finding import REGRESSION, GateResult
from bench.analysis.gate import confirm, judge
from bench.analysis.history import ASSUMED_NOISE
from bench.analysis.holding import LimitFinding, hold
from bench.analysis.likeness import unlike_fields
from bench.analysis.limits import Limit, parse_limits
from bench.analysis.measures import GATED, REFUSED, instants_s
from bench.analysis.pairing import comparisons_of_runs, noise_of
from bench.analysis.sample import RATIO
from bench.gate.reading import ReadRun, read_run, session_samples
from bench.problem import Problem


def compare_read(
    baseline: ReadRun,
    candidate: ReadRun,
    *,
    fresh: ReadRun | None = None,
    history: Sequence[ReadRun] = (),
    names: Sequence[str] = GATED,
    despite: Collection[str] = (),
    limits: Sequence[Limit] = (),
) -> Decision:
    """The decision about `candidate`; INVALID of any run comes before anything else.

    With a `fresh` run of the same build, regressions stand only if it repeats them; limits are
    held against `candidate` alone. `history` are past runs of the baseline's plan: those that
    are valid tell how runs differ by themselves. `despite` names fields of the plans that may
    differ.

    Raises:
        Problem: the plans are unlike; the message names the fields.
    """
    runs = (candidate,) if fresh is None else (candidate, fresh)
    invalid = invalid_reasons(*runs, baseline)
    if invalid:
        return Decision(candidate.name, baseline.name, invalid)
    for run in runs:
        refuse_unlike(baseline, run, despite)
    like = [run for run in history if not run.invalid and not unlike_fields(baseline.run, run.run)]
    noise = noise_of([run.tables for run in (baseline, *like)], names)

    def judged(run: ReadRun) -> GateResult:
        return judge(comparisons_of_runs(baseline.tables, run.tables, names, noise))

    gate, notes = judged(candidate), _notes(baseline, candidate, len(like))
    if fresh is not None:
        gate = confirm(gate, judged(fresh)) if gate.verdict == REGRESSION else gate
        notes.append(_said_of(fresh, gate))
    return Decision(
        candidate.name,
        baseline.name,
        gate=gate,
        limits=tuple(hold_limits(candidate, limits)),
        notes=tuple(notes),
        run_noise=noise,
    )


def check_limits(candidate: ReadRun, limits: Sequence[Limit]) -> Decision:
    """The decision about a run that is compared with nothing."""
    invalid = invalid_reasons(candidate)
    if invalid:
        return Decision(candidate.name, None, invalid)
    return Decision(candidate.name, limits=tuple(hold_limits(candidate, limits)))


def invalid_reasons(*runs: ReadRun) -> tuple[str, ...]:
    """Why one of `runs` cannot be judged, each with the run's name."""
    return tuple(f"{run.name}: {reason}" for run in runs for reason in run.invalid)


def refuse_unlike(baseline: ReadRun, candidate: ReadRun, despite: Collection[str] = ()) -> None:
    """Refuse two runs whose plans differ in a field that `despite` does not name.

    Raises:
        Problem: they do.
    """
    unlike = [
        each for each in unlike_fields(baseline.run, candidate.run) if each.field not in despite
    ]
    if unlike:
        fields = "; ".join(map(str, unlike[:5])) + ("; …" if len(unlike) > 5 else "")
        raise Problem(
            f"{candidate.name} and {baseline.name} are of unlike plans and say nothing of each "
            f"other: {fields}. Run the same plan, or add --despite {unlike[0].field} if it is "
            "what you mean to compare"
        )


def read_limits(path: Path) -> list[Limit]:
    """The limits in a file.

    Raises:
        Problem: it cannot be read, or is wrong in a line that the message names.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: cannot be read ({error})") from None
    return parse_limits(text, str(path))


def hold_limits(run: ReadRun, limits: Sequence[Limit]) -> list[LimitFinding]:
    """What came of each limit, in their order."""
    names = {limit.measure.name for limit in limits if limit.measure.scope == "session"}
    openings = names - {REFUSED}
    samples = session_samples(run.path, openings) if openings else {}
    for limit in limits:
        name = limit.measure.name
        if name not in samples:
            samples[name] = run.tables.sample(name)
    return [hold(limit, samples[limit.measure.name]) for limit in limits]


def read_history(folders: Sequence[Path]) -> list[ReadRun]:
    """Past runs, as far as they can be read."""
    found = []
    for folder in folders:
        try:
            found.append(read_run(folder))
        except Problem:  # of an older version: it says nothing any more
            continue
    return found


def _said_of(fresh: ReadRun, gate: GateResult) -> str:
    """What asking a fresh run came to."""
    if not gate.confirmed:
        return f"{fresh.name} was not asked: there is no regression to repeat"
    repeated = "repeats a regression" if gate.verdict == REGRESSION else "repeats no regression"
    return f"{fresh.name}, a fresh run, {repeated}"


def _drift(run: ReadRun) -> list[str]:
    """A run that was still warming up has a trend, no latency: what to know of it."""
    sample, at_s = run.tables.sample("ttfa_ms"), instants_s(run.tables.turns)
    known = ~np.isnan(at_s)
    drift = find_drift(sample.take(known), at_s[known])
    if drift.verdict != DRIFTING or drift.change is None:
        return []
    change = f"{100 * drift.change:+.0f}%" if drift.scale == RATIO else f"{drift.change:+.0f} ms"
    mend = "run longer, with a longer --warmup-s"
    if drift.steady_from_s is not None:
        seconds = ceil(drift.steady_from_s)
        mend = f"it was from {seconds} s on: run with --warmup-s {seconds}"
    return [f"{run.name} was not steady: time to first audio changed by {change} over it; {mend}"]


def _notes(baseline: ReadRun, candidate: ReadRun, past: int) -> list[str]:
    notes = []
    if past:
        notes.append(f"what runs differ by themselves was seen on {past + 1} runs")
    else:
        notes.append(
            f"no past runs: runs are taken to differ by {ASSUMED_NOISE:.0%} by themselves; "
            "`rtbench ab` needs no such assumption"
        )
    notes += [*_drift(baseline), *_drift(candidate)]
    for what, key in (("host", "host"), ("Python", "python"), ("rtbench", "rtbench")):
        first, second = (
            (run.run.get("environment") or {}).get(key) for run in (baseline, candidate)
        )
        if first != second:
            notes.append(f"the baseline had another {what}: {first}, now {second}")
    return notes

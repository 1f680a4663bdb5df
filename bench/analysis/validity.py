"""Turns what a run recorded of itself into reasons why its figures are not to be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from bench.analysis.estimate import dollars
from bench.analysis.pacing import PacingResult
from bench.analysis.statistics import Distribution
from bench.runs.causes import CAUSES, FEWER_USERS

LATENESS_LIMIT_MS = 10.0
CLIENT_LAG_LIMIT_MS = 10.0
WARNING_MS = 5.0
"""p99 of lateness or of client lag from which on a valid run calls for care."""

UNSENT_LIMIT = 0.01
"""Share of frames never sent: above it the p99 lateness of those due has no bound."""

BUSY_LIMIT = 0.05
BUSY_LEAST_S = 5.0
"""Without a spare tenth of a core for this part of the time, and for so long: no passing burst."""

CPU_WARNING = 0.75
"""Share of one core over any five seconds."""

STALLED_LIMIT = 0.01
STALLED_LEAST_MS = 200.0
"""Stalled for this part of the time, and for so long in all: no single accident."""

STALLED_WARNING = 0.002
STALL_WARNING_MS = 50.0
"""Part of the time, or length of one stall, from which on a valid run calls for care."""

WAITING_WARNING = 0.05
"""Share of the time that a worker was ready to run and had no processor."""

CLOCK_STEP_WARNING_MS = 1.0

_Worker = Mapping[str, Any]


class _TimeLost(NamedTuple):
    """A sentence that is to end with what the time was lost to, and what helps."""

    words: str


_Sentence: TypeAlias = str | _TimeLost


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a run says of its own instrument, in sentences with number, limit and mend.

    Any of `reasons` makes the run invalid; `warnings` call for care.
    """

    reasons: list[str]
    warnings: list[str]

    def to_json(self) -> dict[str, Any]:
        """`validity` of summary.json."""
        return {"valid": not self.reasons, "reasons": self.reasons, "warnings": self.warnings}


def judge_run(
    run: Mapping[str, Any],
    pacing: PacingResult,
    client_lag_ms: Distribution,
    measured_turns: int,
) -> Judgement:
    """Whether the instrument, not the target, was the limit of a run; `run` is run.json.

    What the target held back is not held against the instrument. Workers that tell nothing of
    their effort, as in older folders, are judged by their frames and endings alone.
    """
    workers = {name: worker or {} for name, worker in sorted((run.get("workers") or {}).items())}
    late_ms = pacing.lateness_ms
    lags = (
        ("Frames left late", "lateness", late_ms, LATENESS_LIMIT_MS),
        ("Received events lay unread", "client lag", client_lag_ms, CLIENT_LAG_LIMIT_MS),
    )
    reasons: list[_Sentence] = [*_endings(run, workers)]
    warnings: list[_Sentence] = []
    for what, name, found, limit_ms in lags:
        p99 = found.p99.value or 0.0
        told = f"{what}: p99 {name} is {p99:.1f} ms"
        if p99 > limit_ms:
            reasons.append(_TimeLost(f"{told}, limit {limit_ms:g} ms"))
        elif p99 > WARNING_MS:
            warnings.append(_TimeLost(f"{told}, invalid above {limit_ms:g} ms"))
    reasons += _unsent(pacing)
    busy = _busy(workers)
    if (late_ms.p99.value or 0.0) > WARNING_MS:
        reasons += busy
    else:
        warnings += busy
    if not busy:
        warnings += _hard_at_work(workers)
    stalled = _stalled(workers)
    reasons += stalled
    if not stalled:
        warnings += _stalls(workers)
    warnings += [*_host(run, workers), *_stamps(workers), *_cut_short(run)]
    if measured_turns < 1:
        reasons.append(
            "No turn was measured: each was cold, in warm-up or unreviewed, or none was begun."
        )
    sentences = list(_ended([*reasons, *warnings], _mend(workers)))
    return Judgement(sentences[: len(reasons)], sentences[len(reasons) :])


def _ended(sentences: Sequence[_Sentence], mend: str) -> Iterator[str]:
    """Whole sentences; the first of time lost gives `mend`, and it is not said again."""
    for sentence in sentences:
        if isinstance(sentence, str):
            yield sentence
        else:
            yield f"{sentence.words}{mend}."
            mend = ""


def _endings(run: Mapping[str, Any], workers: Mapping[str, _Worker]) -> list[str]:
    reasons = []
    if run.get("ended_at") is None:
        reasons.append("The run did not end properly: ended_at is missing from run.json.")
    if not workers:
        reasons.append("No worker handed in its records.")
    reasons += [
        f"Worker {name} did not end properly: its last records may be missing."
        for name, worker in workers.items()
        if worker.get("ended") != "closed"
    ]
    return reasons


def _unsent(pacing: PacingResult) -> list[str]:
    """Frames that were never so much as offered to a socket."""
    missing, due = pacing.lateness_ms.missing, pacing.frames_due
    share = missing / due if due else 0.0
    if share <= UNSENT_LIMIT:
        return []
    counts = f"{missing} of {due} due"
    return [f"Frames were never sent: {counts} ({share:.1%}), limit {UNSENT_LIMIT:.0%}."]


def _mend(workers: Mapping[str, _Worker]) -> str:
    """What most of the stalled time was owing to, and what helps: the end of a sentence."""
    total_ms: dict[str, float] = {}
    for worker in workers.values():
        for cause, tally in (_stalls_of(worker).get("by_cause") or {}).items():
            total_ms[cause] = total_ms.get(cause, 0.0) + tally["total_ms"]
    if not total_ms:
        return f"; {FEWER_USERS}, or use a quieter machine"
    if "backlog" in total_ms:  # most of it is the catching up after another stall
        total_ms["backlog"] /= 4
    main = max(total_ms, key=total_ms.__getitem__)
    cause = CAUSES.get(main)
    if cause is None:
        return f", mostly owing to {main}"
    return f", mostly owing to {cause.words}; {cause.mend}"


def _busy(workers: Mapping[str, _Worker]) -> list[str]:
    def part(worker: _Worker) -> float | None:
        busy_s, sending_s = (_process_of(worker).get(key) for key in ("busy_s", "sending_s"))
        if not busy_s or not sending_s or busy_s < BUSY_LEAST_S:
            return None
        return float(busy_s / sending_s)

    subject, worst = _worst(workers, part)
    if worst <= BUSY_LIMIT:
        return []
    limit = f"limit {BUSY_LIMIT:.0%}"
    return [
        f"{subject} used over 90% of a core for {worst:.0%} of the time, {limit}; {FEWER_USERS}."
    ]


def _hard_at_work(workers: Mapping[str, _Worker]) -> list[str]:
    subject, worst = _worst(workers, _process_value("cpu_share_peak"))
    if worst <= CPU_WARNING:
        return []
    limit = f"worth a look above {CPU_WARNING:.0%}"
    return [
        f"{subject} used up to {worst:.0%} of a core over five seconds, {limit}; {FEWER_USERS}."
    ]


def _stalled_part(worker: _Worker) -> float | None:
    total_ms = _stalls_of(worker).get("total_ms")
    sending_s = _process_of(worker).get("sending_s")
    return total_ms / 1000 / sending_s if total_ms and sending_s else None


def _stalled(workers: Mapping[str, _Worker]) -> list[_TimeLost]:
    def part(worker: _Worker) -> float | None:
        total_ms = _stalls_of(worker).get("total_ms") or 0.0
        return _stalled_part(worker) if total_ms >= STALLED_LEAST_MS else None

    subject, worst = _worst(workers, part)
    if worst <= STALLED_LIMIT:
        return []
    limit = f"limit {STALLED_LIMIT:.0%}"
    return [_TimeLost(f"{subject} stalled for {worst:.1%} of the time, {limit}")]


def _stalls(workers: Mapping[str, _Worker]) -> list[_TimeLost]:
    subject, longest_ms = _worst(workers, lambda worker: _stalls_of(worker).get("worst_ms"))
    if longest_ms > STALL_WARNING_MS:
        limit = f"worth a look above {STALL_WARNING_MS:g} ms"
        return [_TimeLost(f"{subject} stalled for {longest_ms:.0f} ms at one time, {limit}")]
    subject, worst = _worst(workers, _stalled_part)
    if worst > STALLED_WARNING:
        limit = f"invalid above {STALLED_LIMIT:.0%}"
        return [_TimeLost(f"{subject} stalled for {worst:.1%} of the time, {limit}")]
    return []


def _host(run: Mapping[str, Any], workers: Mapping[str, _Worker]) -> list[str]:
    warnings = []
    host = run.get("environment") or {}
    load, cores = host.get("load_average"), host.get("cores")
    if load and cores and load[0] > cores:
        warnings.append(
            f"The machine was busy when the run began: load average {load[0]:.1f} "
            f"on {cores} cores; use a quieter machine."
        )
    for key, what in (
        ("waited_share", "waited for a processor"),
        ("stolen_share", "ran on a host whose hypervisor took its processors away"),
    ):
        subject, worst = _worst(workers, _process_value(key))
        if worst > WAITING_WARNING:
            warnings.append(
                f"{subject} {what} for {worst:.0%} of the time, "
                f"worth a look above {WAITING_WARNING:.0%}; {CAUSES['host'].mend}."
            )
    return warnings


def _cut_short(run: Mapping[str, Any]) -> list[str]:
    spending = run.get("spending") or {}
    how, spent_usd, max_usd = (spending.get(key) for key in ("cut_short", "spent_usd", "max_usd"))
    if how is None or spent_usd is None or max_usd is None:
        return []
    what = "The run was cut short" if how == "spent" else "No sessions were begun towards the end"
    return [f"{what}: {dollars(spent_usd)} were spent, limit --max-usd {max_usd:g}; raise it."]


def _stamps(workers: Mapping[str, _Worker]) -> list[str]:
    warnings = []
    subject, _ = _worst(workers, lambda worker: float(worker.get("kernel_stamps") is False))
    if subject:
        warnings.append(
            f"{subject} had no receive stamps from the kernel: an arrival is when our own code "
            "saw it, so that a busy process makes latencies longer; run on Linux."
        )
    subject, worst_ms = _worst(workers, _clock_step_ms)
    if worst_ms > CLOCK_STEP_WARNING_MS:
        warnings.append(
            f"{subject} ran while its host's clock was set, by {worst_ms:.1f} ms: arrivals "
            "within a second of that are off by as much; set the clock before a run."
        )
    return warnings


def _clock_step_ms(worker: _Worker) -> float | None:
    """How far the realtime clock was set during the run.

    Both clocks run at one rate on Linux, slewing included, so that only a step moves them apart.
    """
    anchors = worker.get("clock_anchors") or []
    apart_ns = [int(anchor["realtime_ns"]) - int(anchor["monotonic_ns"]) for anchor in anchors]
    return abs(apart_ns[-1] - apart_ns[0]) / 1e6 if apart_ns else None


def _worst(
    workers: Mapping[str, _Worker], measure: Callable[[_Worker], float | None]
) -> tuple[str, float]:
    """The worker with the largest value above zero, as a sentence's subject, and the value."""
    values = {name: measure(worker) or 0.0 for name, worker in workers.items()}
    worst = max(values.values(), default=0.0)
    if worst <= 0:
        return "", 0.0
    name = next(name for name, value in values.items() if value == worst)
    return f"Worker {name}", worst


def _process_value(key: str) -> Callable[[_Worker], float | None]:
    return lambda worker: _process_of(worker).get(key)


def _process_of(worker: _Worker) -> Mapping[str, Any]:
    process: Mapping[str, Any] = worker.get("process") or {}
    return process


def _stalls_of(worker: _Worker) -> Mapping[str, Any]:
    stalls: Mapping[str, Any] = worker.get("stalls") or {}
    return stalls

"""Turns what workers told of themselves into the tables that the page ends with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bench.report.wording import ABSENT, NARROW_SPACE, count, number, quantity
from bench.runs.causes import CAUSES

LONGEST = 5
"""Stalls told one by one."""

_STAMPS = {"True": "yes", "False": "no: arrival is when our code saw it"}


class Column(NamedTuple):
    """A column of a table; words are set left, numbers right."""

    heading: str
    words: bool = False


class Table(NamedTuple):
    """A table whose cells are ready to be shown; the first of each row names it."""

    title: str
    note: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[str]]


def tables(run: Mapping[str, Any]) -> list[Table]:
    """The workers of run.json, what the run took of them, and what held them up.

    What a worker did not tell is a dash; a table of which nothing is known is left out.
    """
    workers = [(name, worker or {}) for name, worker in sorted((run.get("workers") or {}).items())]
    if not workers:
        return []
    found = [Table("Workers", "", _WORKER_COLUMNS, [_worker(*entry) for entry in workers])]
    if any(worker.get("process") for _, worker in workers):
        rows = [_effort(*entry) for entry in workers]
        found.append(Table("What the run took of each process", _EFFORT_NOTE, _EFFORT, rows))
    if any(worker.get("stalls") for _, worker in workers):
        rows = [row for entry in workers for row in _stalls(*entry)]
        found.append(Table("Stalls", _stall_note(workers), _STALL_COLUMNS, rows))
    return found


_WORKER_COLUMNS = (
    Column("Worker"),
    Column("Host", words=True),
    Column("Process"),
    Column("Ended", words=True),
    Column("Sessions"),
    Column("Kernel receive stamps", words=True),
)


def _worker(name: str, worker: Mapping[str, Any]) -> list[str]:
    return [
        name,
        str(worker.get("host", ABSENT)),
        str(worker.get("pid", ABSENT)),
        str(worker.get("ended") or "did not report its end"),
        number(worker.get("sessions")),
        _STAMPS.get(str(worker.get("kernel_stamps")), "unknown"),
    ]


_EFFORT_NOTE = (
    "CPU is the share of one core while microphones ran, engine that of its thread alone; over "
    "90 % there is no room for anything unexpected. Waiting: ready to run, but the host gave the "
    "processor to others. Memory: at the end / at most. Files: open at the start / at the end. "
    "Collections are those of the garbage collector."
)
_EFFORT = (
    Column("Worker"),
    Column("CPU"),
    Column("Most in 5 s"),
    Column("Engine"),
    Column("Over 90 %"),
    Column("Waiting"),
    Column("Memory, MB"),
    Column("Files"),
    Column("Collections"),
    Column("Longest, ms"),
)


def _effort(name: str, worker: Mapping[str, Any]) -> list[str]:
    process = worker.get("process") or {}
    bytes_held = [process.get("rss_bytes"), process.get("rss_max_bytes")]
    generations = (worker.get("collector") or {}).get("generations") or []
    return [
        name,
        _percent(process.get("cpu_share")),
        _percent(process.get("cpu_share_peak")),
        _percent(process.get("loop_share")),
        quantity(process.get("busy_s"), "s"),
        _percent(process.get("waited_share")),
        _pair(None if size is None else round(size / 1e6) for size in bytes_held),
        _pair(process.get("open_files") or (None, None)),
        number(sum(each["count"] for each in generations) if generations else None),
        number(max((each["worst_ms"] for each in generations), default=None)),
    ]


_STALL_COLUMNS = (
    Column("Worker"),
    Column("Owing to", words=True),
    Column("Stalls"),
    Column("In all, ms"),
    Column("Share of the time"),
    Column("Longest, ms"),
)


def _stalls(name: str, worker: Mapping[str, Any]) -> Iterator[list[str]]:
    """A row for each cause, the costliest first."""
    stalls = worker.get("stalls")
    if not stalls:
        yield [name, "not told", *[ABSENT] * 4]
        return
    by_cause = sorted(stalls["by_cause"].items(), key=lambda item: -item[1]["total_ms"])
    sending_s = (worker.get("process") or {}).get("sending_s")
    for cause, tally in by_cause or [("none", {"count": 0, "total_ms": 0.0, "worst_ms": None})]:
        part = tally["total_ms"] / 1000 / sending_s if sending_s else None
        yield [
            name,
            _words(cause),
            number(tally["count"]),
            number(tally["total_ms"]),
            _percent(part),
            number(tally["worst_ms"]),
        ]


def _stall_note(workers: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """What a stall is, and the longest of all."""
    stalls = [
        (stall, name, worker)
        for name, worker in workers
        for stall in (worker.get("stalls") or {}).get("worst") or []
    ]
    stalls.sort(key=lambda entry: -entry[0]["ms"])
    note = "A stall is a look at the schedule more than 5 ms after a frame was due."
    if not stalls:
        return note
    told = "; ".join(_told(*entry) for entry in stalls[:LONGEST])
    return f"{note} The longest: {told}."


def _told(stall: Mapping[str, Any], name: str, worker: Mapping[str, Any]) -> str:
    """`412 ms at 12.5 s in w0 (garbage collection)`, seconds from the worker's begin."""
    zero_ns = (worker.get("clock_anchors") or [{}])[0].get("monotonic_ns")
    when = "" if zero_ns is None else f" at {_since(stall['begin_ns'] - zero_ns)}"
    whose = f", session {stall['session_id']}" if stall.get("session_id") else ""
    return f"{quantity(stall['ms'])}{when} in {name} ({_words(stall['cause'])}{whose})"


def held_back(pacing: Mapping[str, Any]) -> str:
    """What the target held back, in a sentence or two; empty when that is not known."""
    held = pacing.get("held_back")
    if held is None:
        return ""
    if not held["frames"]:
        return "The target took every frame at once."
    spread = held["held_ms"]
    longest = f"p99 {quantity(spread['p99']['value'])}, longest {quantity(spread['max'])}"
    waits = f"they waited for room ({longest})" if spread["n"] else "they found no room"
    lost = f", and {number(spread['missing'])} were never taken" if spread["missing"] else ""
    return (
        f"The target held back {count(held['frames'], 'frame')} of "
        f"{count(held['sessions'], 'session')}: {waits}{lost}. That is a finding about the "
        "target, or the network to it; it is not part of the lateness below."
    )


def _since(nanoseconds: int) -> str:
    return f"{nanoseconds / 1e9:.1f}{NARROW_SPACE}s"


def _words(cause: str) -> str:
    known = CAUSES.get(cause)
    return cause if known is None else known.words


def _percent(value: float | None) -> str:
    return ABSENT if value is None else quantity(100 * value, "%")


def _pair(values: Iterable[float | None]) -> str:
    return " / ".join(number(value) for value in values)

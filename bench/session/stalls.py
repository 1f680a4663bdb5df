"""Turns what a loop saw around each late look at its schedule into stalls and their causes.

Wired into a loop in five lines; they cost a comparison and a store while nothing is late::

    now_ns, due_ns = time.monotonic_ns(), pacer.next_due_ns
    if due_ns is not None and now_ns - due_ns > LIMIT_NS:
        stalls.note(due_ns, now_ns, serving)   # id of the session just served, None in a
    elif now_ns >= stalls.sample_at_ns:        # turn's first look, "" after a batch of sends
        stalls.sample(now_ns)
    stalls.looked_ns = now_ns

`stalls` is `Stalls(time.thread_time_ns, time.process_time_ns)`. Whoever watches the garbage
collector calls `collected`.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

LIMIT_NS = 5_000_000
"""A loop that looks at its schedule later than this after a frame was due has stalled."""

SAMPLE_INTERVAL_NS = 4_000_000
"""Age up to which a reading of the processor clocks still tells what a stall was spent on."""

_TAKEN = ("host", "thread", "collector")
"""Causes that take the processor from the loop, whatever it was doing."""

WORST = 20
"""Stalls kept one by one."""


class Stall(NamedTuple):
    """One stall: from when a frame was due (or the look before) to when the loop looked."""

    begin_ns: int
    end_ns: int
    cause: str
    """One of `bench.runs.causes`."""
    session_id: str | None
    """The session whose data the engine was moving, where that was the cause."""

    @property
    def ms(self) -> float:
        """How long it lasted."""
        return (self.end_ns - self.begin_ns) / 1e6


@dataclass(slots=True)
class _Tally:
    count: int = 0
    total_ns: int = 0
    worst_ns: int = 0

    def add(self, stall: Stall) -> None:
        lasted_ns = stall.end_ns - stall.begin_ns
        self.count += 1
        self.total_ns += lasted_ns
        self.worst_ns = max(self.worst_ns, lasted_ns)

    def facts(self) -> dict[str, Any]:
        return {
            "count": self.count,
            "total_ms": self.total_ns / 1e6,
            "worst_ms": self.worst_ns / 1e6,
        }


@dataclass(slots=True)
class _Backlog:
    """Late looks in quick succession."""

    begin_ns: int
    end_ns: int
    spent_ns: dict[str, int]

    def stall(self) -> Stall:
        """All of it, put down to whatever took most of it from the loop, if anything did."""
        taken_ns = {cause: self.spent_ns.get(cause, 0) for cause in _TAKEN}
        lost = 2 * sum(taken_ns.values()) > self.end_ns - self.begin_ns
        cause = max(taken_ns, key=taken_ns.__getitem__) if lost else "backlog"
        return Stall(self.begin_ns, self.end_ns, cause, None)


class Stalls:
    """The stalls of one loop, by cause.

    Time counts once: all stalls together are the time during which the oldest frame due was
    overdue by more than `LIMIT_NS`. A gap between two looks longer than that is one stall, put
    down to what most of it was spent on. Late looks in quick succession are one stall, too: a
    `backlog`, unless most of it was taken from the loop.

    `thread_cpu_ns` and `process_cpu_ns` are the processor clocks of the loop's thread and of its
    process.
    """

    def __init__(
        self, thread_cpu_ns: Callable[[], int], process_cpu_ns: Callable[[], int]
    ) -> None:
        self.looked_ns = 0
        """The latest look at the schedule; the loop sets it."""
        self.sample_at_ns = 0
        """When `sample` is wanted next."""
        self._thread_cpu_ns = thread_cpu_ns
        self._process_cpu_ns = process_cpu_ns
        self._thread_ns = thread_cpu_ns()
        self._process_ns = process_cpu_ns()
        self._pauses: deque[tuple[int, int]] = deque(maxlen=64)
        self._tallies: dict[str, _Tally] = {}
        self._worst: list[tuple[int, int, Stall]] = []
        self._recent: Stall | None = None
        self._backlog: _Backlog | None = None

    def sample(self, now_ns: int) -> None:
        """Be ready to explain a stall that begins after this look, which found nothing late."""
        self._end_backlog()
        self._read_clocks(now_ns)

    def _read_clocks(self, now_ns: int) -> None:
        self._thread_ns = self._thread_cpu_ns()
        self._process_ns = self._process_cpu_ns()
        self.sample_at_ns = now_ns + SAMPLE_INTERVAL_NS

    def collected(self, begin_ns: int, end_ns: int) -> None:
        """Take note of a garbage collection."""
        self._pauses.append((begin_ns, end_ns))

    def note(self, due_ns: int, now_ns: int, serving: str | None = None) -> None:
        """Take note of a look at `now_ns` that found a frame overdue since `due_ns`.

        `serving` is the session whose data was moved since the look before, `""` for several,
        None when the loop comes back from elsewhere.
        """
        begin_ns = max(due_ns, self.looked_ns)
        spent_ns = self._explain(begin_ns, now_ns, inside=serving is not None)
        if now_ns - begin_ns > LIMIT_NS:
            self._end_backlog()
            cause = max(spent_ns, key=spent_ns.__getitem__)
            session_id = serving or None if cause == "engine" else None
            self._keep(Stall(begin_ns, now_ns, cause, session_id))
        else:
            self._extend_backlog(due_ns, begin_ns, now_ns, spent_ns)
        self._read_clocks(now_ns)

    def _explain(self, begin_ns: int, end_ns: int, *, inside: bool) -> dict[str, int]:
        """What a gap between two looks was spent on, in ns by cause."""
        thread_ns = self._thread_cpu_ns() - self._thread_ns
        process_ns = self._process_cpu_ns() - self._process_ns
        collecting_ns = 0
        for pause_begin_ns, pause_end_ns in reversed(self._pauses):
            if pause_end_ns <= begin_ns:
                break
            collecting_ns += pause_end_ns - max(pause_begin_ns, begin_ns)
        ran_ns = min(end_ns - begin_ns, max(0, thread_ns))
        away_ns = end_ns - begin_ns - ran_ns
        by_threads_ns = min(away_ns, max(0, process_ns - thread_ns))
        collecting_ns = min(collecting_ns, ran_ns)  # a collection may lose the processor, too
        return {
            "collector": collecting_ns,
            "engine" if inside else "other_work": ran_ns - collecting_ns,
            "thread": by_threads_ns,
            "host": away_ns - by_threads_ns,
        }

    def _extend_backlog(
        self, due_ns: int, begin_ns: int, now_ns: int, spent_ns: dict[str, int]
    ) -> None:
        backlog = self._backlog
        if backlog is None or due_ns > backlog.end_ns:
            self._end_backlog()
            self._backlog = _Backlog(begin_ns, now_ns, spent_ns)
            return
        backlog.end_ns = now_ns
        for cause, spent in spent_ns.items():
            backlog.spent_ns[cause] = backlog.spent_ns.get(cause, 0) + spent

    def _end_backlog(self) -> None:
        if self._backlog is not None:
            self._keep(self._backlog.stall())
            self._backlog = None

    def _keep(self, stall: Stall) -> None:
        self._tallies.setdefault(stall.cause, _Tally()).add(stall)
        heapq.heappush(self._worst, (stall.end_ns - stall.begin_ns, stall.begin_ns, stall))
        if len(self._worst) > WORST:
            heapq.heappop(self._worst)
        if self._recent is None or stall.ms > self._recent.ms:
            self._recent = stall

    def take_recent(self) -> Stall | None:
        """The worst stall since this was last asked, a backlog that still lasts included."""
        recent, self._recent = self._recent, None
        lasting = None if self._backlog is None else self._backlog.stall()
        if recent is None or (lasting is not None and lasting.ms > recent.ms):
            return lasting
        return recent

    def facts(self) -> dict[str, Any]:
        """JSON-ready: how often, how long and how bad, in all and by cause, and the worst.

        `limit_ms`, `count`, `total_ms`, `worst_ms`, `by_cause` {cause: {`count`, `total_ms`,
        `worst_ms`}}, `worst` [{`begin_ns`, `ms`, `cause`, `session_id`}], longest first.
        """
        worst = [stall for _, _, stall in self._worst]
        tallies = {cause: replace(tally) for cause, tally in self._tallies.items()}
        if self._backlog is not None:
            lasting = self._backlog.stall()
            tallies.setdefault(lasting.cause, _Tally()).add(lasting)
            worst.append(lasting)
        worst.sort(key=lambda stall: -stall.ms)
        return {
            "limit_ms": LIMIT_NS / 1e6,
            "count": sum(tally.count for tally in tallies.values()),
            "total_ms": sum(tally.total_ns for tally in tallies.values()) / 1e6,
            "worst_ms": max((tally.worst_ns for tally in tallies.values()), default=0) / 1e6,
            "by_cause": {cause: tally.facts() for cause, tally in sorted(tallies.items())},
            "worst": [
                {
                    "begin_ns": stall.begin_ns,
                    "ms": stall.ms,
                    "cause": stall.cause,
                    "session_id": stall.session_id,
                }
                for stall in worst[:WORST]
            ],
        }

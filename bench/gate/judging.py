"""Turns a run and what it is held against into the decision that `rtbench check` comes to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.analysis.decision import Decision
from bench.analysis.limits import Limit
from bench.gate.baselines import find_baseline
from bench.gate.comparing import check_limits, compare_read, read_history, read_limits
from bench.gate.reading import ReadRun, read_run


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What runs are held against: a baseline and the past runs beside it, limits, or both.

    `despite` names fields of the plans that may differ.
    """

    baseline: Path | None
    history: tuple[Path, ...]
    limits: tuple[Limit, ...]
    despite: Sequence[str] = ()

    @classmethod
    def of(
        cls, store: Path, baseline: str | None, limits: Path | None, despite: Sequence[str] = ()
    ) -> Yardstick:
        """As options name it.

        Raises:
            Problem: there is no such baseline, or the limits cannot be read.
        """
        path, past = (None, ()) if baseline is None else find_baseline(store, baseline)
        held = () if limits is None else tuple(read_limits(limits))
        return cls(path, past, held, despite)

    def judge(self, run: ReadRun) -> Decision:
        """The decision about a run.

        Raises:
            Problem: its plan is unlike the baseline's; the message names the fields.
        """
        if run.invalid or self.baseline is None:
            return check_limits(run, self.limits)
        return compare_read(
            read_run(self.baseline),
            run,
            history=read_history(self.history),
            despite=self.despite,
            limits=self.limits,
        )

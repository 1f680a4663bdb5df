"""Turns a run's folder, or a baseline's, into the tables that are compared."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import bench
from bench.analysis.measures import NEEDED
from bench.analysis.metrics import METRICS
from bench.analysis.pairing import RunTables
from bench.analysis.sample import Sample
from bench.problem import Problem
from bench.report.build import load_record, rebuild
from bench.runs.folder import RunFolder


@dataclass(frozen=True, slots=True, eq=False)
class ReadRun:
    """One run; `invalid` has the reasons why it cannot be judged, and then tables may be empty."""

    path: Path
    run: dict[str, Any]
    summary: dict[str, Any]
    tables: RunTables
    invalid: tuple[str, ...]

    @property
    def name(self) -> str:
        """As a reader knows it."""
        return str(self.run.get("run_id") or self.path.name)


def read_run(path: Path) -> ReadRun:
    """What is compared of a run. Derived tables are made first if they are not there.

    A damaged record makes the run invalid: what it says cannot be known.

    Raises:
        Problem: `path` is no run folder, or one of another schema version.
    """
    folder = RunFolder.open(path)
    run = folder.read_run()
    try:
        summary, turns = _derived(folder)
    except Problem as problem:
        return ReadRun(path, run, {}, RunTables(pd.DataFrame(), {}), (str(problem),))
    validity = summary.get("validity") or {}
    invalid = tuple(validity.get("reasons") or ())
    if not validity.get("valid") and not invalid:
        invalid = ("summary.json does not say that the run is valid.",)
    return ReadRun(path, run, summary, RunTables(turns, summary.get("sessions") or {}), invalid)


def session_samples(path: Path, names: Collection[str]) -> dict[str, Sample]:
    """Session metrics of a run by name: turns.parquet has none, so its events are read, once.

    Raises:
        Problem: the folder has no events, as a baseline has none.
    """
    sessions = load_record(RunFolder.open(path)).sessions
    ids = np.array([session.session_id for session in sessions], dtype=str)
    return {
        name: Sample.of([METRICS[name].measure(session) for session in sessions], ids)
        for name in names
    }


def _derived(folder: RunFolder) -> tuple[dict[str, Any], pd.DataFrame]:
    """summary.json and turns.parquet, made anew where the record is newer than they are."""
    parts = folder.path / "parts"
    whole = folder.turns_path.exists() and folder.summary_path.exists()
    if not whole or parts.is_dir() or (folder.events_path.exists() and _is_older(folder)):
        rebuild(folder.path)
    return _read_summary(folder.summary_path), _read_turns(folder.turns_path)


def _is_older(folder: RunFolder) -> bool:
    try:
        summary = _read_summary(folder.summary_path)
        return summary.get("rtbench_version") != bench.__version__ or "intervals" not in summary
    except Problem:
        return True


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Problem(f"{path}: cannot be read ({error})") from None
    if not isinstance(summary, dict):
        raise Problem(f"{path}: is not a JSON object")
    return summary


def _read_turns(path: Path) -> pd.DataFrame:
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise Problem(f"{path}: cannot be read ({error})") from None
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing:
        raise Problem(f"{path}: has no column {missing[0]}; `rtbench report` makes it anew")
    frame: pd.DataFrame = table.to_pandas()
    return frame

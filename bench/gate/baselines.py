"""Keeps runs to compare with: a baseline, and past runs that tell how runs differ by themselves.

reports/baselines/NAME/             run.json, turns.parquet, summary.json, baseline.json
reports/baselines/NAME/history/RUN  the same of runs before it, the last few
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.analysis.finding import REGRESSION
from bench.analysis.likeness import unlike_fields
from bench.gate.comparing import compare_read
from bench.gate.reading import ReadRun, read_run
from bench.problem import Problem

BASELINE_VERSION = 1

_FILES = ("run.json", "turns.parquet", "summary.json")
_NOTE = "baseline.json"
_HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Stored:
    """A baseline, the folders of the runs before it, newest first, and its note."""

    name: str
    path: Path
    history: tuple[Path, ...]
    note: dict[str, Any]


def find_baseline(store: Path, name: str) -> tuple[Path, tuple[Path, ...]]:
    """The folder of a run, or of a stored baseline, and the past runs beside it.

    Raises:
        Problem: there is neither.
    """
    path = Path(name)
    if not (path / "run.json").is_file():
        path = store / name
    if not (path / "run.json").is_file():
        known = ", ".join(each.name for each in list_baselines(store)) or "none yet"
        raise Problem(
            f"--baseline {name!r}: neither the folder of a run nor a baseline of {store} "
            f"({known}); `rtbench baseline promote RUN` makes one"
        )
    return path, _history(path)


def list_baselines(store: Path) -> list[Stored]:
    """All that are stored, by name."""
    return [open_baseline(store, note.parent.name) for note in sorted(store.glob(f"*/{_NOTE}"))]


def open_baseline(store: Path, name: str) -> Stored:
    """One that was promoted.

    Raises:
        Problem: there is none of that name, or its note is damaged.
    """
    path = store / _plain_name(name)
    try:
        note = json.loads((path / _NOTE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.parent.name for p in store.glob(f"*/{_NOTE}"))) or "none yet"
        raise Problem(f"baseline {name!r}: not in {store} ({known})") from None
    except (OSError, ValueError) as error:
        raise Problem(f"{path / _NOTE}: cannot be read ({error})") from None
    if not isinstance(note, dict):
        raise Problem(f"{path / _NOTE}: is not a JSON object")
    return Stored(name, path, _history(path), note)


def promote(
    store: Path, name: str, runs: Sequence[ReadRun], *, facts: dict[str, Any], keep: int
) -> tuple[Stored, str]:
    """Make the last of `runs` the baseline `name`, and all before it its history.

    History tells what like builds differ by: it begins anew where the plan is another, or where
    the new baseline is slower or faster than the old one, for whose difference chance is no
    explanation. `facts` go into the note as they are. Gives what came of the history in words.

    Raises:
        Problem: the name is no plain folder name, or a folder cannot be written.
    """
    path = store / _plain_name(name)
    *older, newest = runs
    past = [folder.path for folder in reversed(older)]
    words = "no past runs"
    if (path / "run.json").is_file():
        before = read_run(path)
        reason = _unlike(before, newest)
        if reason:
            words = f"past runs left behind: {reason}"
        else:
            past += [path, *_history(path)]
    if past:
        words = f"{min(len(past), keep)} past runs tell how runs differ by themselves"
    fresh = path.with_name(path.name + ".new")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        _copy(newest.path, fresh)
        for number, folder in enumerate(past[:keep]):
            _copy(folder, fresh / _HISTORY / f"{number + 1:02d}-{_run_id(folder)}")
        note = {"schema_version": BASELINE_VERSION, "name": name, **facts}
        text = json.dumps(note, indent=2, ensure_ascii=False) + "\n"
        (fresh / _NOTE).write_text(text, encoding="utf-8")
        old = path.with_name(path.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        if path.exists():
            path.rename(old)
        fresh.rename(path)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise Problem(f"{path}: cannot be written ({error.strerror})") from None
    return open_baseline(store, name), words


def _unlike(before: ReadRun, after: ReadRun) -> str:
    """Why the runs of `before` say nothing of those of `after`; empty if they do."""
    if before.invalid:
        return "the baseline before it is invalid"
    fields = unlike_fields(before.run, after.run)
    if fields:
        return f"the plan differs in {fields[0]}"
    gate = compare_read(before, after).gate
    assert gate is not None
    for finding in gate.findings:
        if finding.verdict == REGRESSION:
            return f"{finding.metric} is worse than before"
        if finding.improved and abs(finding.effect or 0.0) >= (finding.floor or 0.0):
            return f"{finding.metric} is better than before"
    return ""


def _history(path: Path) -> tuple[Path, ...]:
    return tuple(sorted(note.parent for note in (path / _HISTORY).glob("*/run.json")))


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for name in _FILES:
        shutil.copyfile(source / name, target / name)


def _run_id(folder: Path) -> str:
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Path(str(run.get("run_id") or folder.name)).name


def _plain_name(name: str) -> str:
    if Path(name).name != name or name in {"", ".", ".."} or name.endswith((".new", ".old")):
        raise Problem(f"baseline {name!r}: is not a plain folder name")
    return name

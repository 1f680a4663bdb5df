"""Turns a run folder's record into turns.parquet, summary.json and report.html."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import bench
from bench.analysis.pacing import APPEND_COLUMNS
from bench.analysis.prices import PRICES, Prices, read_prices
from bench.analysis.record import RunRecord, read_record
from bench.analysis.summary import summarise
from bench.analysis.tables import turns_arrow
from bench.problem import Problem
from bench.report.data import ReportData
from bench.report.delivery import deliver
from bench.report.judgement import Judgement
from bench.report.page import render_page
from bench.report.recordings import choose_recordings
from bench.runs.folder import RunFolder
from bench.runs.pieces import FilePieces


def load_record(folder: RunFolder) -> RunRecord:
    """Everything the events and appends of a run say, parts merged first.

    Raises:
        Problem: a file of the folder is missing or damaged, or prices.toml will not do.
    """
    folder.merge_parts()
    run = folder.read_run()
    warmup_s = float(run.get("options", {}).get("warmup_s") or 0.0)
    with _collecting_seldom(), FilePieces(folder.events_path) as events:
        appends = folder.append_batches(APPEND_COLUMNS)
        return read_record(run, events, appends, warmup_s, _price_table(folder))


def _price_table(folder: RunFolder) -> Mapping[str, Prices]:
    """List prices, and what the run's own prices.toml says instead if there is one."""
    path = folder.prices_path
    try:
        return read_prices(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return PRICES
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path}: cannot be read ({error}); mend or remove it") from None


@contextlib.contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Let many rows come and go between two looks for garbage, which cost a third of the time."""
    thresholds = gc.get_threshold()
    gc.set_threshold(50_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def build_report(path: Path) -> tuple[dict[str, Any], dict[str, Any], Path]:
    """Rebuild all that is derived; run.json, summary.json and the page's path.

    Raises:
        Problem: `path` is no run folder, or one of its files is damaged or cannot be written.
    """
    run, summary = rebuild(path)
    return run, summary, write_page(path)


def rebuild(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Rebuild what is derived from a run's record but for its page; run.json and summary.json.

    Raises:
        Problem: as `build_report`.
    """
    folder = RunFolder.open(path)
    with _telling(path):
        record = load_record(folder)
        run = folder.read_run()
        choose_recordings(folder, record.turns)
        summary = summarise(run, record, bench.__version__)
        folder.write_table(folder.turns_path, turns_arrow(record.turns_table()))
        folder.write_json(folder.summary_path, summary)
    return run, summary


def write_page(path: Path, judgement: Judgement | None = None, target: Path | None = None) -> Path:
    """Make the page of a run whose tables are there; in its folder unless `target` says where.

    Raises:
        Problem: the page cannot be written.
    """
    folder = RunFolder.open(path)
    page = render_page(ReportData.load(path, judgement))
    if target is not None:
        deliver(page, target)
        return target
    with _telling(path):
        folder.write_text(folder.report_path, page)
    return folder.report_path


@contextlib.contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Name the folder whose files cannot be got at."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise Problem(f"{path}: its files cannot be read or written ({reason})") from None

"""Turns runs into the figures of their summaries for other programs: CSV and JSON. Pure."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import bench
from bench.report.comparison import ComparedRun, Comparison
from bench.report.wording import in_table_order, metric_words

JSON_VERSION = 1
"""Of what `figures_json` gives."""

_PERCENTILES = ("p50", "p95", "p99")
_SPREAD = ("missing", "censored", "min", "mean", "max")
_ENDS = ("low", "high", "low_censored", "high_censored")

COLUMNS = (
    *("run_id", "label", "valid", "metric", "unit", "better", "n", *_SPREAD),
    *(
        column
        for which in _PERCENTILES
        for column in (
            *(which, f"{which}_censored", f"{which}_enough"),
            *(f"{which}_{end}" for end in _ENDS),
        )
    ),
    *("hits", "rate", "rate_low", "rate_high"),
)
"""Of a CSV file, in order; of a rate `n` are the turns that it applies to."""

_KEPT = ("validity", "duration_s", "sessions", "turns", "metrics", "intervals", "rates", "usage")
"""What of summary.json goes into the JSON as it is."""


def figures_csv(runs: Sequence[ComparedRun]) -> str:
    """A row for each metric and rate of each run; what is missing is empty."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for run in runs:
        head = {
            "run_id": _inert(run.name),
            "label": _inert(run.label or run.name),
            "valid": _word(not run.invalid),
        }
        metrics = run.summary.get("metrics") or {}
        intervals = run.summary.get("intervals") or {}
        rates = run.summary.get("rates") or {}
        for name in in_table_order(metrics):
            cells = _spread(metrics[name], intervals.get(name) or {})
            writer.writerow({**head, **_named(name), **cells})
        for name in in_table_order(rates):
            writer.writerow({**head, **_named(name), **_rate(rates[name])})
    return stream.getvalue()


def figures_json(comparison: Comparison, judgement: Mapping[str, Any] | None = None) -> str:
    """The runs' summaries, what sets them apart, and what was decided; missing is null.

    `judgement` is what `rtbench check --json` writes. The form stands in bench/README.md.
    """
    several = len(comparison.runs) > 1
    content = {
        "schema_version": JSON_VERSION,
        "rtbench_version": bench.__version__,
        "reference": comparison.reference.name if several else None,
        "fields": list(comparison.fields),
        "runs": [_run(run, comparison.fields) for run in comparison.runs],
        "judgement": judgement,
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _run(run: ComparedRun, fields: Sequence[str]) -> dict[str, Any]:
    return {
        "run_id": run.name,
        "folder": str(run.folder),
        "label": run.label or run.name,
        "settings": dict(zip(fields, run.settings, strict=True)),
        "target": run.run.get("target"),
        "invalid": list(run.invalid),
        **{key: run.summary.get(key) for key in _KEPT},
        "limits": [line._asdict() for line in run.limits],
    }


def _named(name: str) -> dict[str, str]:
    words = metric_words(name)
    return {"metric": _inert(name), "unit": words.unit, "better": words.better}


def _spread(spread: Mapping[str, Any], intervals: Mapping[str, Any]) -> dict[str, object]:
    cells: dict[str, object] = {key: spread.get(key) for key in ("n", *_SPREAD)}
    for which in _PERCENTILES:
        percentile, ends = spread.get(which) or {}, intervals.get(which) or {}
        known = percentile.get("value") is not None
        cells[which] = percentile.get("value")
        cells[f"{which}_censored"] = _word(percentile.get("censored")) if known else None
        cells[f"{which}_enough"] = _word(percentile.get("enough")) if known else None
        has_ends = ends.get("low") is not None
        for end in _ENDS:
            value = ends.get(end) if has_ends else None
            cells[f"{which}_{end}"] = _word(value) if isinstance(value, bool) else value
    return cells


def _rate(rate: Mapping[str, Any]) -> dict[str, object]:
    ends = {"rate": "value", "rate_low": "low", "rate_high": "high"}
    return {
        "n": rate["n"],
        "hits": rate["hits"],
        **{column: rate[key] for column, key in ends.items()},
    }


def _word(flag: object) -> str:
    return "true" if flag else "false"


def _inert(text: str) -> str:
    """A name from outside that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text

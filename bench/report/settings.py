"""Turns the settings of turns into what all of them share, and tables of where they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.analysis.statistics import distribution
from bench.report.wording import failed_outcome, printable

LISTED = 20
"""Values of a setting in its table, the most used first."""


class Setting(NamedTuple):
    """What turns may be told apart by: a column of noted settings, and words for its values."""

    column: str
    title: str
    say: Callable[[Any], str]


_DETECTION = "detection"
SETTINGS = (
    Setting("caller", "Caller", lambda value: f"callers of class {value}"),
    Setting("codec", "Codec", lambda value: f"codec {value}"),
    Setting("chunk_ms", "Frames", lambda value: f"frames of {value:g} ms"),
    Setting(_DETECTION, "Turn detection", lambda value: f"turn detection {value}"),
    Setting("modality", "Replies", lambda value: f"replies as {value}"),
)

_ASKED = {
    # what finds the end of a turn: options that shape it
    "server_vad": ("vad_silence_ms", "vad_threshold", "vad_prefix_padding_ms"),
    "semantic_vad": ("eagerness",),
}


class Spread(NamedTuple):
    """Measured turns of one value of a setting; `waits` are Distributions by metric, as JSON."""

    value: str
    turns: int
    failed: int
    cut_off: int
    waits: dict[str, dict[str, Any]]


class Table(NamedTuple):
    """Turns by the values of one setting; `further` values are not in it."""

    title: str
    rows: Sequence[Spread]
    further: int


class BySetting(NamedTuple):
    """What every turn was held with, in one line, and a table for each setting that differs."""

    shared: str
    tables: Sequence[Table]


def by_setting(
    turns: pd.DataFrame,
    settings: pd.DataFrame,
    options: Mapping[str, Any],
    metrics: Sequence[str],
) -> BySetting:
    """Measured turns by their settings, with the spread of each of `metrics`.

    `settings` has a row for each of `turns`, see noted_settings; `options` are those of the
    run: they add how the end of a turn was to be found.
    """
    measured = (turns["turn_class"] == "measured").to_numpy(bool)
    if not measured.any():
        return BySetting(_shared(settings, options), [])
    turns, settings = turns[measured], settings[measured]
    tables = [
        _table(setting, turns, settings[setting.column], metrics)
        for setting in SETTINGS
        if len(_values(settings, setting.column)) > 1
    ]
    return BySetting(_shared(settings, options), tables)


def _values(settings: pd.DataFrame, column: str) -> list[Any]:
    values: list[Any] = settings[column].dropna().unique().tolist()
    return values


def _shared(settings: pd.DataFrame, options: Mapping[str, Any]) -> str:
    words = []
    for setting in SETTINGS:
        values = _values(settings, setting.column)
        if len(values) == 1:
            asked = _ASKED.get(str(values[0]), ()) if setting.column == _DETECTION else ()
            known = [f"{name} {options[name]}" for name in asked if options.get(name) is not None]
            words.append(setting.say(values[0]) + (f" ({', '.join(known)})" if known else ""))
    return printable(", ".join(words))


def _table(
    setting: Setting, turns: pd.DataFrame, values: pd.Series, metrics: Sequence[str]
) -> Table:
    groups = sorted(
        turns.groupby(values.to_numpy(object), sort=True), key=lambda each: -len(each[1])
    )
    rows = [
        _spread(printable(setting.say(value)), group, metrics) for value, group in groups[:LISTED]
    ]
    return Table(setting.title, rows, len(groups) - len(rows))


def _spread(value: str, turns: pd.DataFrame, metrics: Sequence[str]) -> Spread:
    cut = turns["cut_off"].fillna(value=False).to_numpy(bool)
    timed = turns[~cut]
    return Spread(
        value,
        turns=len(turns),
        failed=int(turns["outcome"].map(failed_outcome).sum()),
        cut_off=int(cut.sum()),
        waits={name: _waits(timed, name) for name in metrics if name in timed},
    )


def _waits(turns: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Without audio the wait for it is known to be more; of its parts then nothing is known."""
    waits = turns[metric].to_numpy(np.float64)
    known = waits[~np.isnan(waits)]
    bounds = np.empty(0)
    if metric in {"ttfa_ms", "voice_to_voice_ms"}:
        bounds = turns["censored_ms"].to_numpy(np.float64)[np.isnan(waits)]
        bounds = bounds[~np.isnan(bounds)]
    missing = len(waits) - len(known) - len(bounds)
    return distribution(known, bounds.tolist(), missing).to_json()

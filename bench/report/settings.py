"""Turns the settings of turns into what all of them share, and tables of where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bench.analysis.statistics import distribution
from bench.report.wording import failed_outcome, printable

LISTED = 20
"""Values of a setting in its table, the most used first."""


class Setting(NamedTuple):
    """What turns may be told apart by: a column of noted settings, and words for its values.

    `say` says a value in a sentence, `show` under the title.
    """

    column: str
    title: str
    say: str
    show: str = "{}"


_DETECTION = "detection"
SETTINGS = (
    Setting("caller", "Caller", "callers of class {}"),
    Setting("codec", "Codec", "codec {}"),
    Setting("chunk_ms", "Frames", "frames of {:g} ms", "{:g} ms"),
    Setting(_DETECTION, "Turn detection", "turn detection {}"),
    Setting("modality", "Replies", "replies as {}"),
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
    tables = [_table(alike, turns, settings, metrics) for alike in _that_differ(settings)]
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
            words.append(
                setting.say.format(values[0]) + (f" ({', '.join(known)})" if known else "")
            )
    return printable(", ".join(words))


def _that_differ(settings: pd.DataFrame) -> list[list[Setting]]:
    """Settings with more than one value; those that tell the same turns apart together."""
    alike: dict[bytes, list[Setting]] = {}
    for setting in SETTINGS:
        if len(_values(settings, setting.column)) > 1:
            codes, _ = pd.factorize(settings[setting.column])
            alike.setdefault(codes.tobytes(), []).append(setting)
    return list(alike.values())


def _table(
    alike: Sequence[Setting],
    turns: pd.DataFrame,
    settings: pd.DataFrame,
    metrics: Sequence[str],
) -> Table:
    first = settings[alike[0].column].to_numpy(object)
    groups = sorted(turns.groupby(first, sort=True), key=lambda each: -len(each[1]))
    rows = []
    for _, group in groups[:LISTED]:
        held = settings.loc[group.index[0]]
        words = ", ".join(setting.show.format(held[setting.column]) for setting in alike)
        rows.append(_spread(printable(words), group, metrics))
    title = ", ".join(setting.title for setting in alike)
    return Table(title[0] + title[1:].lower(), rows, len(groups) - len(rows))


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

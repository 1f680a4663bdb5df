"""Turns the waits of turns into bars of their parts: endpointing, response, leading silence."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory
from numpy.typing import NDArray

from bench.report import theme
from bench.report.theme import Chart, NoChart
from bench.report.wording import NARROW_SPACE, count, number, printable, quantity

DRAWN = 20
"""Utterances with a bar of their own; beyond that nobody compares them by eye."""

LISTED = 200
"""Utterances in the table."""

SLOWEST = 20
"""The slowest turns are one in so many."""

_NEEDED = ("utterance", "ttfa_ms", "response_latency_ms", "voice_to_voice_ms")
_PARTS = (
    # name, colour, hatch: the hatches tell them apart without colour
    ("endpointing", theme.ORANGE, ""),
    ("response", theme.GREEN, "////"),
    ("leading silence", theme.PURPLE, "||||"),
)
_LEFT, _RIGHT = 165.0, 415.0
_ROW, _HEAD, _FOOT, _GAP = 22.0, 62.0, 40.0, 0.6
_COLUMNS = (("endpointing", 492.0), ("response", 556.0), ("silence", 608.0), ("sum", 656.0))
_COLUMN_OF_N = ("N", 712.0)
_NAME_LETTERS = 25

Floats = NDArray[np.float64]


class Bar(NamedTuple):
    """The mean of each part over `averaged` of `turns` turns, milliseconds."""

    name: str
    turns: int
    averaged: int
    parts: tuple[float, float, float]

    @property
    def total(self) -> float:
        """Voice to voice: the parts add up to it."""
        return sum(self.parts)


class _Waits(NamedTuple):
    """Turns of which every part is known, by voice to voice; one row of `parts` for each."""

    utterance: NDArray[np.object_]
    parts: Floats
    early: int
    unheard: int


def where_time_goes(latency_turns: pd.DataFrame) -> Chart | NoChart:
    """The wait of a usual turn in its parts, for all turns, for the slowest, by utterance."""
    title = "The wait of a usual turn, in its parts"
    if not set(_NEEDED) <= set(latency_turns):
        return NoChart(title, "The turns of this folder do not tell the parts of the wait.")
    waits = _waits(latency_turns)
    if not len(waits.parts):
        return NoChart(title, "No measured turn has a reply that was heard: no wait to divide.")
    whole, by_utterance = _whole(waits), _by_utterance(waits)
    if len(by_utterance) == 1:  # it is all there is
        whole, by_utterance = [by_utterance[0], *whole[1:]], []
    drawn = by_utterance[:DRAWN]
    rows = len(whole) + len(drawn)
    gap = _GAP if whole and drawn else 0.0
    height = _HEAD + _ROW * (rows + gap) + _FOOT
    with theme.canvas(height) as drawing:
        axes = drawing.subplots(
            gridspec_kw={
                "left": _LEFT / theme.WIDTH,
                "right": _RIGHT / theme.WIDTH,
                "top": 1 - _HEAD / height,
                "bottom": _FOOT / height,
            }
        )
        places = [*range(len(whole)), *(len(whole) + gap + i for i in range(len(drawn)))]
        _draw(axes, [*whole, *drawn], places)
        axes.set_ylim(rows + gap - 0.5, -0.5)
        theme.axis_titles(axes, x="ms")
        _head(drawing, axes, height)
        svg = theme.to_svg(drawing, "breakdown", title)
    return Chart(
        "breakdown",
        title,
        _caption(waits, [*whole, *by_utterance], by_utterance),
        svg,
        ["turns", "N", "averaged", *(name for name, _, _ in _PARTS), "voice to voice"],
        [
            [
                bar.name,
                number(bar.turns),
                number(bar.averaged),
                *(quantity(part) for part in bar.parts),
                quantity(bar.total),
            ]
            for bar in [*whole, *by_utterance[:LISTED]]
        ],
    )


def _waits(turns: pd.DataFrame) -> _Waits:
    ttfa, response, heard = (turns[name].to_numpy(np.float64) for name in _NEEDED[1:])
    parts = np.column_stack([ttfa - response, response, heard - ttfa])
    known = ~np.isnan(parts).any(axis=1)
    # A microsecond: subtraction leaves less, and no server ends a turn that close to its end.
    early = known & (parts < -1e-3).any(axis=1)
    kept = known & ~early
    order = np.argsort(heard[kept], kind="stable")
    return _Waits(
        turns["utterance"].to_numpy(object)[kept][order],
        np.maximum(parts[kept][order], 0.0),
        early=int(early.sum()),
        unheard=len(turns) - int(known.sum()),
    )


def middle(amount: int) -> tuple[int, int]:
    """Ranks from and until of the middle fifth of `amount` values: the median and those around."""
    return 2 * amount // 5, -(-3 * amount // 5)


def _whole(waits: _Waits) -> list[Bar]:
    amount = len(waits.parts)
    low, high = middle(amount)
    bars = [_bar("Every utterance", waits.parts, low, high)]
    if amount >= SLOWEST:
        slow = amount - amount // SLOWEST
        name = f"The slowest {100 // SLOWEST}{NARROW_SPACE}%"
        bars.append(_bar(name, waits.parts[slow:], 0, amount - slow))
    return bars


def _by_utterance(waits: _Waits) -> list[Bar]:
    """One bar for each utterance, the slowest first."""
    codes, names = pd.factorize(waits.utterance)
    order = np.argsort(codes, kind="stable")  # within an utterance they stay by their wait
    ends = np.cumsum(np.bincount(codes, minlength=len(names))).tolist()
    bars = []
    for name, (begin, end) in zip(names, itertools.pairwise([0, *ends]), strict=True):
        parts = waits.parts[order[begin:end]]
        bars.append(_bar(_one_line(name), parts, *middle(len(parts))))
    return sorted(bars, key=lambda bar: -bar.total)


def _one_line(name: object) -> str:
    return printable(" ".join(str(name).split()))


def _bar(name: str, parts: Floats, low: int, high: int) -> Bar:
    means = parts[low:high].mean(axis=0).tolist()
    return Bar(name, len(parts), high - low, (means[0], means[1], means[2]))


def _draw(axes: Axes, bars: Sequence[Bar], places: Sequence[float]) -> None:
    across = blended_transform_factory(axes.figure.transFigure, axes.transData)
    left = np.zeros(len(bars))
    for index, (name, colour, hatch) in enumerate(_PARTS):
        widths = np.array([bar.parts[index] for bar in bars])
        axes.barh(
            places,
            widths,
            left=left,
            height=0.62,
            color=colour,
            edgecolor=theme.PAPER,
            linewidth=0.5,
            hatch=hatch,
            label=name,
        )
        left += widths
    for bar, place in zip(bars, places, strict=True):
        name = bar.name
        if len(name) > _NAME_LETTERS:
            name = name[: _NAME_LETTERS - 1] + "\u2026"
        cells = [*map(number, bar.parts), number(bar.total), number(bar.turns)]
        texts = [(name, _LEFT - 8)]
        texts += [(cell, x) for cell, (_, x) in zip(cells, [*_COLUMNS, _COLUMN_OF_N], strict=True)]
        for text, x in texts:
            axes.text(x / theme.WIDTH, place, text, transform=across, ha="right", va="center")
    axes.set_xlim(0, max(*left, 1.0) * 1.02)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    theme.thousands(axes.xaxis)
    axes.locator_params(axis="x", nbins=5)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _head(drawing: Figure, axes: Axes, height: float) -> None:
    """Legend above the bars, and names of the columns of numbers right of them."""
    drawing.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0.01, 1.0),
        ncols=3,
        borderpad=0,
        columnspacing=1.6,
        handletextpad=0.5,
    )
    for text, x in [*_COLUMNS, _COLUMN_OF_N]:
        drawing.text(x / theme.WIDTH, 1 - 46 / height, text, color=theme.MUTED, ha="right")


def _caption(waits: _Waits, bars: Sequence[Bar], by_utterance: Sequence[Bar]) -> str:
    turns = count(len(waits.parts), "measured turn")
    definition = (
        f"{turns} of which every part is known. A bar is the mean over the middle fifth of its "
        "turns by voice to voice, so that its parts add up: the wait of a usual turn, close to "
        "the median. Endpointing: from the true end of speech until the server took the turn, or "
        "the caller ended it; response: until the first audio; leading silence: until it can be "
        "heard."
    )
    words = [definition]
    words += [
        f"{bar.name}: {' + '.join(number(part) for part in bar.parts)} = {quantity(bar.total)}."
        for bar in bars[:2]
    ]
    if len(by_utterance) > DRAWN:
        rest = len(by_utterance) - DRAWN
        words.append(f"{count(rest, 'faster utterance is', 'faster utterances are')} not drawn.")
    if len(by_utterance) > LISTED:
        words.append(f"The table has the slowest {LISTED}.")
    if waits.unheard:
        words.append(f"Left out: {count(waits.unheard, 'turn')} with a part that never came.")
    if waits.early:
        words.append(f"Left out: {count(waits.early, 'turn')} taken before the end of speech.")
    return " ".join(words)

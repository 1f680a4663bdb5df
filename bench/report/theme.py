"""The look of every figure: colours by role, one scale of type, and SVG that follows the page."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from bench.report.sound import Sound
from bench.report.wording import MINUS, NARROW_SPACE

WIDTH = 720.0
"""Width of every figure in its own units; the page scales it, type of 10 becomes about 13 px."""

COLOURS = {
    # role: (on light paper, on dark paper); no two light ones alike, they are names in the SVG
    "ink": ("#1b1f24", "#e6e9ed"),
    "muted": ("#59616b", "#a5afba"),
    "axis": ("#868f9a", "#707a86"),
    "grid": ("#e2e6ea", "#2b323a"),
    "paper": ("#ffffff", "#14181d"),
    "panel": ("#f5f7f9", "#1c2229"),
    "blue": ("#006fd7", "#469ce5"),
    "orange": ("#b35304", "#f7a449"),
    "green": ("#00775a", "#39d1a3"),
    "purple": ("#88477f", "#d8a9ce"),
    "red": ("#9e0611", "#f3686a"),
    "band": ("#d3e6f3", "#1d3b50"),
    "pale": ("#c9cfd6", "#49525c"),
}
INK, MUTED, AXIS, GRID = (COLOURS[role][0] for role in ("ink", "muted", "axis", "grid"))
BLUE, ORANGE, GREEN = (COLOURS[role][0] for role in ("blue", "orange", "green"))
PURPLE, RED, BAND, PALE = (COLOURS[role][0] for role in ("purple", "red", "band", "pale"))
PAPER = COLOURS["paper"][0]
RASTER = "#3f94cc"
"""Colour of rasterised points: pixels cannot follow the scheme, so it suits both."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "rtbench",
    "text.parse_math": False,
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": AXIS,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "axes.unicode_minus": True,
    "figure.facecolor": "none",
    "figure.dpi": 72,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "hatch.color": AXIS,
    "hatch.linewidth": 0.8,
    "legend.frameon": False,
    "legend.fontsize": 10,
    "xtick.color": AXIS,
    "xtick.labelcolor": MUTED,
    "xtick.labelsize": 10,
    "ytick.color": AXIS,
    "ytick.labelcolor": MUTED,
    "ytick.labelsize": 10,
}


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    `name` is unique on the page; `caption` says the figure's numbers in words; `columns` and
    `rows` hold the same content as a table. `sound` is a recording of what is drawn.
    """

    name: str
    title: str
    caption: str
    svg: Markup
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    sound: Sound | None = None


@dataclass(frozen=True)
class NoChart:
    """Why a figure is not there, in words."""

    title: str
    reason: str


@contextmanager
def canvas(height: float) -> Iterator[Figure]:
    """An empty figure, `height` in the units of WIDTH; artists made inside take the style."""
    with mpl.rc_context(_STYLE):
        yield Figure(figsize=(WIDTH / 72, height / 72))


def axis_titles(axes: Axes, *, x: str, y: str = "") -> None:
    """Titles where they are read first: y above the axis, x below its right end."""
    if y:
        axes.set_title(y, loc="left", fontsize=10, color=MUTED, pad=8)
    axes.set_xlabel(x, loc="right", labelpad=4)


def thousands(axis: Axis) -> None:
    """Tick labels with thousands set apart."""
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def log_ticks(axis: Axis, low: float, high: float, steps: Sequence[int] = (1, 2, 5)) -> None:
    """Ticks at `steps` of each decade from `low` to `high`, as plain numbers."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    ticks = [value for value in ticks if low <= value <= high]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))


def tick(value: float) -> str:
    """A tick's number: no more decimals than it needs."""
    text = f"{abs(value):,.6f}".rstrip("0").rstrip(".").replace(",", NARROW_SPACE)
    return MINUS + text if value < 0 and text != "0" else text


def text_width(text: str, size: float = 10) -> float:
    """Width of `text` in figure units, on the safe side for any sans-serif face."""
    return 0.6 * size * len(text)


def label_rows(spans: Sequence[tuple[float, float]]) -> list[int]:
    """A row, from 0 upwards, for labels that stand right of upright lines.

    `spans` are (line, right end of its text) from left to right. A label goes above every line
    that its text reaches, so that no line crosses a text.
    """
    rows: list[int] = []
    for index in reversed(range(len(spans))):
        right = spans[index][1]
        reached = [
            row
            for (line, _), row in zip(spans[index + 1 :], reversed(rows), strict=True)
            if line < right + 4
        ]
        rows.append(max(reached, default=-1) + 1)
    return rows[::-1]


def to_svg(drawing: Figure, name: str, label: str) -> Markup:
    """The figure as inline SVG: text as text, colours as the page's, ids its own by `name`."""
    stream = io.StringIO()
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # The reader's browser has the letters of most scripts; the font that measures has few.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        drawing.savefig(
            stream,
            format="svg",
            dpi=144,
            metadata=dict.fromkeys(["Date", "Creator", "Format", "Type"]),
        )
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    body = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    body = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", body, count=1, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = re.sub(r"font-family: [^;\"]*;? ?", "", body)
    body = re.sub(r" transform=\"rotate\(-0 [^)]*\)\"", "", body)
    used = set(re.findall(r"url\(#([^)]+)\)|href=\"#([^\"]+)\"", body))
    kept = {target for pair in used for target in pair if target}
    body = re.sub(
        r" id=\"([^\"]+)\"",
        lambda match: f' id="{name}-{match[1]}"' if match[1] in kept else "",
        body,
    )
    body = body.replace("url(#", f"url(#{name}-").replace('href="#', f'href="#{name}-')
    for role, (light, _) in COLOURS.items():
        body = body.replace(light, f"var(--{role})")
    body = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), body)
    body = re.sub(r"\s*\n\s*", " ", body).replace("> <", "><")
    width, height = (72 * inches for inches in drawing.get_size_inches())
    return Markup(
        '<svg viewBox="0 0 {:g} {:g}" role="img" aria-label="{}" aria-describedby="{}-caption">'
    ).format(round(width, 2), round(height, 2), label, name) + Markup(body + "</svg>")  # noqa: S704


def css_variables() -> str:
    """The colours as CSS: light for everything, dark on screens that ask for it."""
    light = "".join(f"--{role}:{pair[0]};" for role, pair in COLOURS.items())
    dark = "".join(f"--{role}:{pair[1]};" for role, pair in COLOURS.items())
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )

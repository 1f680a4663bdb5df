"""Turns what was measured, and what is asked of it, into a table to print or a page. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

WIDTH = 96
_FIGURE, _TARGET, _VERDICT = 14, 18, 7
_WHAT = WIDTH - _FIGURE - _TARGET - _VERDICT


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `met` is None where nothing is asked, or nothing could be measured."""

    what: str
    figure: str
    target: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        """Whether the target is met, in a word."""
        if not self.target:
            return ""
        return {True: "met", False: "MISSED", None: "?"}[self.met]


@dataclass(slots=True)
class Section:
    """Lines that belong together; `figures` go into the JSON as they are."""

    title: str
    rows: list[Row] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)

    def tell(self, what: str, value: float | None, unit: str = "", digits: int = 0) -> None:
        """A figure of which nothing is asked."""
        self.rows.append(Row(what, number(value, unit, digits)))

    def ask_at_least(
        self, what: str, value: float | None, limit: float, unit: str = "", digits: int = 0
    ) -> None:
        """A figure that should be `limit` or more."""
        met = None if value is None else value >= limit
        target = f"≥ {number(limit, unit, digits)}"
        self.rows.append(Row(what, number(value, unit, digits), target, met))

    def ask_at_most(
        self, what: str, value: float | None, limit: float, unit: str = "", digits: int = 0
    ) -> None:
        """A figure that should be `limit` or less."""
        met = None if value is None else value <= limit
        target = f"≤ {number(limit, unit, digits)}"
        self.rows.append(Row(what, number(value, unit, digits), target, met))


def number(value: float | None, unit: str = "", digits: int = 0) -> str:
    """A figure with its unit; a dash where it is missing."""
    if value is None:
        return "-"
    return f"{value:,.{digits}f}{unit}"


def ratio(value: float | None, other: float | None) -> float | None:
    """`value` over `other`, None where either is missing."""
    return value / other if value is not None and other else None


def text_table(sections: Sequence[Section]) -> str:
    """For a terminal, WIDTH columns wide."""
    lines = []
    for section in sections:
        heads = (_fill(section.title, _WHAT), "measured".rjust(_FIGURE), "  asked")
        lines += ["", "".join(heads).rstrip(), "─" * WIDTH]
        lines += [
            f"{_fill('  ' + row.what, _WHAT)}{row.figure:>{_FIGURE}}"
            f"  {row.target:<{_TARGET - 2}}{row.verdict:>{_VERDICT}}".rstrip()
            for row in section.rows
        ]
    return "\n".join(lines).strip("\n")


def markdown_table(sections: Sequence[Section]) -> str:
    """For a page."""
    lines = []
    for section in sections:
        lines += ["", f"| {section.title} | measured | asked | |", "|---|---:|---|---|"]
        lines += [
            f"| {row.what} | {row.figure} | {row.target} | {row.verdict} |" for row in section.rows
        ]
    return "\n".join(lines).strip("\n")


def _fill(text: str, width: int) -> str:
    return text if len(text) > width else text.ljust(width)

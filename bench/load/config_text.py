"""Turns the options of a command into a table for a terminal, or into JSON."""

from __future__ import annotations

import json
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench.load.config_listing import DEFAULT, Listed
from bench.report.wording import printable

_WIDTH = 80


def print_resolved(listed: Listed) -> None:
    """One row per option in 80 columns; those that somebody set stand out."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column(f"rtbench {listed.command}", no_wrap=True)
    table.add_column("value", overflow="fold", max_width=30)
    table.add_column("from", overflow="fold")
    for option in listed.options:
        style = "dim" if option.source == DEFAULT else ""
        cells = (option.name, show_value(option.value), option.source)
        table.add_row(*(Text(printable(cell), style=style) for cell in cells))
    console.print(table, width=min(console.width, _WIDTH))
    console.print(Text(f"\nFile: {printable(listed.file or 'none')}"), soft_wrap=True)


def show_value(value: Any) -> str:
    """A value as a file would have it, `-` for none."""
    if value is None or value in ("", [], ()):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def to_json(content: Any) -> str:
    """Indented JSON."""
    return json.dumps(content, indent=2, ensure_ascii=False)

"""Writes a document where it is wanted: to a file, or to stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bench.problem import Problem

STDOUT = Path("-")


def deliver(text: str, target: Path, *, append: bool = False) -> None:
    """Write to a file, whose folder is made if it is not there, or for `-` to stdout.

    Raises:
        Problem: the file cannot be written.
    """
    # Strings from outside may hold half a character, which UTF-8 has no bytes for.
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if target == STDOUT:
        sys.stdout.write(text)
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("a" if append else "w", encoding="utf-8", newline="") as file:
            file.write(text)
    except OSError as error:
        raise Problem(f"{target}: cannot be written ({error.strerror})") from None


def deliver_json(content: Any, target: Path) -> None:
    """Write indented JSON, as `deliver` writes texts.

    Raises:
        Problem: the file cannot be written.
    """
    deliver(json.dumps(content, indent=2, ensure_ascii=False) + "\n", target)

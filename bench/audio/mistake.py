"""Turns what pydantic found wrong into one line: the first mistake and its place. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


def first_mistake(error: ValidationError) -> str:
    """First mistake of a file as `clips[3].text: Field required`, and how many follow."""
    first = error.errors(include_url=False)[0]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"])
    value = first.get("input")
    quotable = isinstance(value, str | int | float) and first["type"] != "json_invalid"
    shown = f" (got {value!r:.80})" if quotable else ""
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{place.lstrip('.') or 'content'}: {first['msg']}{shown}{more}"

"""Turns a client event of a known shape into one that another server takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.dialects.sent import Event

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is moved, then left out, then set in an event. Paths lead from the event down."""

    move: Mapping[Path, Path] = field(default_factory=dict)
    drop: tuple[Path, ...] = ()
    drop_null: tuple[Path, ...] = ()
    set: Mapping[str, Any] = field(default_factory=dict)

    def made_to(self, event: Event, model: str | None = None) -> Event:
        """The changed event; {model} in text that is set stands for `model`.

        What is to be moved or dropped and is not there stays so.
        """
        changed = _copied(event)
        for source, target in self.move.items():
            home, key = _home(changed, source)
            if key in home:
                value = home.pop(key)
                home, key = _home(changed, target, make=True)
                home[key] = value
        for path in self.drop:
            home, key = _home(changed, path)
            home.pop(key, None)
        for path in self.drop_null:
            home, key = _home(changed, path)
            if home.get(key, ...) is None:
                del home[key]
        return _merged(changed, _filled(dict(self.set), model))


def _home(event: Event, path: Path, *, make: bool = False) -> tuple[Event, str]:
    """The object that holds the last step of `path`; an empty one where there is none."""
    home = event
    for step in path[:-1]:
        inner = home.get(step)
        if not isinstance(inner, dict):
            inner = {}
            if make:
                home[step] = inner
        home = inner
    return home, path[-1]


def _copied(value: Any) -> Any:
    return (
        {key: _copied(inner) for key, inner in value.items()} if isinstance(value, dict) else value
    )


def _merged(event: Event, patch: Event) -> Event:
    for key, value in patch.items():
        old = event.get(key)
        event[key] = (
            _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
        )
    return event


def _filled(value: Any, model: str | None) -> Any:
    if isinstance(value, dict):
        return {key: _filled(inner, model) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, model) for inner in value]
    if isinstance(value, str) and model is not None:
        return value.replace("{model}", model)
    return value

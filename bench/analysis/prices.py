"""Turns the tokens that responses used into dollars, by a dated table of list prices."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from bench.analysis.detail import number
from bench.problem import Problem

_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more responses, by what they stand for; cached ones are input too.

    Each field but the last two is part of what a server bills by a price of its own.
    """

    text_in: int = 0
    audio_in: int = 0
    image_in: int = 0
    text_cached: int = 0
    audio_cached: int = 0
    image_cached: int = 0
    text_out: int = 0
    audio_out: int = 0
    input_tokens: int = 0
    """All of them, those that the server did not tell apart included."""
    output_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Usage)))


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens of one model, and where and when they were read."""

    text_in: float
    text_cached: float
    text_out: float
    audio_in: float
    audio_cached: float
    audio_out: float
    image_in: float = 0.0
    image_cached: float = 0.0
    date: str = ""
    source: str = ""

    def cost_usd(self, usage: Usage) -> float | None:
        """What `usage` costs; None where the server did not tell its kinds of token apart."""
        told_in = usage.text_in + usage.audio_in + usage.image_in
        if told_in < usage.input_tokens or usage.text_out + usage.audio_out < usage.output_tokens:
            return None
        cost = usage.text_out * self.text_out + usage.audio_out * self.audio_out
        for kind in ("text", "audio", "image"):
            cached = min(getattr(usage, f"{kind}_cached"), getattr(usage, f"{kind}_in"))
            cost += (getattr(usage, f"{kind}_in") - cached) * getattr(self, f"{kind}_in")
            cost += cached * getattr(self, f"{kind}_cached")
        return float(cost) / _MILLION


DATE = "2026-11-25"
_MODELS = "https://developers.openai.com/api/docs/models/"
_PRICES = ("text_in", "text_cached", "text_out", "audio_in", "audio_cached", "audio_out")
_IMAGES = ("image_in", "image_cached")


def _listed(model: str, *prices: float) -> Prices:
    given = dict(zip((*_PRICES, *_IMAGES), prices, strict=False))
    return Prices(**given, date=DATE, source=_MODELS + model)


PRICES: dict[str, Prices] = {
    "gpt-realtime-2.1": _listed("gpt-realtime-2.1", 4, 0.4, 24, 32, 0.4, 64, 5, 0.5),
    "gpt-realtime-2.1-mini": _listed(
        "gpt-realtime-2.1-mini", 0.6, 0.06, 2.4, 10, 0.3, 20, 0.8, 0.08
    ),
    "gpt-realtime-2": _listed("gpt-realtime-2", 4, 0.4, 24, 32, 0.4, 64, 5, 0.5),
    "gpt-realtime-1.5": _listed("gpt-realtime-1.5", 4, 0.4, 16, 32, 0.4, 64, 5, 0.5),
    "gpt-4o-realtime-preview": _listed("gpt-4o-realtime-preview", 5, 2.5, 20, 40, 2.5, 80),
    "gpt-4o-mini-realtime-preview": _listed(
        "gpt-4o-mini-realtime-preview", 0.6, 0.3, 2.4, 10, 0.3, 20
    ),
}
"""List prices by model, as read on DATE on the page of each. A bill may differ: contracts,
regions, and the model that writes transcripts, which is billed apart."""


def prices_of(model: str | None, table: Mapping[str, Prices] = PRICES) -> Prices | None:
    """The prices of a model, or of the one of which it is a dated snapshot; None if unknown."""
    if not model:
        return None
    name = model.rpartition("/")[2]
    if name in table:
        return table[name]
    known = [entry for entry in table if _is_snapshot(name, entry)]
    return table[max(known, key=len)] if known else None


def _is_snapshot(name: str, model: str) -> bool:
    rest = name.removeprefix(f"{model}-")
    return rest != name and rest.replace("-", "").isdigit()


def read_prices(toml: str, where: str) -> dict[str, Prices]:
    """PRICES with what a TOML file says instead: a table of dollars per million for each model.

    Keys are those of `Prices`; `text_in`, `text_out`, `audio_in` and `audio_out` must be there,
    cached tokens cost as much as others unless it says so. `where` names the file in complaints.

    Raises:
        Problem: it is no TOML, or a key or value will not do.
    """
    try:
        found = tomllib.loads(toml)
    except (ValueError, RecursionError) as error:
        raise Problem(f"{where}: is no TOML ({error}); mend it there") from None
    return PRICES | {model: _priced(f"{where}: [{model}]", row) for model, row in found.items()}


def _priced(where: str, row: Any) -> Prices:
    if not isinstance(row, dict):
        raise Problem(f'{where}: is no table; write ["model"] and its prices below')
    words = {"date", "source"}
    known = {field.name for field in fields(Prices)}
    for key, value in row.items():
        if key not in known:
            raise Problem(f"{where} {key}: unknown; there are {', '.join(sorted(known))}")
        if key in words:
            good = isinstance(value, str)
        else:
            good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
            good = good and value < float("inf")
        if not good:
            wanted = "text in quotes" if key in words else "dollars per million tokens, 0 or more"
            raise Problem(f"{where} {key}: {value!r} will not do; give {wanted}")
    missing = [key for key in _PRICES if key not in row and not key.endswith("_cached")]
    if missing:
        raise Problem(f"{where}: {' and '.join(missing)} missing; give dollars per million tokens")
    fresh = {
        key: row.get(key.replace("_cached", "_in"), 0.0)
        for key in (*_PRICES, *_IMAGES)
        if key.endswith("_cached")
    }
    return Prices(**{**fresh, **row})


def usage_of(told: Iterable[object]) -> Usage | None:
    """The sum of the `usage` objects of responses; None where no response told any."""
    found = [usage for usage in map(_usage, told) if usage is not None]
    return sum(found[1:], found[0]) if found else None


def _usage(told: object) -> Usage | None:
    if not isinstance(told, dict):
        return None
    incoming, outgoing = _part(told, "input_token_details"), _part(told, "output_token_details")
    cached = _part(incoming, "cached_tokens_details")
    text_in, audio_in = _tokens(incoming, "text_tokens"), _tokens(incoming, "audio_tokens")
    text_cached = _tokens(cached, "text_tokens")
    all_cached = _tokens(incoming, "cached_tokens")
    if not cached and all_cached:  # not told of what: text comes first in a conversation
        text_cached = min(all_cached, text_in)
        cached = {"audio_tokens": min(all_cached - text_cached, audio_in)}
    image_in = _tokens(incoming, "image_tokens")
    text_out, audio_out = _tokens(outgoing, "text_tokens"), _tokens(outgoing, "audio_tokens")
    return Usage(
        text_in=text_in,
        audio_in=audio_in,
        image_in=image_in,
        text_cached=text_cached,
        audio_cached=_tokens(cached, "audio_tokens"),
        image_cached=_tokens(cached, "image_tokens"),
        text_out=text_out,
        audio_out=audio_out,
        input_tokens=max(_tokens(told, "input_tokens"), text_in + audio_in + image_in),
        output_tokens=max(_tokens(told, "output_tokens"), text_out + audio_out),
    )


def _part(told: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = told.get(key)
    return part if isinstance(part, dict) else {}


def _tokens(told: Mapping[str, Any], key: str) -> int:
    value = number(told.get(key))
    return 0 if value is None or value < 0 else int(value)

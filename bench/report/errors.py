"""Turns what was reported as wrong into its classes: how often, when, and what to look at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

from bench.analysis.outcomes import OUTCOMES
from bench.report.wording import number

MESSAGES = 3
"""Messages told of each class, the most frequent first."""

_CONNECTING = {
    "refused": "Whether the server runs, and listens at the host and port of the target.",
    "timeout": "Whether the target can be reached, and how long it takes to let callers in.",
    "dns": "The name of the host in the target, and the resolver of this machine.",
    "tls": "The target's certificate, and the authorities that this machine trusts.",
    "protocol": "Whether a Realtime server answers at this URL, and --dialect.",
    "closed": "The server's log: it let the caller in and hung up before the session was set up.",
    "http_401": "The key: the server does not know it.",
    "http_403": "The key: the server knows it and does not let it use this model.",
    "http_404": "The path and the model of the target.",
    "http_429": OUTCOMES["rate_limited"].look_at,
}


class ErrorClass(NamedTuple):
    """Errors of one class; `first_s` and `last_s` count from the run's first event."""

    name: str
    amount: int
    first_s: float | None
    last_s: float | None
    messages: Sequence[tuple[str, int]]
    further: int
    """Messages that are not among `messages`."""
    ended: str
    """Turns that it ended, in words."""
    look_at: str


def error_classes(errors: Sequence[Mapping[str, Any]], turns: pd.DataFrame) -> list[ErrorClass]:
    """The errors of summary.json by class, the most frequent first.

    What to look at is what OUTCOMES says of the turns that such an error ended.
    """
    ended = _ended(turns)
    groups: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for error in errors:
        groups[error["class"]].append(error)
    return sorted(
        (_class(name, group, ended.get(name, Counter())) for name, group in groups.items()),
        key=lambda each: (-each.amount, each.name),
    )


def _class(name: str, errors: Sequence[Mapping[str, Any]], ended: Counter[str]) -> ErrorClass:
    firsts = [error["first_s"] for error in errors if error["first_s"] is not None]
    lasts = [error["last_s"] for error in errors if error["last_s"] is not None]
    messages = sorted(errors, key=lambda error: -error["count"])
    return ErrorClass(
        name,
        amount=sum(error["count"] for error in errors),
        first_s=min(firsts, default=None),
        last_s=max(lasts, default=None),
        messages=[(error["message"] or "", error["count"]) for error in messages[:MESSAGES]],
        further=len(messages[MESSAGES:]),
        ended=", ".join(f"{number(amount)} {outcome}" for outcome, amount in ended.most_common()),
        look_at=_look_at(name, ended),
    )


def _ended(turns: pd.DataFrame) -> dict[str, Counter[str]]:
    """Outcomes of the turns that an error ended, by the error's class."""
    ended: dict[str, Counter[str]] = defaultdict(Counter)
    found = turns[turns["error"].notna()]
    pairs = Counter(zip(found["error"], found["outcome"], strict=True))
    for (error, outcome), amount in pairs.items():
        ended[error.partition(": ")[0]][outcome] += amount
    return ended


def _look_at(name: str, ended: Counter[str]) -> str:
    for outcome, _ in ended.most_common():
        if outcome in OUTCOMES and OUTCOMES[outcome].failed:
            return OUTCOMES[outcome].look_at
    if name in _CONNECTING:
        return _CONNECTING[name]
    if name in OUTCOMES:
        return OUTCOMES[name].look_at
    if name.startswith("http_5"):
        return "The server's log: it was reached, and would not open a session."
    if name.startswith("proxy_"):
        return "The proxy before the target, as HTTPS_PROXY and NO_PROXY have it, and its log."
    if "rate_limit" in name:
        return OUTCOMES["rate_limited"].look_at
    if name.startswith("closed_by_"):
        return OUTCOMES["disconnected"].look_at
    return OUTCOMES["protocol_error"].look_at if name == "malformed" else ""


def when(turns: pd.DataFrame) -> dict[str, tuple[float | None, float | None]]:
    """First and last second at which the speech of a turn of each outcome ended."""
    spans = turns.dropna(subset=["since_start_s"]).groupby("outcome")["since_start_s"]
    ends = spans.agg(["min", "max"])
    return {str(row.Index): (float(row[1]), float(row[2])) for row in ends.itertuples()}

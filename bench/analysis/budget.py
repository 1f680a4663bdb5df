"""Turns what responses used into what is spent so far, and what must be done about it. Pure.

Any number of processes count tokens for themselves; whoever controls the run adds them up, gives
them a price and compares it with what may be spent.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from bench.analysis.detail import parsed, text
from bench.analysis.prices import Prices, Usage, usage_of

HELD_SHARE = 0.9
"""Of what may be spent: from there on no new session is begun."""


class Stage(enum.IntEnum):
    """How far a run's spending has come."""

    OPEN = 0
    HELD = 1
    """No new session."""
    SPENT = 2
    """The run ends."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a process, or a whole run, has used so far.

    `responses` told their usage, `silent` ones did not; `open_turns` are under way. What the
    transcription of the caller's speech costs is billed apart, and is not in it.
    """

    usage: Usage = field(default_factory=Usage)
    responses: int = 0
    silent: int = 0
    open_turns: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.usage + other.usage,
            self.responses + other.responses,
            self.silent + other.silent,
            self.open_turns + other.open_turns,
        )

    def after(self, responses: Iterable[str | None], *, begun: int, ended: int) -> Tally:
        """The tally after more responses, by the `detail` of their rows, and turns.

        A response that failed without a usage is taken to cost nothing.
        """
        details = [parsed(detail) for detail in responses]
        told = [detail.get("usage") for detail in details]
        usages = [usage for usage in (usage_of([one]) for one in told) if usage is not None]
        silent = sum(
            not isinstance(detail.get("usage"), dict) and text(detail.get("status")) != "failed"
            for detail in details
        )
        return Tally(
            sum(usages, self.usage),
            self.responses + len(usages),
            self.silent + silent,
            max(self.open_turns + begun - ended, 0),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, to be sent to another process."""
        return {
            "usage": list(astuple(self.usage)),
            "responses": self.responses,
            "silent": self.silent,
            "open_turns": self.open_turns,
        }

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Tally:
        """The tally that another process sent."""
        return cls(Usage(*told["usage"]), told["responses"], told["silent"], told["open_turns"])


@dataclass(frozen=True, slots=True)
class Spent:
    """Dollars: `told_usd` by the usage of responses, `assumed_usd` where none is told (yet)."""

    told_usd: float
    assumed_usd: float

    @property
    def usd(self) -> float:
        """Both together."""
        return self.told_usd + self.assumed_usd


def spent(tally: Tally, prices: Prices, turn_usd: float) -> Spent:
    """What a tally costs.

    A turn under way, and a response that told no usage, counts as much as the others on average,
    or `turn_usd` as long as none has told. Tokens of no told kind count as audio.
    """
    told_usd = _most_usd(tally.usage, prices)
    each_usd = told_usd / tally.responses if tally.responses else turn_usd
    return Spent(told_usd, each_usd * (tally.silent + tally.open_turns))


def _most_usd(usage: Usage, prices: Prices) -> float:
    known_in = usage.text_in + usage.audio_in + usage.image_in
    untold = Usage(
        audio_in=max(usage.input_tokens - known_in, 0),
        audio_out=max(usage.output_tokens - usage.text_out - usage.audio_out, 0),
    )
    cost = prices.cost_usd(usage + untold)
    assert cost is not None, "every token is of a kind now"
    return cost


def stage_of(spent_usd: float, max_usd: float | None) -> Stage:
    """What is to be done when so much is spent of what may be; nothing without a limit."""
    if max_usd is None or spent_usd < HELD_SHARE * max_usd:
        return Stage.OPEN
    return Stage.HELD if spent_usd < max_usd else Stage.SPENT

"""Turns the size of a run into a range of what it may cost, before anything is sent.

What is billed is known only when the target tells it. Until then this is what is usual, to be
shown together with what it assumes.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Set
from dataclasses import dataclass

from bench.analysis.prices import Prices

CALLER_TOKENS_PER_S = 10.0
REPLY_TOKENS_PER_S = 20.0
"""Tokens of audio, as https://developers.openai.com/api/docs/guides/realtime-costs has them (read
on 2026-11-25): one per 100 ms of what a user says, one per 50 ms of an assistant's. Silence that
turn detection leaves out is not billed there."""

TEXT_PER_AUDIO_TOKEN = 0.5
"""Tokens of text that come with a reply's audio, as in the example of that page."""

SHORT_REPLY_S, LONG_REPLY_S = 3.0, 10.0
GAP_S = 1.0
"""From the end of speech to the reply and from there to the next utterance, both together; the
callers of rtbench's own scenarios mostly take longer, so that they have fewer turns."""

LONGEST_SESSION_S = 3600.0
"""Then OpenAI ends a session, and the next one begins without a history."""

_MILLION = 1e6


@dataclass(frozen=True, slots=True)
class RunSize:
    """`callers` who talk for `seconds`, each turn with `speech_s` of their speech."""

    callers: int
    seconds: float
    speech_s: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """Dollars of a whole run, from `low_usd` to `high_usd`, and of a first turn at least."""

    low_usd: float
    high_usd: float
    turn_usd: float


def estimate_cost(size: RunSize, prices: Prices) -> Estimate:
    """What a run of that size may cost at such prices.

    The least and the most of four: replies short or long, and what was said before found in the
    target's cache or not, each time that it is billed again. Instructions, tools, images and
    transcripts of the caller's speech come on top.
    """
    ends = [
        _caller_usd(size, prices, reply_s, cached=cached)
        for reply_s in (SHORT_REPLY_S, LONG_REPLY_S)
        for cached in (True, False)
    ]
    return Estimate(
        low_usd=size.callers * min(ends),
        high_usd=size.callers * max(ends),
        turn_usd=_session_usd(1, size.speech_s, SHORT_REPLY_S, prices, cached=True),
    )


def _caller_usd(size: RunSize, prices: Prices, reply_s: float, *, cached: bool) -> float:
    turn_s = size.speech_s + GAP_S + reply_s
    whole, rest_s = divmod(size.seconds, LONGEST_SESSION_S)
    lasting = {LONGEST_SESSION_S: whole, rest_s: 1.0}
    return sum(
        count * _session_usd(math.ceil(s / turn_s), size.speech_s, reply_s, prices, cached=cached)
        for s, count in lasting.items()
    )


def _session_usd(
    turns: int, speech_s: float, reply_s: float, prices: Prices, *, cached: bool
) -> float:
    """One conversation of so many turns; each response bills all that was said before again."""
    said = speech_s * CALLER_TOKENS_PER_S
    replied = reply_s * REPLY_TOKENS_PER_S
    written = replied * TEXT_PER_AUDIO_TOKEN
    fresh = said * prices.audio_in + replied * prices.audio_out + written * prices.text_out
    audio_again = prices.audio_cached if cached else prices.audio_in
    text_again = prices.text_cached if cached else prices.text_in
    again = (said + replied) * audio_again + written * text_again
    earlier_turns = turns * (turns - 1) / 2
    return (turns * fresh + earlier_turns * again) / _MILLION


def clips_named(source: str, known: Set[str]) -> set[str]:
    """Which of the `known` clips a scenario's source names outright; nothing if it is no Python.

    Names that are put together while it runs are not found.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    return {text for text in texts if isinstance(text, str)} & known


def dollars(amount: float) -> str:
    """An amount as people write it: `$1,234`, `$1.50`, `$0.042`, `under $0.001`."""
    if amount >= 100:
        return f"${amount:,.0f}"
    if amount >= 0.1:
        return f"${amount:.2f}"
    if amount >= 0.001:
        return f"${amount:.3f}"
    return "under $0.001" if amount > 0 else "$0.00"

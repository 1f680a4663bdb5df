"""Turns a conversation into what of it a response still sees, and into the tokens it bills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.server.conversation import Entry
from bench.server.refusal import Refusal

_CACHE_GRAIN_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by kind."""

    text: int = 0
    audio: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.audio

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.text + other.text, self.audio + other.audio)


def tokens_of(entries: Sequence[Entry]) -> Tokens:
    """Tokens of all `entries`."""
    return Tokens(sum(e.text_tokens for e in entries), sum(e.audio_tokens for e in entries))


def fit(
    entries: Sequence[Entry],
    truncation: str | dict[str, Any] | None,
    *,
    instructions: int,
    limit: int,
) -> list[Entry]:
    """The newest of `entries` that fit into `limit` tokens beside those of the instructions.

    `truncation` is the session's: by a retention ratio, once the limit is passed so much is
    dropped that only that share of it is used, which keeps the cache warm in the turns after.

    Raises:
        Refusal: they do not fit and truncation is disabled.
    """
    room, ratio = limit - instructions, 1.0
    if isinstance(truncation, dict):
        ratio = float(truncation.get("retention_ratio", 1.0))
        most = (truncation.get("token_limits") or {}).get("post_instructions")
        room = room if most is None else min(room, int(most))
    kept = list(entries)
    used = tokens_of(kept).total
    if used <= room:
        return kept
    if truncation == "disabled":
        raise Refusal(
            "context_length_exceeded",
            f"The conversation has {used} tokens, {room} fit, and truncation is disabled.",
        )
    while used > room * ratio and len(kept) > 1:
        dropped = kept.pop(0)
        used -= dropped.text_tokens + dropped.audio_tokens
    return kept


def usage(given: Tokens, cached: Tokens, said: Tokens) -> dict[str, Any]:
    """The `usage` of a response: each one bills what it was given of the conversation again."""
    return {
        "total_tokens": given.total + said.total,
        "input_tokens": given.total,
        "output_tokens": said.total,
        "input_token_details": {
            "text_tokens": given.text,
            "audio_tokens": given.audio,
            "image_tokens": 0,
            "cached_tokens": cached.total,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": 0,
            },
        },
        "output_token_details": {"text_tokens": said.text, "audio_tokens": said.audio},
    }


def cached_of(before: Tokens, given: Tokens) -> Tokens:
    """What of `given` was cached when the response before was given `before`, in whole blocks."""
    return Tokens(
        min(before.text, given.text) // _CACHE_GRAIN_TOKENS * _CACHE_GRAIN_TOKENS,
        min(before.audio, given.audio) // _CACHE_GRAIN_TOKENS * _CACHE_GRAIN_TOKENS,
    )

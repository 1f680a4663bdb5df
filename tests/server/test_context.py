from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.context import Tokens, cached_of, fit, tokens_of, usage
from bench.server.conversation import Entry
from bench.server.refusal import Refusal


def entries(*tokens: int) -> list[Entry]:
    return [Entry({"id": f"item_{i}"}, text_tokens=n) for i, n in enumerate(tokens)]


def ids(kept: list[Entry]) -> list[str]:
    return [entry.id for entry in kept]


SIZES = st.lists(st.integers(0, 200), max_size=12)
RATIOS = st.floats(0.1, 1.0)


def test_what_fits_exactly_is_kept_whole() -> None:
    said = entries(10, 20, 30)
    assert fit(said, "auto", instructions=40, limit=100) == said
    assert ids(fit(said, "auto", instructions=41, limit=100)) == ["item_1", "item_2"]


def test_truncation_that_is_disabled_refuses_what_does_not_fit() -> None:
    said = entries(10, 20, 30)
    assert fit(said, "disabled", instructions=40, limit=100) == said
    with pytest.raises(Refusal) as refused:
        fit(said, "disabled", instructions=41, limit=100)
    assert refused.value.code == "context_length_exceeded"


def test_a_retention_ratio_drops_more_at_once() -> None:
    ratio = {"type": "retention_ratio", "retention_ratio": 0.5}
    said = entries(*[10] * 10)
    assert fit(said, ratio, instructions=0, limit=100) == said
    said = entries(*[10] * 11)
    assert ids(fit(said, ratio, instructions=0, limit=100)) == [f"item_{i}" for i in range(6, 11)]


def test_a_token_limit_counts_after_the_instructions() -> None:
    limited: dict[str, Any] = {
        "type": "retention_ratio",
        "retention_ratio": 1.0,
        "token_limits": {"post_instructions": 25},
    }
    assert ids(fit(entries(10, 10, 10), limited, instructions=500, limit=9_999)) == [
        "item_1",
        "item_2",
    ]
    # It never makes more room than there is.
    assert ids(fit(entries(10, 10, 10), limited, instructions=90, limit=100)) == ["item_2"]


@given(SIZES, RATIOS, st.integers(1, 500))
def test_the_newest_are_kept_in_order_and_fit(sizes: list[int], ratio: float, limit: int) -> None:
    said = entries(*sizes)
    truncation = {"type": "retention_ratio", "retention_ratio": ratio}
    kept = fit(said, truncation, instructions=0, limit=limit)
    assert kept == said[len(said) - len(kept) :]
    if sum(sizes) <= limit:
        assert kept == said
    else:
        # The turn to be answered stays, however long it is.
        assert len(kept) == 1 or tokens_of(kept).total <= limit * ratio
        dropped = said[: len(said) - len(kept)]
        more = tokens_of([*dropped[-1:], *kept]).total
        assert not dropped or more > limit * ratio


def test_usage_adds_up() -> None:
    billed = usage(Tokens(100, 200), Tokens(64, 128), Tokens(3, 8))
    assert billed["input_tokens"] == 300
    assert billed["output_tokens"] == 11
    assert billed["total_tokens"] == 311
    assert billed["input_token_details"]["cached_tokens"] == 192
    details = billed["input_token_details"]["cached_tokens_details"]
    assert (details["text_tokens"], details["audio_tokens"]) == (64, 128)


@given(st.tuples(*[st.integers(0, 2_000)] * 4))
def test_what_is_cached_is_whole_blocks_of_what_was_given_before(
    sizes: tuple[int, int, int, int],
) -> None:
    before, given_now = Tokens(*sizes[:2]), Tokens(*sizes[2:])
    cached = cached_of(before, given_now)
    for kind in ("text", "audio"):
        hit, was, now = (getattr(tokens, kind) for tokens in (cached, before, given_now))
        assert hit % 64 == 0
        assert min(was, now) - 64 < hit <= min(was, now)

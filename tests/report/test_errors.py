from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from bench.analysis.outcomes import OUTCOMES
from bench.report.errors import error_classes, when


def error(name: str, message: str = "", count: int = 1, **seen: float | None) -> dict[str, Any]:
    return {
        "class": name,
        "message": message,
        "count": count,
        "first_s": seen.get("first_s", 1.0),
        "last_s": seen.get("last_s", 2.0),
    }


def turns(*ended: tuple[str | None, str]) -> pd.DataFrame:
    frame = pd.DataFrame(ended, columns=["error", "outcome"])
    return frame.assign(since_start_s=[float(i) for i in range(len(frame))])


def test_errors_of_a_class_are_one_from_the_first_to_the_last() -> None:
    listed = [
        error("overloaded", "a", 2, first_s=5.0, last_s=9.0),
        error("overloaded", "b", 7, first_s=3.0, last_s=4.0),
        error("odd", "", 1, first_s=None, last_s=None),
    ]
    first, second = error_classes(listed, turns())
    assert (first.name, first.amount, first.first_s, first.last_s) == ("overloaded", 9, 3.0, 9.0)
    assert first.messages == [("b", 7), ("a", 2)]
    assert first.further == 0
    assert (second.name, second.first_s, second.last_s) == ("odd", None, None)


def test_of_many_messages_the_most_frequent_are_told() -> None:
    [found] = error_classes([error("x", f"id {i}", i) for i in range(1, 11)], turns())
    assert [message for message, _ in found.messages] == ["id 10", "id 9", "id 8"]
    assert found.further == 7
    assert found.amount == 55


def test_what_to_look_at_is_what_the_turns_that_it_ended_say() -> None:
    ended = turns(
        ("overloaded: busy", "server_error"),
        ("overloaded: busy", "server_error"),
        ("overloaded", "cut_off"),
        ("other: busy", "no_reply"),
        (None, "ok"),
    )
    [found] = error_classes([error("overloaded", "busy", 3)], ended)
    assert found.ended == "2 server_error, 1 cut_off"
    assert found.look_at == OUTCOMES["server_error"].look_at


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused", "listens"),
        ("http_401", "key"),
        ("http_503", "would not open a session"),
        ("proxy_407", "as HTTPS_PROXY and NO_PROXY have it"),
        ("http_429", OUTCOMES["rate_limited"].look_at),
        ("rate_limit_exceeded", OUTCOMES["rate_limited"].look_at),
        ("closed_by_network", OUTCOMES["disconnected"].look_at),
        ("server_error", OUTCOMES["server_error"].look_at),
        ("malformed", OUTCOMES["protocol_error"].look_at),
    ],
)
def test_errors_that_ended_no_turn_have_advice_of_their_own(name: str, words: str) -> None:
    [found] = error_classes([error(name)], turns())
    assert words in found.look_at
    assert found.ended == ""


def test_nothing_is_advised_where_nothing_is_known() -> None:
    [found] = error_classes([error("novel_code")], turns(("novel_code", "stopped")))
    assert found.look_at == ""
    assert found.ended == "1 stopped"


def test_each_outcome_was_seen_first_and_last() -> None:
    frame = turns((None, "ok"), (None, "no_reply"), (None, "ok"), (None, "no_reply"))
    frame.loc[3, "since_start_s"] = None
    assert when(frame) == {"ok": (0.0, 2.0), "no_reply": (1.0, 1.0)}
    assert when(turns()) == {}

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.problem import Problem
from bench.server.profiles.fault import FAULTS, Fault, parse_fault


@pytest.mark.parametrize("kind", FAULTS)
def test_every_kind_is_asked_for_by_its_name(kind: str) -> None:
    assert parse_fault(kind) == Fault(kind)
    assert parse_fault(f"{kind}:0.25") == Fault(kind, 0.25)
    stage, meaning = FAULTS[kind]
    assert stage in {"connection", "turn"}
    assert meaning


def test_a_place_is_given_after_an_at_sign() -> None:
    assert parse_fault("close_1011@after_ms=300,turn=1") == Fault("close_1011", 1.0, 300.0, 1)
    assert parse_fault("close_1011:0.1@turn=2") == Fault("close_1011", 0.1, None, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_reply_", r"kind 'no_reply_' is unknown; did you mean no_reply\?"),
        ("", "kind '' is unknown; there are refuse, "),
        ("no_reply:2", r"share 2\.0 is out of range; give 0 to 1"),
        ("no_reply:nan", "share nan is out of range"),
        ("no_reply:often", "share 'often' is no number; write KIND"),
        ("no_reply@turn=-1", "turn -1 is out of range"),
        ("no_reply@turn=1.5", "turn '1.5' is no whole number"),
        ("no_reply@turn=1,turn=2", "turn is there twice"),
        ("no_reply@after_ms=-1", r"after_ms -1\.0 is out of range"),
        ("no_reply@when=1", "'when' is no known key; write KIND"),
        ("no_reply@", "'' is no known key"),
        ("http_429@turn=1", "turn 1 cannot be: http_429 comes first; leave it out"),
    ],
)
def test_what_is_no_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(Problem, match=f"^fault {text!r}: {message}"):
        parse_fault(text)


pieces = st.sampled_from([*FAULTS, ":", "@", "=", ",", "turn", "after_ms", "1", "-", "inf", " "])


@given(st.one_of(st.text(), st.lists(pieces).map("".join)))
def test_any_text_is_a_fault_or_a_problem(text: str) -> None:
    try:
        fault = parse_fault(text)
    except Problem:
        return
    assert fault.kind in FAULTS
    assert 0 <= fault.share <= 1

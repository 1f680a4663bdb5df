"""A tool's call becomes what the scenario's function gives back, whatever the model wrote."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from bench.session.tools import as_output, tool_output
from bench.session.turn_state import ToolCall


def add(a: int, b: int = 1) -> int:
    return a + b


def called(arguments: str, name: str = "add") -> Any:
    return json.loads(tool_output({"add": add}, ToolCall("c", name, arguments)))


def test_arguments_are_keywords() -> None:
    assert called('{"a": 2, "b": 3}') == 5
    assert called('{"a": 2}') == 3


def test_no_arguments_at_all_are_none() -> None:
    assert tool_output({"now": lambda: "ten"}, ToolCall("c", "now", "")) == "ten"


@pytest.mark.parametrize("arguments", ["[1]", "{", "3", "[" * 100_000])
def test_arguments_that_are_no_object_are_answered_so(arguments: str) -> None:
    assert called(arguments) == {"error": "the arguments are no JSON object"}


def test_a_tool_nobody_has_is_answered_so() -> None:
    assert called("{}", "subtract") == {"error": "there is no tool 'subtract'"}


def test_what_a_function_raises_is_the_scenarios() -> None:
    with pytest.raises(TypeError):
        called('{"c": 1}')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        ({"é": 1}, '{"é": 1}'),
        (None, "null"),
        (date(2026, 1, 2), '"2026-01-02"'),
    ],
)
def test_outputs_are_text(value: object, text: str) -> None:
    assert as_output(value) == text

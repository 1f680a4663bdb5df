"""Turns a tool's call into its output, by a scenario's own functions."""

from __future__ import annotations

import json
from collections.abc import Mapping

from bench.session.turn_options import ToolFunction
from bench.session.turn_state import ToolCall

ROUNDS_LIMIT = 16
"""Rounds of results that one turn gives; a model that still calls on is left to itself."""


def tool_output(functions: Mapping[str, ToolFunction], call: ToolCall) -> str:
    """What the caller's function gives back, as text; what it raises is the scenario's.

    A call that no function can take has an output that says so, as an agent would tell a model.
    """
    function = functions.get(call.name)
    if function is None:
        return json.dumps({"error": f"there is no tool {call.name!r}"})
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        return json.dumps({"error": "the arguments are no JSON object"})
    return as_output(function(**arguments))


def as_output(value: object) -> str:
    """Text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)

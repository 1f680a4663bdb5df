"""Turns a tool's call into its output, by a scenario's own functions."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from bench.dialects.base import Kind
from bench.dialects.sent import tool_result_item
from bench.session.call import Call
from bench.session.turn_options import ToolFunction
from bench.session.turn_state import ToolCall, TurnState

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


class ToolAnswers:
    """Gives the results of the tools that are called in a turn."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._functions: Mapping[str, ToolFunction] = {}
        self._rounds = 0

    def begin(self, functions: Mapping[str, ToolFunction]) -> None:
        """Answer by these in the turn that begins."""
        self._functions, self._rounds = functions, 0

    def answer(self, state: TurnState) -> None:
        """Give all results owed, once the response that calls is done, and ask for what follows.

        The functions run here, in the scenario's own time.
        """
        if state.open_responses or state.owed_responses:
            return
        self._rounds += 1
        if self._rounds > ROUNDS_LIMIT:
            state.answers_tools = False
            return
        calls, state.open_calls = state.open_calls, []
        state.owed_responses += 1  # the turn is not over: a response will follow
        outputs = [(call, tool_output(self._functions, call)) for call in calls]
        if self._call.ended:  # the functions may have taken their time
            return
        for call, output in outputs:
            self._call.send(Kind.ITEM_CREATE, item=tool_result_item(call.call_id, output))
        state.progress_ns = time.monotonic_ns()
        self._call.send(Kind.RESPONSE_CREATE)

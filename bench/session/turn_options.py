"""What a scenario may say of a turn, and of a response it asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypedDict

from bench.session.turn_state import Expects

ToolFunction = Callable[..., Any]
"""Called with the arguments of a tool's call as keywords; gives its output, text or JSON."""

Then = Literal["nothing", "commit", "respond"]
"""What the caller does when the utterance is out: nothing, as server VAD hears its end; commit
the audio; or commit it and ask for a response."""


class TurnOptions(TypedDict, total=False):
    """How a turn goes on.

    `expects` is what it waits for: a reply, heard to its end; a transcript; or silence, where
    a reply would be a mistake. `then` is what the caller does when the utterance is out.
    `answer_tools` has a function for each tool: the turn ends when the reply after the results
    was heard. `watchdog_s` gives a turn up after so long without a sign of life. Silence is
    silence when nothing has come for `quiet_s`.
    """

    expects: Expects | Literal["reply", "transcript", "silence"]
    then: Then
    answer_tools: Mapping[str, ToolFunction]
    watchdog_s: float
    quiet_s: float


class ResponseOptions(TypedDict, total=False):
    """What one response is to be, other than the session says.

    `conversation` "none" keeps it out of the conversation; `input` is then what it is made of,
    items as those of `bench.dialects.sent`.
    """

    instructions: str
    output_modality: Literal["audio", "text"]
    voice: str
    tools: Sequence[dict[str, Any]]
    tool_choice: str | dict[str, Any]
    max_output_tokens: int | Literal["inf"]
    conversation: Literal["auto", "none"]
    input: Sequence[dict[str, Any]]
    metadata: dict[str, str]


class RespondOptions(TurnOptions, ResponseOptions, total=False):
    """Both."""


def response_fields(options: RespondOptions) -> dict[str, Any]:
    """Those of `options` that go to the server."""
    return {name: options[name] for name in ResponseOptions.__annotations__ if name in options}  # type: ignore[literal-required]


def turn_fields(options: RespondOptions) -> TurnOptions:
    """Those of `options` that say how the turn goes on."""
    return {name: options[name] for name in TurnOptions.__annotations__ if name in options}  # type: ignore[return-value, literal-required]

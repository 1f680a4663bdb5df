from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.server.conversation import Entry, client_entry
from bench.server.dialogue import Call, Say, Tools, answer

RECORDED = {
    "reply_lights": "The lights are off.",
    "reply_neutral": "All right.",
    "reply_train": "At ten forty.",
}
NO_TOOLS = Tools([], "auto")
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SET_LIGHTS = {
    "type": "function",
    "name": "setLights",
    "parameters": {
        "type": "object",
        "properties": {
            "state": {"type": "string", "enum": ["on", "off"]},
            "level": {"type": "integer"},
            "warmth": {"type": "number"},
            "fade": {"type": "boolean"},
            "rooms": {"type": "array"},
            "extra": {"type": "object"},
            "none": {"type": "null"},
            "count": {"type": ["null", "integer"]},
        },
    },
}


def said(role: str, text: str) -> Entry:
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return client_entry({"type": "message", "role": role, "content": content}, "item_1")


def output(text: str) -> Entry:
    item = {"type": "function_call_output", "call_id": "call_1", "output": text}
    return client_entry(item, "item_2")


def reply(*entries: Entry, tools: Tools = NO_TOOLS) -> str:
    answered = answer(entries, tools, RECORDED)
    assert isinstance(answered, Say)
    return answered.text


def call(text: str, *functions: dict[str, Any], choice: Any = "auto") -> tuple[str, Any]:
    answered = answer([said("user", text)], Tools(functions, choice), RECORDED)
    assert isinstance(answered, Call)
    return answered.name, json.loads(answered.arguments)


@pytest.mark.parametrize(
    ("text", "clip"),
    [
        ("What time does the last TRAIN leave?", "reply_train"),
        ("Lights off.", "reply_lights"),
        ("I am training for a race.", "reply_neutral"),
        ("", "reply_neutral"),
        # A topic that these voices have not recorded.
        ("Book a table.", "reply_neutral"),
    ],
)
def test_a_known_topic_has_its_recorded_answer(text: str, clip: str) -> None:
    assert reply(said("user", text)) == RECORDED[clip]


def test_voices_without_a_neutral_reply_say_what_they_have() -> None:
    assert answer([], NO_TOOLS, {"only": "Hm."}) == Say("Hm.")


def test_the_last_words_count_unless_they_were_answered() -> None:
    lights, train = said("user", "Lights off."), said("user", "The train?")
    assert reply(lights, train) == RECORDED["reply_train"]
    assert reply(train, said("system", "Be brief.")) == RECORDED["reply_train"]
    assert reply(train, said("assistant", "At ten.")) == RECORDED["reply_neutral"]


def test_a_name_is_remembered_and_the_latest_counts() -> None:
    question = said("user", "What is my name?")
    assert reply(question) == "I do not know your name yet."
    told = [said("user", "Hello, my name is Anna Lind."), said("assistant", "my name is Bot.")]
    assert reply(told[0]) == "Nice to meet you, Anna Lind."
    assert reply(*told, question) == "Your name is Anna Lind."
    assert reply(*told, said("user", "My name is Bo!"), said("user", "what's my name")) == (
        "Your name is Bo."
    )
    assert reply(*told[1:], question) == "I do not know your name yet."


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("18 degrees.", "18 degrees"),
        ('{"wind_speed": 4, "rain": false, "days": [1, null]}', "wind speed 4, rain false, days"),
        ('"sunny"', "sunny"),
        ("  ", "nothing"),
        ("{broken", "{broken"),
        ("{}", "nothing"),
    ],
)
def test_the_output_of_a_tool_is_told(text: str, told: str) -> None:
    forced = Tools([WEATHER], "required")
    entries = said("user", "The weather?"), output(text)
    assert reply(*entries, tools=forced).startswith(f"The answer is {told}")


@pytest.mark.parametrize("text", ["[" * 5_000, "[" * 900 + "]" * 900, "1" * 6_000, "1e999"])
def test_no_output_of_a_tool_is_too_much(text: str) -> None:
    assert len(reply(output(text))) < 300


def test_a_tool_is_called_when_it_is_named() -> None:
    assert call("How is the weather in Lisbon today?", WEATHER) == (
        "get_weather",
        {"city": "Lisbon"},
    )
    assert call("Lights at 40.5 OFF", WEATHER, SET_LIGHTS) == (
        "setLights",
        {
            "state": "off",
            "level": 40,
            "warmth": 40.5,
            "fade": True,
            "rooms": [],
            "extra": {},
            "none": None,
            "count": 40,
        },
    )


def test_a_verb_alone_names_no_tool() -> None:
    tools = Tools([WEATHER, SET_LIGHTS], "auto")
    assert reply(said("user", "Get up and set the table."), tools=tools) == "All right."


def test_the_choice_of_a_tool_is_obeyed() -> None:
    chosen = {"type": "function", "name": "setLights"}
    assert call("The weather?", WEATHER, SET_LIGHTS, choice=chosen)[0] == "setLights"
    assert call("Hello.", WEATHER, SET_LIGHTS, choice="required")[0] == "get_weather"
    assert call("The lights!", WEATHER, SET_LIGHTS, choice="required")[0] == "setLights"
    weather = said("user", "The weather?")
    assert reply(weather, tools=Tools([WEATHER], "none")) == "All right."
    assert reply(weather, tools=Tools([{"type": "mcp", "name": "weather"}], "auto"))
    other = {"type": "function", "name": "no_such_tool"}
    assert reply(weather, tools=Tools([WEATHER], other)) == "All right."


def test_a_choice_in_a_longer_word_is_not_meant() -> None:
    assert call("Lights in London off", SET_LIGHTS)[1]["state"] == "off"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "enum", "properties", "name", "parameters"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON, st.text(max_size=30) | st.from_regex(r"\A[0-9]{300,500}\Z"))
def test_any_schema_of_a_tool_gives_arguments(schema: Any, text: str) -> None:
    tool = {"name": "f", "parameters": {"properties": {"a": schema, "n": {"type": "integer"}}}}
    name, arguments = call(text, tool, choice="required")
    assert name == "f"
    assert set(arguments) == {"a", "n"}
    assert isinstance(arguments["n"], int)

"""What becomes of a turn when something breaks in the middle of what the caller does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.audio.catalogue import Catalogue
from bench.dialects.base import Kind, ServerEvent
from bench.problem import Problem
from bench.session.tools import ROUNDS_LIMIT
from bench.session.turn_state import TurnEnd

from .scripted import SETTINGS, Call, Killed, Stage, server

MS = 1_000_000


@pytest.fixture
def stage(clip_folder: Callable[..., Path]) -> Iterator[Stage]:
    with Stage(Catalogue.open(clip_folder())) as stage:
        yield stage
        assert len(stage.engine) == 0, "a session was left behind"


def call_tool(call: Call, number: int = 0) -> None:
    """A response that calls a tool."""
    response_id = f"resp_{number}"
    call.send("response.created", response={"id": response_id})
    call.send(
        "response.function_call_arguments.done",
        response_id=response_id,
        call_id=f"call_{number}",
        name="look",
        arguments="{}",
    )
    call.send("response.done", response={"id": response_id, "status": "completed"})


def calls_once(call: Call) -> None:
    call.set_up()
    call.expect("response.create")
    call_tool(call)
    call.expect("response.create")
    call.reply("resp_9")
    call.expect("response.create")
    call.reply("resp_10")
    call.listen_to_the_end()


def never_answers(call: Call) -> None:
    call.set_up()
    call.listen_to_the_end()


def test_what_a_tool_raises_ends_the_turn_and_not_the_session(stage: Stage) -> None:
    def fail() -> None:
        raise LookupError("no weather today")

    with server(calls_once) as (port, _):
        caller = stage.caller(port)
        session = caller.session
        session.open()
        turn = session.text("Look!", answer_tools={"look": fail})
        with pytest.raises(LookupError):
            turn.wait()
        assert turn.ended is TurnEnd.STOPPED
        assert session.text("Again.").wait().ended is TurnEnd.DONE
        session.close()
    assert [detail["reason"] for detail in caller.noted("turn_ended")] == ["stopped", "done"]


def test_a_session_lost_while_a_tool_works_ends_the_turn_as_disconnected(stage: Stage) -> None:
    def leaves(call: Call) -> None:
        call.set_up()
        call.expect("response.create")
        call_tool(call)
        call.ws.close(1001, "bye")

    with server(leaves) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        turn = caller.session.text("Look!", answer_tools={"look": lambda: caller.rest(0.3)})
        turn.wait()
        assert turn.ended is TurnEnd.DISCONNECTED
        assert caller.session.ended
    assert len(caller.rows_of("item_create")) == 1, "the question, and no result"


def test_a_model_that_calls_tools_for_ever_is_left_to_itself(stage: Stage) -> None:
    def insists(call: Call) -> None:
        call.set_up()
        for number in range(ROUNDS_LIMIT + 5):
            call.expect("response.create")
            call_tool(call, number)

    with server(insists) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        worked: list[int] = []
        turn = caller.session.text("Look!", answer_tools={"look": lambda: worked.append(1)})
        turn.wait()
        caller.session.close()
    assert turn.ended is TurnEnd.DONE
    assert len(worked) == ROUNDS_LIMIT


def test_a_session_lost_while_its_reply_is_awaited_can_not_be_talked_into(stage: Stage) -> None:
    def leaves(call: Call) -> None:
        call.set_up()
        call.hear(5)
        call.ws.close(1011, "oops")

    with server(leaves) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        first = caller.session.say("hello")
        with pytest.raises(ConnectionError):
            caller.session.interrupt("hello", after_first_audio_ms=100)
        assert first.ended is TurnEnd.DISCONNECTED
        assert not caller.session.overlay("hello")
        assert not caller.session.wait(5, until=lambda: False)
    assert len(caller.noted("utterance")) == 1


def test_an_interruption_that_waits_in_vain_is_said_after_the_watchdog(stage: Stage) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port, watchdog_s=0.3)
        caller.session.open()
        first = caller.session.say("hello")
        second = caller.session.interrupt("hello", after_first_audio_ms=100)
        assert first.ended is TurnEnd.WATCHDOG
        second.wait()
        caller.session.close()
    assert "interrupts" not in caller.noted("utterance")[1]


def test_a_caller_who_leaves_before_the_clip_is_out_commits_nothing(stage: Stage) -> None:
    with server(never_answers) as (port, calls):
        manual = replace(SETTINGS, turn_detection=None)
        caller = stage.caller(port, settings=manual)
        caller.session.open()
        turn = caller.session.say("hello")
        caller.rest(0.1)
        caller.session.hang_up()
        assert turn.ended is TurnEnd.HUNG_UP
        caller.rest(0.4)
    assert [row.kind for row in caller.rows if row.direction == "out"] == ["session_update"]
    assert len(calls) == 1


def test_a_caller_killed_in_a_wait_ends_the_turn_as_stopped(stage: Stage) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        turn = caller.session.say("hello")
        caller.kill_next_wait()
        with pytest.raises(Killed):
            caller.session.wait(5)
        assert turn.ended is TurnEnd.STOPPED
        with pytest.raises(Killed):
            caller.session.close()


def test_a_turn_ends_in_time_while_the_scenario_waits_for_something_else(stage: Stage) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port, watchdog_s=0.2)
        caller.session.open()
        turn = caller.session.say("hello")
        assert not caller.session.wait(0.9)
        assert turn.ended is TurnEnd.WATCHDOG
        caller.session.close()
    begun, ended = caller.row("utterance"), caller.row("turn_ended")
    assert (ended.at_ns - begun.at_ns) / MS == pytest.approx(200 + 200, abs=80)


def test_what_a_callback_raises_reaches_the_scenario(stage: Stage) -> None:
    def fail(event: ServerEvent) -> None:
        raise LookupError(event.type)

    with server(calls_once) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        caller.session.on(Kind.TOOL_CALL, fail)
        turn = caller.session.text("Look!")
        with pytest.raises(LookupError, match=r"function_call_arguments\.done"):
            turn.wait()
        assert turn.ended is TurnEnd.STOPPED
        caller.session.close()


@pytest.mark.parametrize("name", ["input_codec", "model", "session_type", "speed"])
def test_what_an_open_session_can_not_change_is_refused(stage: Stage, name: str) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        with pytest.raises(Problem, match=f"configure: '{name}'"):
            caller.session.configure(**{name: "pcmu"})
        caller.session.close()


def test_a_change_that_is_never_confirmed_is_none(stage: Stage) -> None:
    with server(never_answers) as (port, _):
        caller = stage.caller(port, connect_s=0.3)
        caller.session.open()
        assert not caller.session.configure(instructions="Be brief.")
        assert caller.session.settings.instructions is None
        caller.session.close()

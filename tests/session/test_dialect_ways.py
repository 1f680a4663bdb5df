"""What a session leaves out, or does not wait for, with servers that have not all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.audio.catalogue import Catalogue
from bench.dialects.address import Address
from bench.dialects.base import Kind
from bench.dialects.openai import GA_KINDS, GaShape
from bench.dialects.received import Reader
from bench.dialects.server import Server
from bench.session.refusal import ConnectError
from bench.session.turn_state import TurnEnd

from .scripted import SETTINGS, Call, Caller, Stage, server


def dialect(**ways: Any) -> Server:
    return Server(
        "other",
        key_variable=None,
        address=Address(path="/v1/realtime", query={}, transcription_query={}),
        shape=GaShape(),
        parse=Reader(GA_KINDS).parse,
        **ways,
    )


@pytest.fixture
def stage(clip_folder: Callable[..., Path]) -> Iterator[Stage]:
    with Stage(Catalogue.open(clip_folder())) as stage:
        yield stage
        assert len(stage.engine) == 0


def kinds(caller: Caller) -> list[str]:
    told = [row.kind for row in caller.rows]
    return [kind for kind in told if not kind.endswith("delta")]


def test_a_server_that_greets_nobody_is_spoken_to_first(stage: Stage) -> None:
    def script(call: Call) -> None:
        call.expect("session.update")
        call.send("session.updated", session={"id": "s"})
        call.hear(15)
        call.reply()
        call.listen_to_the_end()

    with server(script) as (port, _):
        ways = dialect(awaits=frozenset({Kind.SESSION_UPDATED}))
        caller = stage.caller(port, dialect=ways)
        caller.session.open()
        caller.session.say("hello").wait()
        caller.session.close()
    assert kinds(caller)[:5] == [
        "connect_started",
        "connected",
        "session_update",
        "session_updated",
        "audio_started",
    ]


@pytest.mark.parametrize("greets", [True, False])
def test_a_server_that_confirms_nothing_is_ready_once_it_was_told(
    stage: Stage, greets: bool
) -> None:
    def script(call: Call) -> None:
        if greets:
            call.send("session.created", session={"id": "s"})
        call.expect("session.update")
        call.send("error", error={"code": "whatever", "message": "Later."})
        call.hear(15)
        call.reply()
        call.listen_to_the_end()

    with server(script) as (port, _):
        awaits = frozenset({Kind.SESSION_CREATED}) if greets else frozenset[Kind]()
        caller = stage.caller(port, dialect=dialect(awaits=awaits))
        caller.session.open()
        turn = caller.session.say("hello").wait()
        assert caller.session.configure(instructions="Be brief.")
        caller.session.close()
    assert turn.ended is TurnEnd.DONE
    assert kinds(caller).count("session_update") == 2
    assert caller.noted("connect_failed") == []


def test_a_server_without_settings_is_ready_when_it_greets(stage: Stage) -> None:
    def script(call: Call) -> None:
        call.send("session.created", session={"id": "s"})
        call.hear(15)
        call.reply()
        call.listen_to_the_end()

    with server(script) as (port, _):
        ways = dialect(unsent=frozenset({Kind.SESSION_UPDATE}))
        caller = stage.caller(port, dialect=ways)
        caller.session.open()
        caller.session.say("hello").wait()
        caller.session.close()
    assert "session_update" not in kinds(caller)


def test_a_server_that_does_not_confirm_in_time_is_refused(stage: Stage) -> None:
    with server(lambda call: call.listen_to_the_end()) as (port, _):
        ways = dialect(awaits=frozenset({Kind.SESSION_UPDATED}))
        caller = stage.caller(port, dialect=ways, connect_s=0.15)
        with pytest.raises(ConnectError, match=r"no session\.updated within 0\.15 s"):
            caller.session.open()


@pytest.mark.parametrize("answers", [True, False])
def test_a_commit_that_is_answered_at_once_is_not_followed_by_a_request(
    stage: Stage, answers: bool
) -> None:
    def script(call: Call) -> None:
        call.set_up()
        call.expect("input_audio_buffer.commit")
        if not answers:
            call.expect("response.create")
        call.reply()
        call.listen_to_the_end()

    manual = replace(SETTINGS, turn_detection=None)
    with server(script) as (port, calls):
        ways = dialect(commit_answers=answers)
        caller = stage.caller(port, dialect=ways, settings=manual)
        caller.session.open()
        turn = caller.session.say("hello").wait()
        caller.session.close()
    assert turn.ended is TurnEnd.DONE
    assert ("response_create" in kinds(caller)) is not answers
    assert len([audio for audio in calls[0].audio if audio.strip("A=")]) >= 15
    order = [row.kind for row in caller.rows if row.direction == "out"]
    assert order[1] == "commit"


def test_what_a_server_does_not_take_is_not_sent(stage: Stage) -> None:
    def script(call: Call) -> None:
        call.set_up()
        call.hear(15)
        call.send("response.created", response={"id": "r1"})
        delta = "AAAA" * (4_000 * 16)
        fields = {"response_id": "r1", "item_id": "i1"}
        call.send("response.output_audio.delta", delta=delta, **fields)
        call.hear(3)
        call.send("input_audio_buffer.speech_started", audio_start_ms=600, item_id="i2")
        call.send("response.done", response={"id": "r1", "status": "cancelled"})
        call.hear(12)
        call.send("input_audio_buffer.speech_stopped", audio_end_ms=900, item_id="i2")
        call.reply("r2")
        call.listen_to_the_end()

    with server(script) as (port, _):
        ways = dialect(unsent=frozenset({Kind.ITEM_TRUNCATE, Kind.CLEAR, Kind.ITEM_DELETE}))
        caller = stage.caller(port, dialect=ways)
        caller.session.open()
        first = caller.session.say("hello")
        second = caller.session.interrupt("hello", after_first_audio_ms=100).wait()
        caller.session.clear()
        assert (first.ended, second.ended) == (TurnEnd.TALKED_OVER, TurnEnd.DONE)
        assert 100 < first.heard_ms < 600
        caller.session.close()
    assert [row.kind for row in caller.rows if row.direction == "out"] == ["session_update"]


def test_the_words_of_a_caller_are_not_on_record(stage: Stage) -> None:
    def script(call: Call) -> None:
        call.set_up()
        call.expect("response.create")
        call.reply()
        call.listen_to_the_end()

    with server(script) as (port, _):
        caller = stage.caller(port)
        caller.session.open()
        caller.session.text("my secret", name="secret").wait()
        caller.session.close()
    out = [json.dumps(row.detail) for row in caller.rows if row.direction == "out"]
    assert "my secret" not in "".join(out)
